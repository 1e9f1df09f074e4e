"""Loading: the view of a run, and its messages, as the store holds them now."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import bindparam, select

from answerable.agents.messages import Message
from answerable.agents.outcomes import Expired, Failed, Rejected, Response
from answerable.errors import Erased, StoreCorrupt
from answerable.orchestrator.graph import Graph
from answerable.orchestrator.running import journal
from answerable.orchestrator.running.view import RunView
from answerable.tracing import ids
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.runs import messages

_MESSAGE = Statement(
    select(messages.c.type, messages.c.version, messages.c.salt, messages.c.payload, messages.c.commitment).where(
        messages.c.run == bindparam("run"), messages.c.id == bindparam("message")
    )
)

OUTCOMES: Mapping[str, type[Message]] = {kind.__name__: kind for kind in (Rejected, Expired, Failed, Response)}


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


def load_message(tx: Tx, types: Mapping[str, type[Message]], run: str, id: str) -> Message:
    """A stored message, checked against its commitment. Raises: StoreCorrupt, Erased, InvalidMessage."""
    row = tx.one(_MESSAGE, run=run, message=id)
    if row is None:
        raise StoreCorrupt(f"message {id} is gone from the store", hint="`answerable ledger verify` tells what else is")
    name, version, salt, payload, promised = row
    if not payload:
        raise Erased(f"message {id} was erased", hint="a record of its run says by whom, and why")
    if ids.commitment(bytes(salt), bytes(payload)) != promised:
        raise StoreCorrupt(
            f"message {id} is not what was written", hint="`answerable ledger verify` tells what was changed"
        )
    kind = types.get(name) or OUTCOMES.get(name)
    if kind is None:
        raise StoreCorrupt(f"message {id} is a {name}, which this app does not know", hint="use the app that wrote it")
    return kind.from_bytes(bytes(payload), version=version)
