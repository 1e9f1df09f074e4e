"""Scopes: which scatter item and which loop iteration a message belongs to.

A scope is a tuple of frames, outermost first; a run begins with none. The rules (3, 7 and 8 of the design's dataflow):

1. Crossing an edge, in this order: pop the loops that it leaves; a back edge increments its loop's frame; `each` pushes
   a scatter frame; entering a loop pushes iteration 0, on inputs that are also fed from inside it.
2. A gather pops the innermost scatter frame only, and the loops that were entered inside of it. After that its list
   crosses by rule 1.
3. Two scopes agree if one is a prefix of the other: an outer message serves every inner one.
4. A loop's budget is counted in its frame. The frame travels with what entered, so every entry, and every item of a
   scatter around the loop, has a budget of its own.

Everything here is pure: what an edge does to a scope was computed by `System.build` and lies on the edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from answerable.orchestrator.graph import Edge, Graph


class ScatterFrame(NamedTuple):
    """Item number `item` (from 0) of what the step `step` scattered on the edge `edge`."""

    edge: str
    step: str
    item: int


class LoopFrame(NamedTuple):
    """Round `iteration` (from 0) of the loop `loop`."""

    loop: str
    iteration: int


Frame: TypeAlias = ScatterFrame | LoopFrame
Scope: TypeAlias = tuple[Frame, ...]


class Scatter(NamedTuple):
    """One scatter as a whole, which a gather belongs to: the edge that was scattered on, and the step that did."""

    edge: str
    step: str


class OverBudget(NamedTuple):
    """The loop `loop` has used its budget up: the message crosses the edge `exit` (an edge id) instead."""

    loop: str
    exit: str


def cross(scope: Scope, edge: Edge, *, step: str, index: int | None = None) -> Scope | OverBudget:
    """The scope that a message has after crossing `edge`, or that it may not cross for want of budget.

    `scope` is that of the step `step` that sent it, `index` the place of the item if the edge takes messages apart.
    After `OverBudget`, cross its exit edge with the same `scope`.

    On a gathering edge it is the list that crosses, once the gather closes, and `scope` is the outer one that
    `gathered` returned. Until then each message waits there with its own scope, which is what `gathered` takes.
    """
    frames = list(scope[: len(scope) - edge.leaves])
    if edge.back is not None:
        frame = frames.pop()
        assert isinstance(frame, LoopFrame), (scope, edge.id)
        assert frame.loop == edge.back.name, (scope, edge.id)
        if frame.iteration + 1 >= edge.back.at_most:
            assert edge.exit is not None, edge.id
            return OverBudget(edge.back.name, edge.exit)
        frames.append(LoopFrame(frame.loop, frame.iteration + 1))
    if edge.each is not None:
        assert index is not None, edge.id
        frames.append(ScatterFrame(edge.id, step, index))
    frames.extend(LoopFrame(loop, 0) for loop in edge.enters)
    return tuple(frames)


def land(scope: Scope, edge: Edge, graph: Graph, *, step: str, index: int | None = None) -> tuple[Edge, Scope]:
    """The edge that is crossed in the end, and the scope after it: `edge`, or the way out of a loop without budget.

    That way out may repeat a loop around it, which may be over budget in turn.
    """
    while isinstance(after := cross(scope, edge, step=step, index=index), OverBudget):
        edge = graph.edge(after.exit)
    return edge, after


def gathered(scope: Scope, edge: Edge) -> tuple[Scatter, Scope]:
    """The scatter that a message with `scope` belongs to on the gathering `edge`, and the scope around that scatter."""
    inner = scope[: len(scope) - edge.leaves_inside]
    frame = inner[-1]
    assert isinstance(frame, ScatterFrame), (scope, edge.id)
    return Scatter(frame.edge, frame.step), inner[:-1]


def item_index(scope: Scope, edge: Edge) -> int:
    """The place of a message with `scope` in the scatter that the gathering `edge` brings together."""
    frame = scope[len(scope) - edge.leaves_inside - 1]
    assert isinstance(frame, ScatterFrame), (scope, edge.id)
    return frame.item


def agree(a: Scope, b: Scope) -> bool:
    """Whether messages of these two scopes belong together: one is a prefix of the other."""
    shorter = min(len(a), len(b))
    return a[:shorter] == b[:shorter]


def longest(scopes: Iterable[Scope]) -> Scope:
    """The scope of a step that consumed messages of these (agreeing) scopes."""
    return max(scopes, key=len, default=())


def to_plain(scope: Scope) -> list[list[str | int]]:
    """`scope` as plain JSON: ["scatter", edge, step, index] and ["loop", loop, iteration]."""
    return [["scatter" if isinstance(frame, ScatterFrame) else "loop", *frame] for frame in scope]


def from_plain(plain: Sequence[Sequence[Any]]) -> Scope:
    """The scope that `to_plain` wrote.

    Raises: ValueError if it is no such thing.
    """
    frames: list[Frame] = []
    for kind, *rest in plain:
        if kind == "scatter" and len(rest) == 3:
            frames.append(ScatterFrame(*rest))
        elif kind == "loop" and len(rest) == 2:
            frames.append(LoopFrame(*rest))
        else:
            raise ValueError(f"{kind!r} is no frame of a scope")
    return tuple(frames)
