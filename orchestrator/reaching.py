"""Reaching: whether something that is going on at a node may still come to a gather, with a scope that agrees.

1. Every edge is followed, and what it does to a scope (see `scopes.py`). A way that leaves the gather's scatter, or its
   round of a loop, does not come back into it: not even along edges that lead to the same node again.
2. Of a scope only the frames down to the gather's own matter, and of each only how it stands to the gather's frame: the
   same; so many rounds behind it, which may be caught up; any, which is what a join with deeper messages will make of
   it; or another, which never becomes the same and can only be popped. So there are few questions, and each is answered
   once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final, TypeAlias

from answerable.orchestrator.graph import Edge, Graph
from answerable.orchestrator.scopes import Frame, LoopFrame, ScatterFrame, Scope

SAME: Final = 0  # and a greater number: so many rounds behind
ANY: Final = -1
OTHER: Final = -2

Standing: TypeAlias = tuple[int, ...]
Rounds: TypeAlias = tuple[LoopFrame | None, ...]  # the gather's frames, None for that of a scatter


class Reaching:
    """Answers for one graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._depths = {
            node: max((graph.depth(node, entry.name) for entry in graph.inputs(node)), default=0)
            for node in graph.nodes
        }
        self._found = cache(self._search)

    def may_reach(self, node: str, scope: Scope, gather: Edge, inside: Scope) -> bool:
        """Whether what a step of `node` sends may come to `gather`.

        `scope` is that of the step, or of one message of it; `inside` is that of the gather's items, the last frame
        being its scatter's, with any item.
        """
        standing = self._known(scope, inside)
        return self._found(node, self._joined(node, standing, len(inside)), gather.id, _rounds(inside), False)

    def surely_belongs(self, node: str, scope: Scope, gather: Edge, inside: Scope) -> bool:
        """Whether what a step with the whole scope `scope` sends comes to `gather` as a part of its own item.

        What goes through another gather, and back into the scatter by a join, is a part of every item.
        """
        return self._found(node, self._known(scope, inside), gather.id, _rounds(inside), True)

    def _known(self, scope: Scope, inside: Scope) -> Standing:
        known = [_stands(mine, theirs) for mine, theirs in zip(scope, inside, strict=False)]
        if known and len(known) == len(inside):
            mine, theirs = scope[len(inside) - 1], inside[-1]
            known[-1] = SAME if isinstance(mine, ScatterFrame) and mine[:2] == theirs[:2] else OTHER
        return tuple(known)

    def _joined(self, node: str, standing: Standing, length: int) -> Standing:
        """What the scope of a step becomes that joins the message with deeper ones."""
        return standing + (ANY,) * (min(self._depths.get(node, 0), length) - len(standing))

    def _search(self, node: str, standing: Standing, gather: str, rounds: Rounds, surely: bool) -> bool:
        """Follow all edges, and see whether one of them is the gather's, met with the gather's own frames."""
        accepted = {SAME} if surely else {SAME, ANY}
        seen: set[tuple[str, Standing]] = set()
        waiting = [(node, standing)]
        while waiting:
            here = waiting.pop()
            if here in seen:
                continue
            seen.add(here)
            at, standing = here
            for edge in self._leaving(at):
                outside = self._depths.get(at, 0)
                if edge.gather:
                    outside -= edge.leaves_inside
                    if edge.id == gather and outside == len(rounds) and accepted.issuperset(standing):
                        return True
                for taken, landed in self._land(edge, at, standing, rounds):
                    if taken.target in self._depths:
                        waiting.append((taken.target, self._joined(taken.target, landed, len(rounds))))
        return False

    def _leaving(self, node: str) -> Iterator[Edge]:
        return (edge for edge in self._graph.edges if edge.source == node and not edge.implicit)

    def _land(self, edge: Edge, source: str, standing: Standing, rounds: Rounds) -> Iterator[tuple[Edge, Standing]]:
        """Where a message lands that is sent on `edge`: on the edge, on the way out of a used-up loop, or on either."""
        left = self._depths.get(source, 0) - edge.leaves - (edge.leaves_inside + 1 if edge.gather else 0)
        kept = standing[:left]
        if edge.back is None:
            yield edge, _entered(edge, kept, left, rounds)
            return
        budget = edge.back.at_most
        frame = rounds[left - 1] if left <= len(rounds) else None
        behind = kept[left - 1] if left <= len(kept) else ANY
        number = frame.iteration - behind if frame is not None and behind >= SAME else None
        if number is None or number + 1 < budget:
            if left <= len(kept):
                kept = (*kept[:-1], OTHER if behind == SAME else behind - 1 if behind > SAME else behind)
            yield edge, _entered(edge, kept, left, rounds)
        if number is None or number + 1 >= budget:
            assert edge.exit is not None, edge.id
            yield from self._land(self._graph.edge(edge.exit), source, standing, rounds)


def _entered(edge: Edge, kept: Standing, left: int, rounds: Rounds) -> Standing:
    """What is pushed: an item that is new is none of the gather's; a loop begins at round 0."""
    pushed: list[int] = [OTHER] if edge.each is not None else []
    for place, loop in enumerate(edge.enters, start=left + len(pushed)):
        frame = rounds[place] if place < len(rounds) else None
        pushed.append(frame.iteration if frame is not None and frame.loop == loop else OTHER)
    return (*kept, *pushed)[: len(rounds)] if len(kept) == left else kept


def _stands(mine: Frame, theirs: Frame) -> int:
    if isinstance(mine, LoopFrame) and isinstance(theirs, LoopFrame) and mine.loop == theirs.loop:
        return theirs.iteration - mine.iteration if theirs.iteration >= mine.iteration else OTHER
    return SAME if mine == theirs else OTHER


def _rounds(inside: Scope) -> Rounds:
    return tuple(frame if isinstance(frame, LoopFrame) else None for frame in inside)
