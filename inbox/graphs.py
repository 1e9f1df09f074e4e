"""The graph of a run as a drawing: nodes in layers from START down to END, marked with how each stands.

1. Where things lie is the story's layout.
2. Where the program is not at hand, the drawing has the edges that were crossed.
3. How a node stands is said by a mark and a word, not by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from answerable.orchestrator.drawing import MARKS, State
from answerable.orchestrator.graph import END_NAME, START_NAME, Graph
from answerable.orchestrator.running.journal import StepRow
from answerable.tracing.evidence.story.layout import lay_out

_CHARACTERS: Final = 18

Drawn: TypeAlias = tuple[str, str, str]
"""An edge as it is drawn: its source, its target, and what it carries."""


@dataclass(frozen=True, kw_only=True)
class NodeDrawn:
    """A node: where its box begins, and how it stands."""

    name: str
    label: str
    x: float
    y: float
    state: State
    mark: str


@dataclass(frozen=True, kw_only=True)
class EdgeDrawn:
    """An edge: the path of its line, what it is, and how often it was crossed."""

    path: str
    title: str
    source: str
    target: str
    carries: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Everything that the template draws."""

    width: float
    height: float
    nodes: Sequence[NodeDrawn]
    edges: Sequence[EdgeDrawn]


def draw_run(run: Mapping[str, Any], steps: Iterable[StepRow], graph: Graph | None, frozen: frozenset[str]) -> Drawing:
    """The drawing of a run's document (`run_document`), with its steps and what is frozen in its system."""
    crossed = {(edge["source"], edge["target"], edge["carries"]): edge["count"] for edge in run["edges_crossed"]}
    declared = [(edge["source"], edge["target"], edge["carries"]) for edge in run["edges_declared"]]
    names = [*(graph.order if graph else ()), END_NAME]
    return draw(crossed, _states(run, steps, frozen), declared=declared, names=names)


def draw(
    crossed: Mapping[Drawn, int],
    states: Mapping[str, State],
    *,
    declared: Sequence[Drawn] = (),
    names: Sequence[str] = (),
) -> Drawing:
    """The drawing of edges, with how often each was crossed and how nodes stand.

    Those that are `declared` come first; `names` are nodes that are drawn even where no edge leads to them.
    """
    edges = list(dict.fromkeys([*declared, *crossed]))
    ends = [end for edge in edges for end in edge[:2]]
    inner = [name for name in (*names, *ends) if name != END_NAME]
    last = [END_NAME] if END_NAME in (*names, *ends) else []
    names = list(dict.fromkeys([START_NAME, *inner, *last]))
    pairs = [(source, target) for source, target, _ in edges]
    layout = lay_out(names, pairs)
    nodes = [
        NodeDrawn(
            name=name,
            label=name if len(name) <= _CHARACTERS else f"{name[: _CHARACTERS - 1]}…",
            x=layout.corner(name).x,
            y=layout.corner(name).y,
            state=states.get(name, "idle"),
            mark=MARKS[states.get(name, "idle")][0],
        )
        for name in names
    ]
    return Drawing(
        width=layout.size(pairs).x,
        height=layout.size(pairs).y,
        nodes=nodes,
        edges=[
            EdgeDrawn(
                path=layout.line(source, target)[0],
                title=f"{source} → {target}: {carries}, crossed {crossed.get((source, target, carries), 0)} times",
                source=source,
                target=target,
                carries=carries,
                count=crossed.get((source, target, carries), 0),
            )
            for source, target, carries in edges
        ],
    )


def states_of(steps: Iterable[StepRow]) -> dict[str, State]:
    """How each node stands by its steps alone; START is done."""
    found: dict[str, State] = {START_NAME: "done"}
    for step in steps:
        state: State = "working" if step.state == "running" else "failed" if step.state == "failed" else "done"
        if step.state != "superseded" and found.get(step.node) not in ("failed", "working"):
            found[step.node] = state
    return found


def _states(run: Mapping[str, Any], steps: Iterable[StepRow], frozen: frozenset[str]) -> dict[str, State]:
    """How each node stands; the one that wants somebody's attention most, where it stands in several ways."""
    found = states_of(steps)
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
