"""The graph of a run as a drawing: nodes in layers from START down to END, marked with how each stands.

1. A node lies below everything that leads to it, edges back to an earlier node aside.
2. Where the program is not at hand, the drawing has the edges that were crossed.
3. How a node stands is said by a mark and a word, not by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from answerable.orchestrator.drawing import MARKS, State
from answerable.orchestrator.graph import END_NAME, START_NAME, Graph

WIDTH: Final = 150
HEIGHT: Final = 44
ACROSS: Final = 180  # from one node to the next beside it
DOWN: Final = 92
MARGIN: Final = 12
_CHARACTERS: Final = 18


@dataclass(frozen=True, kw_only=True)
class NodeDrawn:
    """A node: where its box begins, and how it stands."""

    name: str
    label: str
    x: int
    y: int
    state: State
    mark: str


@dataclass(frozen=True, kw_only=True)
class EdgeDrawn:
    """An edge: the path of its line, what it is, and how often it was crossed."""

    path: str
    title: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Everything that the template draws."""

    width: int
    height: int
    nodes: Sequence[NodeDrawn]
    edges: Sequence[EdgeDrawn]


def draw(run: Mapping[str, Any], steps: Iterable[Any], graph: Graph | None, frozen: frozenset[str]) -> Drawing:
    """The drawing of a run's document (`run_document`), with its steps and what is frozen in its system."""
    crossed = {(edge["source"], edge["target"], edge["carries"]): edge["count"] for edge in run["edges_crossed"]}
    declared = [(edge["source"], edge["target"], edge["carries"]) for edge in run["edges_declared"]]
    edges = list(dict.fromkeys([*declared, *crossed]))
    names = [START_NAME, *graph.order] if graph else [START_NAME]
    names = list(dict.fromkeys([*names, *(end for edge in edges for end in edge[:2] if end != END_NAME), END_NAME]))
    places = _places(names, edges)
    states = _states(run, steps, frozen)
    widths = {row: max(column for column, other in places.values() if other == row) for _, row in places.values()}
    widest = max(widths.values())
    nodes = [
        NodeDrawn(
            name=name,
            label=name if len(name) <= _CHARACTERS else f"{name[: _CHARACTERS - 1]}…",
            x=MARGIN + places[name][0] * ACROSS,
            y=MARGIN + places[name][1] * DOWN,
            state=states.get(name, "idle"),
            mark=MARKS[states.get(name, "idle")][0],
        )
        for name in names
    ]
    return Drawing(
        width=2 * MARGIN + widest * ACROSS + WIDTH + 60,
        height=2 * MARGIN + max(row for _, row in places.values()) * DOWN + HEIGHT,
        nodes=nodes,
        edges=[
            EdgeDrawn(
                path=_path(places[source], places[target], widths),
                title=f"{source} → {target}: {carries}, crossed {crossed.get((source, target, carries), 0)} times",
                count=crossed.get((source, target, carries), 0),
            )
            for source, target, carries in edges
        ],
    )


def _places(names: Sequence[str], edges: Iterable[tuple[str, str, str]]) -> dict[str, tuple[int, int]]:
    """The column and row of each node."""
    order = {name: place for place, name in enumerate(names)}
    rows = dict.fromkeys(names, 0)
    onward = [(source, target) for source, target, _ in edges if order[source] < order[target]]
    for name in names:
        rows[name] = max([rows[source] + 1 for source, target in onward if target == name], default=0)
    rows[END_NAME] = max(rows.values()) if rows[END_NAME] == max(rows.values()) else max(rows.values()) + 1
    columns: dict[int, int] = {}
    places = {}
    for name in names:
        column = columns.get(rows[name], 0)
        columns[rows[name]] = column + 1
        places[name] = (column, rows[name])
    return places


def _path(source: tuple[int, int], target: tuple[int, int], widths: Mapping[int, int]) -> str:
    x1, y1 = MARGIN + source[0] * ACROSS + WIDTH // 2, MARGIN + source[1] * DOWN + HEIGHT
    x2, y2 = MARGIN + target[0] * ACROSS + WIDTH // 2, MARGIN + target[1] * DOWN
    if target[1] == source[1] + 1:
        return f"M{x1} {y1} C{x1} {y1 + 24} {x2} {y2 - 24} {x2} {y2 - 6}"
    first, last = sorted((source[1], target[1]))
    column = max([widths[row] for row in range(first + 1, last) if row in widths] or [source[0], target[0]])
    edge = MARGIN + column * ACROSS + WIDTH + 8 * min(last - first, 6)  # past the boxes between
    side = max(x1, x2) + (edge - max(x1, x2)) * 4 // 3  # a curve comes to three quarters of the way
    return f"M{x1} {y1} C{side} {y1 + 40} {side} {y2 - 40} {x2} {y2 - 6}"


def _states(run: Mapping[str, Any], steps: Iterable[Any], frozen: frozenset[str]) -> dict[str, State]:
    """How each node stands; the one that wants somebody's attention most, where it stands in several ways."""
    found: dict[str, State] = {START_NAME: "done"}
    for step in steps:
        state: State = "working" if step.state == "running" else "failed" if step.state == "failed" else "done"
        if step.state != "superseded" and found.get(step.node) not in ("failed", "working"):
            found[step.node] = state
    for request in run["requests"]:
        if request["state"] == "open":
            found[request["approval"]] = "waiting"
    for effect in run["effects"]:
        if effect["state"] == "in-doubt":
            found[effect["name"]] = "waiting"
    for target in frozen:
        kind, _, name = target.partition(":")
        if kind in ("agent", "effect"):
            found[name] = "frozen"
    if run["status"] == "done":
        found[END_NAME] = "done"
    return found
