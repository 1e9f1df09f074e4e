"""Scopes as the reference interpreter sees them: rules 2, 3, 7 and 8 of the dataflow, taken from the declaration alone.

It reads nodes, edges and loops of a graph, and none of what the product computed from them: which edges repeat, enter
or leave a loop, and how deep a scope is, is worked out here a second time, in the plainest way.

Beside concrete scopes there are *possible* ones, for the question what a message might still lead to: in those, a field
of a frame may be `None`, which stands for any value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from answerable.orchestrator.graph import END_NAME, START_NAME, Edge, Graph, Loop

FUTURE = "a step that is still to come"


class Item(NamedTuple):
    """One item of a scatter: the edge that took the list apart, the step whose list it was, the place in it."""

    edge: str | None
    step: str | None
    place: int | None


class Round(NamedTuple):
    """One round of a loop, counted from 0."""

    loop: str
    number: int | None


Frame: TypeAlias = Item | Round
Scope: TypeAlias = tuple[Frame, ...]


def agree(a: Scope, b: Scope) -> bool:
    """One is a prefix of the other."""
    return all(mine == theirs for mine, theirs in zip(a, b, strict=False))


def may_equal(a: Scope, b: Scope) -> bool:
    """Whether two possible scopes can be the same one."""
    return len(a) == len(b) and all(
        type(mine) is type(theirs)
        and all(one is None or other is None or one == other for one, other in zip(mine, theirs, strict=True))
        for mine, theirs in zip(a, b, strict=True)
    )


class Channels:
    """What the edges of a graph do to scopes."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.shapes = self._static_shapes()

    def cross(self, edge: Edge, scope: Scope, item: Item | None = None) -> list[tuple[Edge, Scope]]:
        """Where a message with `scope` lands that is sent on `edge`: on the edge itself, or on a loop's way out.

        For a gathering edge, `scope` is the one around the scatter. A concrete scope has exactly one landing.
        """
        leaves = [loop.name for loop in self.graph.loops if _in(edge.source, loop) and not _in(edge.target, loop)]
        frames = list(scope)
        while frames and isinstance(top := frames[-1], Round) and top.loop in leaves:
            frames.pop()
        repeated = self.repeats(edge)
        if repeated is None:
            return [(edge, self._enter(edge, frames, item))]
        top = frames.pop()
        assert isinstance(top, Round), (edge, scope)
        assert top.loop == repeated.name, (edge, scope)
        landings = []
        if top.number is None or top.number + 1 < repeated.at_most:
            again = Round(top.loop, None if top.number is None else top.number + 1)
            landings.append((edge, self._enter(edge, [*frames, again], item)))
        if top.number is None or top.number + 1 >= repeated.at_most:
            landings += self.cross(self._way_out(edge), scope, item)
        return landings

    def around(self, edge: Edge, scope: Scope) -> tuple[Item, Scope]:
        """The scatter item that a message on the gathering `edge` belongs to, and the scope around its scatter."""
        frames = list(scope)
        while isinstance(frames[-1], Round):
            frames.pop()
        item = frames.pop()
        assert isinstance(item, Item)
        return item, tuple(frames)

    def repeats(self, edge: Edge) -> Loop | None:
        """The loop that this edge begins another round of: the innermost that it lies in and whose header it enters."""
        loops = [
            loop for loop in self.graph.loops if edge.target == loop.header and _in(edge.source, loop)
        ]  # fmt: skip
        return min(loops, key=lambda loop: len(loop.nodes), default=None)

    def possible(self, node: str, scope: Scope) -> Scope:
        """What the scope of a step of `node` may be that consumes a message with `scope` beside other, deeper ones."""
        return scope + self.shapes[node][len(scope) :]

    def gathers_reached(self, node: str, scope: Scope) -> set[tuple[Edge, Item, Scope]]:
        """The gathers that what a step of `node` with `scope` sends may reach: edge, item, and the scope around."""
        found: set[tuple[Edge, Item, Scope]] = set()
        seen: set[tuple[str, Scope]] = set()
        waiting = [(node, scope)]
        while waiting:
            here = waiting.pop()
            if here in seen:
                continue
            seen.add(here)
            node, scope = here
            for edge in self._declared(node):
                outer = scope
                if edge.gather:
                    item, outer = self.around(edge, scope)
                    found.add((edge, item, outer))
                part = None if edge.each is None else Item(edge.id, FUTURE, None)
                for taken, landed in self.cross(edge, outer, part):
                    if taken.target != END_NAME:
                        waiting.append((taken.target, self.possible(taken.target, landed)))
        return found

    def _declared(self, node: str) -> Iterator[Edge]:
        return (edge for edge in self.graph.edges if edge.source == node and not edge.implicit)

    def _enter(self, edge: Edge, frames: list[Frame], item: Item | None) -> Scope:
        """Rule 3, its second half: `each` pushes the item, and a loop that is entered begins at 0."""
        feeds = {other.source for other in self.graph.edges if (other.target, other.input) == (edge.target, edge.input)}
        entered = [
            loop
            for loop in self.graph.loops
            if _in(edge.target, loop) and not _in(edge.source, loop) and any(_in(source, loop) for source in feeds)
        ]
        outermost_first = sorted(entered, key=lambda loop: -len(loop.nodes))
        pushed = [] if edge.each is None else [item or Item(edge.id, None, None)]
        return (*frames, *pushed, *(Round(loop.name, 0) for loop in outermost_first))

    def _way_out(self, back: Edge) -> Edge:
        """The edge that a message takes which may not begin another round."""
        assert back.exit is not None, back
        return next(edge for edge in self.graph.edges if edge.id == back.exit)

    def _static_shapes(self) -> dict[str, Scope]:
        """For each node, the kind of scope that its steps have: that of the deepest message that comes there."""
        shapes: dict[str, Scope] = dict.fromkeys((START_NAME, *self.graph.nodes, END_NAME), ())
        self.shapes = shapes
        changed = True
        while changed:
            changed = False
            for edge in self.graph.edges:
                if self.repeats(edge) is not None:
                    continue
                try:
                    scope = self.around(edge, shapes[edge.source])[1] if edge.gather else shapes[edge.source]
                except IndexError:
                    continue  # what it gathers has not come this far yet
                ((_, landed),) = self.cross(edge, scope)
                if len(landed) > len(shapes[edge.target]):
                    shapes[edge.target] = tuple(_unknown(frame) for frame in landed)
                    changed = True
        return shapes


def _unknown(frame: Frame) -> Frame:
    return Round(frame.loop, None) if isinstance(frame, Round) else Item(None, None, None)


def _in(node: str, loop: Loop) -> bool:
    return node in loop.nodes
