"""The journal of a run: what a step, a crossing or an ending writes, each in one transaction with its records.

1. Every transaction of a worker begins with the guard: it reads who answers, what is frozen, and whether this worker
   still holds the run's lease. A worker that lost it writes nothing more.
2. A step is written once: the row of its id is the lock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, true, update
from sqlalchemy.dialects.postgresql import insert  # with ON CONFLICT, which SQLite writes in the same way

from answerable.agents.messages import Message, subject_of
from answerable.errors import LeaseLost
from answerable.orchestrator.running.crossing import Crossing, Outflow, Scattered, Written
from answerable.orchestrator.scopes import Scope, from_plain, to_plain
from answerable.tracing.ledger.records.record import MessageRef
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.people import systems
from answerable.tracing.storage.tables.runs import crossings, gathers, messages, runs, scatters, steps, subjects
from answerable.tracing.turns import TURN

_GUARD = (
    select(runs.c.lease_fence, runs.c.status, systems.c.responsible, systems.c.frozen, systems.c.rules)
    .join_from(runs, systems, systems.c.name == runs.c.system)
    .where(runs.c.id == bindparam("run"))
    .with_for_update(read=True, of=[runs, systems])
)
_GUARDS = {"sqlite": Statement(_GUARD), "postgresql": Statement(_GUARD.join_from(systems, TURN, true()))}
INSERT_MESSAGE = inserting(messages)
INSERT_CROSSING = inserting(crossings)
INSERT_SCATTER = inserting(scatters)
INSERT_GATHER = inserting(gathers)
INSERT_SUBJECT = inserting(subjects)
_THIS_STEP = (steps.c.run == bindparam("run"), steps.c.id == bindparam("step"))
_THIS_MESSAGE = (messages.c.run == bindparam("run"), messages.c.id == bindparam("message"))
_insert_step = insert(steps).inline()
_BEGIN_STEP = Statement(
    _insert_step.on_conflict_do_update(
        index_elements=[steps.c.run, steps.c.id],
        set_={"attempt": steps.c.attempt + 1, "started_at": _insert_step.excluded.started_at},
        where=steps.c.state == "running",
    ).returning(steps.c.attempt),
    [column.name for column in steps.columns],
)
_FINISH_STEP = Statement(
    update(steps)
    .where(*_THIS_STEP, steps.c.state == "running")
    .values(state=bindparam("new_state"), error=bindparam("new_error"))
)
_STEPS = Statement(
    select(
        steps.c.id,
        steps.c.node,
        steps.c.generation,
        steps.c.attempt,
        steps.c.state,
        steps.c.scope,
        steps.c.consumed,
        steps.c.error,
    )
    .where(steps.c.run == bindparam("run"))
    .order_by(steps.c.started_at, steps.c.id)
)
_CROSSINGS = Statement(
    select(
        crossings.c.id,
        crossings.c.edge,
        crossings.c.target,
        crossings.c.input,
        crossings.c.message,
        crossings.c.step,
        crossings.c.scope,
        crossings.c.at,
    ).where(crossings.c.run == bindparam("run"))
)
_SCATTERS = Statement(
    select(scatters.c.edge, scatters.c.step, scatters.c.size, scatters.c.scope).where(
        scatters.c.run == bindparam("run")
    )
)
_GATHERS = Statement(
    select(
        gathers.c.id, gathers.c.edge, gathers.c.scatter_edge, gathers.c.scatter_step, gathers.c["items"], gathers.c.at
    ).where(gathers.c.run == bindparam("run"))
)
_REF = Statement(select(messages.c.type, messages.c.commitment).where(*_THIS_MESSAGE))
_STORED = Statement(select(messages.c.payload, messages.c.salt, messages.c.commitment).where(*_THIS_MESSAGE))


@dataclass(frozen=True, slots=True)
class Guard:
    """What a transaction of a worker may rely on."""

    responsible: str
    frozen: frozenset[str]
    status: str
    rules: int = 0  # another number whenever the system's standing rules change

    def holds(self, *targets: str) -> str:
        """The first of `targets` that is frozen ("system" always counts), or ""."""
        return next((target for target in ("system", *targets) if target in self.frozen), "")


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step as it is stored; `state` is running, done, failed or superseded."""

    id: str
    node: str
    generation: int
    attempt: int
    state: str
    scope: Scope
    consumed: dict[str, str]
    error: str

    @property
    def superseded(self) -> bool:
        """Whether it was run anew by a person's decision."""
        return self.state == "superseded"


@dataclass(frozen=True, slots=True)
class GatherRow:
    """A gather that was closed: the scatter (edge, step), and its items (index, crossing or "", outcome or None)."""

    id: str
    edge: str
    scatter: tuple[str, str]
    items: tuple[tuple[int, str, dict[str, Any] | None], ...]
    sent: int


_NOTHING_FROZEN: frozenset[str] = frozenset()


def guard(tx: Tx, run: str, fence: int) -> Guard:
    """Check the lease, and read what the rest of the transaction may rely on.

    Raises: LeaseLost if another worker took the run over.
    """
    row = tx.one(_GUARDS[tx.dialect], run=run)
    if row is None or row[0] != fence:
        raise LeaseLost(f"another worker has taken {run} over", hint="it goes on there; nothing was written here")
    _, status, responsible, frozen, rules = row
    return Guard(responsible, frozenset(json.loads(frozen)) if frozen != "[]" else _NOTHING_FROZEN, status, rules)


def begin_step(
    tx: Tx,
    run: str,
    step: str,
    *,
    node: str,
    generation: int,
    scope: Scope,
    consumed: dict[str, str],
    now: int,
) -> int:
    """Write that a step begins its next attempt, and return its number; 0 if it is finished already."""
    row = tx.one(
        _BEGIN_STEP,
        id=step,
        run=run,
        node=node,
        generation=generation,
        attempt=1,
        state="running",
        scope=dump_scope(scope),
        consumed=json.dumps(consumed),
        error="",
        started_at=now,
    )
    return int(row[0]) if row else 0


def finish_step(tx: Tx, run: str, step: str, *, state: str, error: str = "") -> bool:
    """Write that a step is over; False if another worker has written it already."""
    return tx.run(_FINISH_STEP, run=run, step=step, new_state=state, new_error=error) == 1


def write_messages(tx: Tx, run: str, many: Iterable[Written]) -> None:
    """Store messages beside the ledger, which holds their commitments."""
    for one in many:
        kind = type(one.message)
        tx.run(
            INSERT_MESSAGE,
            id=one.id,
            run=run,
            type=kind.__name__,
            version=kind.version,
            salt=one.salt,
            payload=one.payload,
            commitment=one.commitment,
        )
        if kind.subject_field and (about := subject_of(one.message)):
            tx.run(INSERT_SUBJECT, subject=about, run=run, message=one.id)


def read_written(tx: Tx, run: str, id: str, message: Message) -> Written:
    """The message `id`, which is `message`, as it is stored."""
    row = tx.one(_STORED, run=run, message=id)
    assert row is not None, id
    return Written(id, message, bytes(row[0]), bytes(row[1]), row[2])


def read_payload(tx: Tx, run: str, id: str) -> bytes:
    """The bytes of a stored message."""
    row = tx.one(_STORED, run=run, message=id)
    assert row is not None, id
    return bytes(row[0])


def read_ref(tx: Tx, run: str, id: str) -> MessageRef:
    """What records say of a stored message."""
    row = tx.one(_REF, run=run, message=id)
    assert row is not None, id
    return MessageRef(id=id, type=row[0], commitment=row[1])


def write_outflow(tx: Tx, run: str, out: Outflow) -> None:
    """Store what left a step: new messages, crossings, scatters."""
    write_messages(tx, run, out.messages)
    for _, crossing, _ in out.crossings:
        tx.run(
            INSERT_CROSSING,
            id=crossing.id,
            run=run,
            edge=crossing.edge,
            target=crossing.target,
            input=crossing.input,
            message=crossing.message,
            step=crossing.step,
            scope=dump_scope(crossing.scope),
            at=crossing.sent,
        )
    for scatter in out.scatters:
        tx.run(
            INSERT_SCATTER,
            edge=scatter.edge,
            step=scatter.step,
            run=run,
            size=scatter.size,
            scope=dump_scope(scatter.scope),
        )


def write_gather(tx: Tx, run: str, gather: GatherRow) -> None:
    """Store a gather that was closed."""
    tx.run(
        INSERT_GATHER,
        id=gather.id,
        run=run,
        edge=gather.edge,
        scatter_edge=gather.scatter[0],
        scatter_step=gather.scatter[1],
        items=json.dumps(gather.items),
        at=gather.sent,
    )


def read_steps(tx: Tx, run: str) -> list[StepRow]:
    """All steps of a run."""
    return [
        StepRow(id, node, generation, attempt, state, load_scope(scope), json.loads(consumed), error)
        for id, node, generation, attempt, state, scope, consumed, error in tx.all(_STEPS, run=run)
    ]


def read_crossings(tx: Tx, run: str) -> list[Crossing]:
    """All crossings of a run."""
    return [
        Crossing(id, edge, target, input, message, step, load_scope(scope), at)
        for id, edge, target, input, message, step, scope, at in tx.all(_CROSSINGS, run=run)
    ]


def read_scatters(tx: Tx, run: str) -> list[Scattered]:
    """All scatters of a run."""
    return [Scattered(edge, step, size, load_scope(scope)) for edge, step, size, scope in tx.all(_SCATTERS, run=run)]


def read_gathers(tx: Tx, run: str) -> list[GatherRow]:
    """All closed gathers of a run."""
    return [
        GatherRow(id, edge, (scatter_edge, scatter_step), tuple(_items(json.loads(items))), at)
        for id, edge, scatter_edge, scatter_step, items, at in tx.all(_GATHERS, run=run)
    ]


def dump_scope(scope: Scope) -> str:
    """A scope as JSON text."""
    return json.dumps(to_plain(scope)) if scope else "[]"


def load_scope(text: str) -> Scope:
    """The scope that `dump_scope` wrote."""
    return from_plain(json.loads(text)) if text != "[]" else ()


def _items(plain: Sequence[Sequence[Any]]) -> Iterable[tuple[int, str, dict[str, Any] | None]]:
    return ((index, crossing, outcome) for index, crossing, outcome in plain)
