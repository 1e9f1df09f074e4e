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
from answerable.inbox.graphs import Drawing, draw
from answerable.orchestrator.graph import START_NAME
from answerable.orchestrator.running.journal import read_crossings, read_gathers, read_steps
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
    gathers = {gather.id: gather for gather in read_gathers(tx, row.run)}
    types = {str(id): str(type_) for id, type_ in tx.all(_TYPES, run=row.run)}
    crossed: Counter[tuple[str, str, str]] = Counter()
    seen, waiting = {row.step}, [row.step]
    while waiting:
        step = steps.get(waiting.pop(0))
        for taken in step.consumed.values() if step else ():
            gather = gathers.get(taken)
            for id in [taken] if gather is None else [item[1] for item in gather.items]:
                crossing = sent.get(id)
                if step is None or crossing is None or (crossing.step and crossing.step not in steps):
                    continue
                source = steps[crossing.step].node if crossing.step else START_NAME
                crossed[source, step.node, types.get(crossing.message, "")] += 1
                if crossing.step and crossing.step not in seen:
                    seen.add(crossing.step)
                    waiting.append(crossing.step)
    if not crossed:
        return None
    run = {
        "edges_crossed": [
            {"source": source, "target": target, "carries": carries, "count": count}
            for (source, target, carries), count in reversed(crossed.items())
        ],
        "edges_declared": [],
        "requests": [{"approval": row.approval, "state": row.state}],
        "effects": [],
        "status": "",
    }
    return draw(run, [steps[id] for id in seen if id in steps], None, frozenset(), whole=False)
