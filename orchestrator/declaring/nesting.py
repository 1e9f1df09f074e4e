"""What crossing each edge does to a scope, and what the scopes on each input look like, computed once.

1. All crossings on one input have scopes of one shape: as many frames, of the same kinds, in the same loops.
2. The inputs of a node have shapes that can agree: one is a prefix of the other, with a scatter in common wherever both
   have one. The node's steps have the longest.
3. A scatter that is opened inside a loop is gathered before the loop repeats or is left.
4. A gather has a scatter, opened inside of every loop that the gathering edge does not leave. An input gathers each
   scatter on one edge only, as each edge makes a list of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from graphlib import TopologicalSorter

from answerable.errors import Problem
from answerable.orchestrator.declaring.declared import Declaration
from answerable.orchestrator.declaring.resolve import inputs_of
from answerable.orchestrator.graph import END_NAME, START_NAME, Edge, Loop, LoopShape, ScatterShape, Shape


class Nesting:
    """The computation, one node after the other in `order`; `edges` and `shapes` are its result if `problems` is empty.

    `edges` must have no cycle but through back edges, and every input must be fed.
    """

    def __init__(self, edges: Sequence[Edge], loops: Sequence[Loop], of: Declaration) -> None:
        self._of = of
        self._loops = sorted(loops, key=lambda loop: (-len(loop.nodes), loop.name))  # outer before inner
        self._fed: dict[tuple[str, str], list[Edge]] = {}
        for edge in edges:
            self._fed.setdefault((edge.target, edge.input), []).append(edge)
        self._crossed: dict[str, Shape] = {}
        self._gathered: dict[str, ScatterShape] = {}
        self.problems: list[Problem] = []
        self.shapes: dict[tuple[str, str], Shape] = {}
        self.order = order_of(edges, [*of.nodes, END_NAME])
        done: dict[str, Edge] = {}
        for node in (START_NAME, *self.order):
            shape = () if node == START_NAME else self._node(node)
            for edge in edges:
                if edge.source == node:
                    done[edge.id] = self._passage(edge, shape)
        self.edges = tuple(done[edge.id] for edge in edges)
        self._check_back_edges()
        self._check_gathers()

    def _node(self, node: str) -> Shape:
        longest: Shape = ()
        for entry in inputs_of(node, self._of):
            into = (node, entry.name)
            self.shapes[into] = self._merged(into)
        for entry in inputs_of(node, self._of):
            shape = self.shapes[node, entry.name]
            if not _can_agree(shape, longest):
                self.problems.append(
                    Problem(
                        code="unrelated-scopes",
                        where=node,
                        what=f"input {entry.name!r} is fed {_tell(shape)}, and another one {_tell(longest)}: "
                        "no two such messages belong together",
                        do="gather the items first, or join before they are taken apart",
                    )
                )
            longest = max(longest, shape, key=len)
        return longest

    def _merged(self, into: tuple[str, str]) -> Shape:
        """The shape of an input: that of its feeds, which must be of one kind."""
        feeds = [edge for edge in self._fed.get(into, []) if edge.id in self._crossed]
        merged: Shape | None = None
        for edge in feeds:
            shape = self._crossed[edge.id]
            if merged is None:
                merged = shape
            elif _kinds(merged) != _kinds(shape):
                self._mixed(into, feeds[0], merged, edge, shape)
            else:
                merged = tuple(
                    ScatterShape(mine.edges | theirs.edges)
                    if isinstance(mine, ScatterShape) and isinstance(theirs, ScatterShape)
                    else mine
                    for mine, theirs in zip(merged, shape, strict=True)
                )
        return merged or ()

    def _mixed(self, into: tuple[str, str], first: Edge, shape: Shape, second: Edge, other: Shape) -> None:
        self.problems.append(
            Problem(
                code="mixed-scopes",
                where=f"{into[0]}.{into[1]}",
                what=f"{first} brings messages {_tell(shape)}, and {second} {_tell(other)}",
                do="gather what was taken apart first, or give each its own input",
            )
        )

    def _passage(self, edge: Edge, shape: Shape) -> Edge:
        """`edge` with what crossing it does; `shape` is that of its source's steps."""
        left = {loop.name for loop in self._loops if edge.source in loop.nodes and edge.target not in loop.nodes}
        frames = list(shape)
        leaves_inside = 0
        if edge.gather:
            leaves_inside = _pop_loops(frames, left)
            innermost = frames.pop() if frames else None
            if not isinstance(innermost, ScatterShape):
                around = "" if innermost is None else f" since the loop {innermost.loop} began"
                self._problem("gather-without-scatter", edge, f"nothing was taken apart{around} that it could gather")
                return edge
            self._gathered[edge.id] = innermost
        leaves = _pop_loops(frames, left)
        if left or (edge.back is not None and (not frames or frames[-1] != LoopShape(edge.back.name))):
            loop = sorted(left)[0] if edge.back is None else edge.back.name
            self._problem(
                "scatter-left-open",
                edge,
                f"what was taken apart inside the loop {loop} is not brought together before it repeats or is left",
            )
            return edge
        if edge.each is not None:
            frames.append(ScatterShape(frozenset({edge.id})))
        enters = self._enters(edge)
        frames.extend(LoopShape(loop) for loop in enters)
        self._crossed[edge.id] = tuple(frames)
        return replace(edge, leaves_inside=leaves_inside, leaves=leaves, enters=enters)

    def _enters(self, edge: Edge) -> tuple[str, ...]:
        """The loops that it enters, outermost first, on an input that is also fed from inside."""
        sources = {other.source for other in self._fed[edge.target, edge.input]}
        return tuple(
            loop.name
            for loop in self._loops
            if edge.target in loop.nodes and edge.source not in loop.nodes and sources & loop.nodes
        )

    def _check_back_edges(self) -> None:
        for edge in self.edges:
            into = (edge.target, edge.input)
            if edge.back is not None and edge.id in self._crossed and into in self.shapes:
                shape = self._crossed[edge.id]
                if _kinds(shape) != _kinds(self.shapes[into]):
                    entry = next(feed for feed in self._fed[into] if feed.back is None)
                    self._mixed(into, entry, self.shapes[into], edge, shape)

    def _check_gathers(self) -> None:
        for feeds in self._fed.values():
            gathers = [edge for edge in feeds if edge.id in self._gathered]
            for place, edge in enumerate(gathers):
                for other in gathers[:place]:
                    if shared := self._gathered[edge.id].edges & self._gathered[other.id].edges:
                        self.problems.append(
                            Problem(
                                code="gather-twice",
                                where=f"{other.id}, {edge.id}",
                                what=f"both gather the items of {' or '.join(sorted(shared))}, "
                                "and neither would have them all",
                                do=f"let these messages meet in one node before {edge.target}, and gather from there",
                            )
                        )

    def _problem(self, code: str, edge: Edge, what: str) -> None:
        do = "let each= and gather=True enclose each other like brackets, and like the loops around them"
        self.problems.append(Problem(code=code, where=edge.id, what=what, do=do))


def order_of(edges: Sequence[Edge], nodes: Sequence[str]) -> tuple[str, ...]:
    """`nodes` so that sources come before targets, back edges aside; otherwise in the order given.

    Raises: graphlib.CycleError if there is another cycle.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter({node: [] for node in nodes})
    for edge in edges:
        if edge.back is None and edge.source != START_NAME:
            sorter.add(edge.target, edge.source)
    sorter.prepare()
    order: list[str] = []
    place: Mapping[str, int] = {node: number for number, node in enumerate(nodes)}
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=place.__getitem__)
        order.extend(ready)
        sorter.done(*ready)
    return tuple(order)


def _pop_loops(frames: list[ScatterShape | LoopShape], left: set[str]) -> int:
    """Pop the innermost frames as long as they are of loops in `left`, off both; how many there were."""
    count = 0
    while frames and isinstance(frame := frames[-1], LoopShape) and frame.loop in left:
        frames.pop()
        left.discard(frame.loop)
        count += 1
    return count


def _kinds(shape: Shape) -> tuple[str | None, ...]:
    return tuple(frame.loop if isinstance(frame, LoopShape) else None for frame in shape)


def _can_agree(a: Shape, b: Shape) -> bool:
    return all(
        mine == theirs
        or (isinstance(mine, ScatterShape) and isinstance(theirs, ScatterShape) and bool(mine.edges & theirs.edges))
        for mine, theirs in zip(a, b, strict=False)
    )


def _tell(shape: Shape) -> str:
    if not shape:
        return "once"
    return "for each " + " of each ".join(
        f"round of the loop {frame.loop}"
        if isinstance(frame, LoopShape)
        else f"item of {' or '.join(sorted(frame.edges))}"
        for frame in reversed(shape)
    )
