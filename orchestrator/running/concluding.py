"""Concluding: how an effect's step ends, and what is recorded of that.

Each state is a durable commit with its record, together with the step's own end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, update

from answerable.agents.messages import Message
from answerable.agents.nodes import Effect
from answerable.agents.texts import shortened
from answerable.approvals.gate import EffectRow, Passed, Refused, get_effect, let_pass, refuse, refuse_unprepared
from answerable.errors import InvalidMessage
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.running.crossing import message_id, outflow, written
from answerable.orchestrator.running.ending import Ending
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.journal import Guard
from answerable.orchestrator.running.planning import effect_id
from answerable.orchestrator.running.stepping import OUTPUT, check_known, describe
from answerable.orchestrator.running.verdicts import LONGEST, Done, Doubt, Not, Verdict
from answerable.orchestrator.running.view import Ready
from answerable.tracing.failpoints import failpoint
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.effects import EffectAnswered, EffectInDoubt
from answerable.tracing.ledger.records.record import Record
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.runs import effects

_SET_STATE = Statement(
    update(effects)
    .where(effects.c.id == bindparam("effect"))
    .values(state=bindparam("new_state"), detail=bindparam("new_detail"))
)


class EffectStep:
    """One effect's step in this worker: what it carries out, and what can become of it."""

    def __init__(self, execution: Execution, effect: Effect[Any, Any], ready: Ready) -> None:
        (arrival,) = ready.combination.values()
        crossing = execution.view.crossings[arrival.id]
        self.execution = execution
        self.effect = effect
        self.ready = ready
        self.id = effect_id(execution.run.id, effect.name, crossing.id)
        self.message_id = crossing.message
        self.edge = crossing.edge
        self.approval = execution.graph.edge(crossing.edge).source
        self.attempt = 0
        self.started_at = execution.worker.store.clock.now()

    def let_pass(self, tx: Tx, now: int) -> Passed | Refused:
        """Ask the gate, in its deciding transaction."""
        worker = self.execution.worker
        return let_pass(
            tx, worker.key, self.id, through=(f"agent:{self.approval}", f"edge:{self.edge}"), now=now, host=worker.host
        )

    async def note(self, verdict: Done | Not, passed: Passed) -> None:
        """Record what an attempt came to that is not the last: it certainly did not happen, so nothing is in flight."""

        def work(tx: Tx, guard: Guard) -> None:
            answer = self._answered(guard, verdict, passed.attempt, passed.sent_at)
            tx.run(_SET_STATE, effect=self.id, new_state="prepared", new_detail=verdict.error)
            append(tx, answer)

        await self.execution.write(work, durable=True)

    async def held(self, refused: Refused, doubt: Doubt | None) -> set[str]:
        """It may not leave: now, or at all. `doubt` is about an attempt before."""
        self.execution.worker.progress(
            Progress(self.execution.run.id, self.effect.name, "refused", detail=refused.reason)
        )
        if refused.waits:
            self.execution.view.blocked.add(self.ready.step)
            return set()
        if doubt is not None:
            error = f"{doubt.error}; it may not be sent again: {refused.reason}"
            return await self.doubt(Doubt(error=shortened(error, LONGEST)), None, None)
        return await self.finish(lambda tx, _guard: self._withdrawn(tx, refused.reason))

    async def refused(self, reason: str, row: EffectRow | None) -> set[str]:
        """It is not even asked to leave: nothing was granted, or what is stored was changed. That is a record."""
        worker, run = self.execution.worker, self.execution.run

        def settle(tx: Tx, guard: Guard) -> Ending:
            now, host, responsible = worker.store.clock.now(), worker.host, guard.responsible
            if row is not None:
                refuse(tx, row, reason, responsible=responsible, now=now, host=host)
            else:
                refuse_unprepared(
                    tx,
                    system=run.system,
                    run=run.id,
                    name=self.effect.name,
                    responsible=responsible,
                    now=now,
                    host=host,
                )
            return self._withdrawn(tx, reason)

        return await self.finish(settle)

    def _withdrawn(self, tx: Tx, reason: str) -> Ending:
        tx.run(_SET_STATE, effect=self.id, new_state="withdrawn", new_detail=reason)
        return Ending(error=f"refused: {reason}")

    async def settled(self, row: EffectRow) -> set[str]:
        """A person said what became of it; the result they gave lies in the effect's detail."""
        if row.state == "failed":
            return await self.finish(Ending(error=row.detail))
        try:
            result = self.effect.outputs[0].from_bytes(row.detail.encode()) if row.detail else None
        except InvalidMessage as error:
            return await self.finish(Ending(error=error.message))
        return await self.finish(self.leaves(result))

    async def end(self, verdict: Verdict, attempt: int, sent_at: int | None) -> set[str]:
        """Record what its last attempt came to."""
        began = sent_at or self.started_at
        if isinstance(verdict, Doubt):
            return await self.doubt(verdict, attempt, began)
        ending = self.leaves(verdict.result) if isinstance(verdict, Done) else Ending()

        def settle(tx: Tx, guard: Guard) -> Ending:
            records = [self.write_answer(tx, guard, verdict, attempt, began)]
            failpoint("effect:before-finish")
            return replace(ending, error=verdict.error or ending.error, records=records)

        woken = await self.finish(settle)
        failpoint("effect:after-finish")
        return woken

    def write_answer(self, tx: Tx, guard: Guard, verdict: Done | Not, attempt: int, sent_at: int) -> Record:
        """Write how it stands by an answer; the record of that is left to the caller."""
        state = "done" if isinstance(verdict, Done) else "failed"
        tx.run(_SET_STATE, effect=self.id, new_state=state, new_detail=verdict.error)
        return self._answered(guard, verdict, attempt, sent_at)

    def _answered(self, guard: Guard, verdict: Done | Not, attempt: int, sent_at: int) -> EffectAnswered:
        return EffectAnswered(
            **self.execution.stamp(guard),
            effect=self.id,
            name=self.effect.name,
            step=self.ready.step,
            host=self.execution.host,
            attempt=attempt,
            sent_at=sent_at,
            outcome="done" if isinstance(verdict, Done) else verdict.outcome,
            status=verdict.status,
            error=verdict.error,
        )

    async def finish(self, ending: Ending | Callable[[Tx, Guard], Ending]) -> set[str]:
        """Record the end of its step, durably."""
        return await self.execution.finish(
            self.ready, ending, attempt=self.attempt, started_at=self.started_at, durable=True
        )

    def leaves(self, result: Message | None) -> Ending:
        """What its result sends on."""
        if result is None:
            return Ending()
        try:
            check_known(self.execution.worker.types, result)
        except InvalidMessage as error:
            return Ending(error=describe(error, None))
        sent = written(message_id(self.ready.step, OUTPUT), result)
        out = outflow(
            self.execution.graph,
            self.execution.run.id,
            self.effect.name,
            "",
            step=self.ready.step,
            slot=OUTPUT,
            scope=self.ready.scope,
            sent=sent,
            now=self.execution.worker.store.clock.now(),
        )
        return Ending(produced=(sent,), out=out, error="; ".join(out.broken))

    async def doubt(self, verdict: Doubt, attempt: int | None, sent_at: int | None) -> set[str]:
        """Nobody knows of it; of its newest attempt, if none is given."""

        def work(tx: Tx, guard: Guard) -> None:
            row = get_effect(tx, self.id)
            assert row is not None, self.id
            tx.run(_SET_STATE, effect=self.id, new_state="in-doubt", new_detail=verdict.error)
            append(
                tx,
                EffectInDoubt(
                    **self.execution.stamp(guard),
                    effect=self.id,
                    name=self.effect.name,
                    step=self.ready.step,
                    host=self.execution.host,
                    attempt=attempt or row.attempt,
                    sent_at=sent_at or row.sent_at or self.started_at,
                    error=verdict.error,
                ),
            )
            failpoint("doubt:before-commit")

        await self.execution.write(work, durable=True)
        failpoint("doubt:after-commit")
        self.execution.view.in_doubt[self.ready.step] = self.id
        self.execution.worker.progress(
            Progress(self.execution.run.id, self.effect.name, "in-doubt", detail=verdict.error)
        )
        return set()
