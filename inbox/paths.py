"""What led to a request, as a drawing: the steps that it came from, back to the run's input, and what each handed on.

1. It is the same path that says who is too close to decide: everything that the approval's step consumed, and what
   that came from. What happened beside it is on the run's page.
2. A run of more than MOST_CROSSINGS is not drawn here, nor one whose steps were pruned.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from sqlalchemy import bindparam, func, select

from answerable.approvals.asking.requests import RequestRow
from answerable.inbox.graphs import Drawing, draw, states_of
from answerable.orchestrator.graph import START_NAME
from answerable.orchestrator.running.journal import read_crossings, read_gathers, read_steps
from answerable.orchestrator.running.upstream import upstream
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.runs import crossings, messages

MOST_CROSSINGS: Final = 2000

_COUNT = Statement(select(func.count()).select_from(crossings).where(crossings.c.run == bindparam("run")))
_TYPES = Statement(select(messages.c.id, messages.c.type).where(messages.c.run == bindparam("run")))


def path_to(tx: Tx, row: RequestRow) -> Drawing | None:
    """The drawing of what led to a request; None if there is too much of it, or nothing is left."""
    counted = tx.one(_COUNT, run=row.run)
    if counted is None or counted[0] > MOST_CROSSINGS:
        return None
    steps = {step.id: step for step in read_steps(tx, row.run)}
    sent = {crossing.id: crossing for crossing in read_crossings(tx, row.run)}
    types = {str(id): str(type_) for id, type_ in tx.all(_TYPES, run=row.run)}
    asking = steps.get(row.step)
    path = upstream(
        row.approval,
        asking.consumed.values() if asking else (),
        step=steps.get,
        crossing=sent.get,
        gathers={gather.id: gather for gather in read_gathers(tx, row.run)},
    )
    crossed: Counter[tuple[str, str, str]] = Counter()
    senders = {row.step}
    for taker, crossing in path:
        sender = steps.get(crossing.step)
        if sender is not None or not crossing.step:
            source = sender.node if sender else START_NAME
            crossed[source, taker, types.get(crossing.message, "")] += 1
            senders.add(crossing.step)
    if not crossed:
        return None
    states = states_of(steps[id] for id in senders if id in steps)
    if row.state == "open":
        states[row.approval] = "waiting"
    return draw(dict(reversed(crossed.items())), states)
