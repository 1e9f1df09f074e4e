"""Gathering: when a scatter's results are complete, and what they are.

1. A gather belongs to one scatter. It closes, at rest, when nothing that can still reach it is live: no ready or
   blocked combination, no unrouted request, no effect in doubt, no other open gather.
2. Live things count only if they may come to the gather with a scope that agrees (see `reaching.py`): not what will
   belong to another round of a loop by then, or to another scatter.
3. An item whose way ended without a result is listed as `Failed`, `Rejected` or `Expired`; an item that conditions
   dropped is absent, and counted.
4. Items are ordered by (index, crossing), so the list does not depend on time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from answerable.agents.outcomes import Failed
from answerable.orchestrator.graph import END_NAME, Edge, Graph, ScatterShape
from answerable.orchestrator.running.crossing import Scattered
from answerable.orchestrator.running.journal import GatherRow
from answerable.orchestrator.running.reaching import Reaching
from answerable.orchestrator.running.view import RunView
from answerable.orchestrator.scopes import ScatterFrame, Scope, item_index, land
from answerable.tracing import ids


@dataclass(frozen=True, slots=True)
class Lost:
    """A way that ended without a result: at this node, in this scope, and what a gather says of it."""

    node: str
    scope: Scope
    outcome: dict[str, Any]  # with what it ended in: the id of a step or a decision


@dataclass(frozen=True, slots=True)
class Live:
    """Something that is still going on at a node. A routed approval or a blocked step is at its own node."""

    node: str
    scope: Scope


class Gathering:
    """The gathers of one graph. Which edge gathers which scatter, and from where, is computed once."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._gathers = {edge.id: _scatters_of(graph, edge) for edge in graph.edges if edge.gather}
        self._reaching = Reaching(graph)

    def open(self, view: RunView) -> Iterator[tuple[Edge, Scattered]]:
        """Every gather that is not closed yet, with its scatter."""
        for edge_id, scattering in self._gathers.items():
            edge = self._graph.edge(edge_id)
            for scatter in view.scatters.values():
                if scatter.edge in scattering and (edge.id, scatter.edge, scatter.step) not in view.closed:
                    yield edge, scatter

    def closable(self, view: RunView, live: Iterable[Live], lost: Iterable[Lost], *, now: int) -> list[GatherRow]:
        """The gathers that can close now."""
        live, lost = list(live), list(lost)
        opened = list(self.open(view))
        return [
            self._close(view, edge, scatter, lost, now)
            for edge, scatter in opened
            if not any(self._feeds(item, edge, scatter) for item in live)
            and not any(
                self._feeds(self._comes_to(*other), edge, scatter) for other in opened if other != (edge, scatter)
            )
        ]

    def _comes_to(self, edge: Edge, scatter: Scattered) -> Live:
        """Where the list of an open gather goes when it closes."""
        taken, scope = land(scatter.scope, edge, self._graph, step="")
        return Live(taken.target, scope)

    def _feeds(self, item: Live, gather: Edge, scatter: Scattered) -> bool:
        return item.node != END_NAME and self._reaching.may_reach(
            item.node, item.scope, gather, scatter.scope, (scatter.edge, scatter.step)
        )

    def _close(self, view: RunView, edge: Edge, scatter: Scattered, lost: list[Lost], now: int) -> GatherRow:
        arrived = view.waiting_to_gather.get((edge.id, scatter.edge, scatter.step), [])
        items: list[tuple[int, str, dict[str, Any] | None]] = [
            (item_index(crossing.scope, edge), crossing.id, None) for crossing in arrived
        ]
        for way in lost:
            frames = [frame for frame in way.scope if isinstance(frame, ScatterFrame)]
            inner = frames[-1] if frames else None
            of = (scatter.edge, scatter.step)
            if inner is None or inner[:2] != of:
                continue
            if self._reaching.surely_belongs(way.node, way.scope, edge, scatter.scope, of):
                items.append((inner.item, "", way.outcome))
        items.sort(key=lambda item: (item[0], item[1], str(item[2])))
        taken = [f"{index}={crossing or (outcome or {})['type']}" for index, crossing, outcome in items]
        id = ids.derive(ids.GATHER, view.run, edge.id, scatter.edge, scatter.step, *taken)
        return GatherRow(id, edge.id, (scatter.edge, scatter.step), tuple(items), now)


def failure(step: str, node: str, error: str) -> dict[str, Any]:
    """What a gather says of a step that failed."""
    return outcome_of(step, Failed(node=node, error=error))


def outcome_of(what: str, message: Any) -> dict[str, Any]:
    """A message of the framework as a gather's row holds it, and the step or decision that it tells of."""
    return {"type": type(message).__name__, "fields": message.model_dump(mode="json"), "of": what}


def _scatters_of(graph: Graph, gather: Edge) -> frozenset[str]:
    """The scattering edges whose items a gathering edge brings together."""
    shapes = [graph.shapes[gather.source, input.name] for input in graph.inputs(gather.source)]
    inner = max(shapes, key=len, default=())
    frame = inner[len(inner) - gather.leaves_inside - 1]
    assert isinstance(frame, ScatterShape), gather.id
    return frame.edges
