"""Loading: the view of a run as the store holds it now."""

from __future__ import annotations

from answerable.orchestrator.graph import Graph
from answerable.orchestrator.running import journal
from answerable.orchestrator.running.view import RunView
from answerable.tracing.storage.store import Tx


def read_view(tx: Tx, graph: Graph, run: str) -> RunView:
    """The view of a run."""
    view = RunView(graph, run)
    view.load(
        journal.read_steps(tx, run),
        journal.read_crossings(tx, run),
        journal.read_scatters(tx, run),
        journal.read_gathers(tx, run),
    )
    return view
