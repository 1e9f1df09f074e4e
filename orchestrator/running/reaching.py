"""Reaching: whether something that is going on at a node may still come to a gather, with a scope that agrees.

1. Every edge is followed, and what it does to a scope (see `scopes.py`), budgets of loops included. A way that leaves
   the gather's scatter, or its round of a loop, does not come back into it: not even along edges that lead to the same
   node again.
2. Of a scatter's frame it matters only whether it is one of the gather's own; of a loop's, which round it is. Of either
   nothing is known where a message is joined with deeper ones. So there are few questions, and each is answered once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final, TypeAlias

from answerable.orchestrator.graph import Edge, Graph
from answerable.orchestrator.scopes import Frame, LoopFrame, Scope

OWN: Final = 0  # a scatter's frame that is the gather's; for a loop's frame its round stands there, from 0 on
OTHER: Final = -1
ANY: Final = -2

Standing: TypeAlias = tuple[int, ...]


class Reaching:
    """Answers for one graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._depths = {
            node: max((graph.depth(node, entry.name) for entry in graph.inputs(node)), default=0)
            for node in graph.nodes
        }
        self._found = cache(self._search)

    def may_reach(self, node: str, scope: Scope, gather: Edge, around: Scope, scatter: tuple[str, str]) -> bool:
        """Whether what a step of `node` sends may come to `gather`, for a list that was taken apart.

        `scope` is that of the step, or of one message of it. The list was taken apart by `scatter` (edge, step), with
        the scope `around`.
        """
        standing = self._joined(node, _standing(scope, around, scatter))
        return self._found(node, standing, gather.id, _standing(around, around, scatter), False)

    def surely_belongs(self, node: str, scope: Scope, gather: Edge, around: Scope, scatter: tuple[str, str]) -> bool:
        """Whether what a step with the whole scope `scope` sends comes to `gather` as a part of its own item.

        What goes through another gather, and back into the scatter by a join, is a part of every item.
        """
        standing = _standing(scope, around, scatter)
        return self._found(node, standing, gather.id, _standing(around, around, scatter), True)

    def _search(self, node: str, standing: Standing, gather: str, around: Standing, surely: bool) -> bool:
        """Follow all edges, and see whether one of them is the gather's, met with the gather's own frames."""
        own = (*around, OWN)
        seen: set[tuple[str, Standing]] = set()
        waiting = [(node, standing)]
        while waiting:
            here = waiting.pop()
            if here in seen:
                continue
            seen.add(here)
            at, standing = here
            for edge in self._graph.edges:
                if edge.source != at or edge.implicit:
                    continue
                if edge.id == gather and _agree(standing[: len(standing) - edge.leaves_inside], own, surely):
                    return True
                for taken, landed in self._land(edge, standing):
                    if taken.target in self._depths:
                        waiting.append((taken.target, self._joined(taken.target, landed)))
        return False

    def _joined(self, node: str, standing: Standing) -> Standing:
        """What the scope of a step becomes that joins the message with deeper ones."""
        return standing + (ANY,) * (self._depths.get(node, 0) - len(standing))

    def _land(self, edge: Edge, standing: Standing) -> Iterator[tuple[Edge, Standing]]:
        """Where a message lands that is sent on `edge`: on it, on the way out of a used-up loop, or on either."""
        popped = edge.leaves + (edge.leaves_inside + 1 if edge.gather else 0)
        kept = standing[: len(standing) - popped]
        if edge.back is not None:
            number = kept[-1]
            if number == ANY or number + 1 >= edge.back.at_most:
                assert edge.exit is not None, edge.id
                yield from self._land(self._graph.edge(edge.exit), standing)
            if number != ANY and number + 1 >= edge.back.at_most:
                return
            kept = (*kept[:-1], number if number == ANY else number + 1)
        pushed = (OTHER,) if edge.each is not None else ()
        yield edge, (*kept, *pushed, *(0 for _ in edge.enters))


def _standing(scope: Scope, around: Scope, scatter: tuple[str, str]) -> Standing:
    """How the frames of `scope` stand to those of the gather's items."""

    def stands(place: int, frame: Frame) -> int:
        if isinstance(frame, LoopFrame):
            return frame.iteration
        own = frame == around[place] if place < len(around) else place == len(around) and frame[:2] == scatter
        return OWN if own else OTHER

    return tuple(stands(place, frame) for place, frame in enumerate(scope))


def _agree(standing: Standing, own: Standing, surely: bool) -> bool:
    return len(standing) == len(own) and all(
        mine == theirs or (mine == ANY and not surely) for mine, theirs in zip(standing, own, strict=True)
    )
