"""Sending: an effect's step, from its prepared call to what became of it.

::

    prepared ──(gate)──► sent(attempt) ──the call──► done | failed        another attempt passes the gate again
        ▲                   ├──it certainly did not happen, and may be tried again──┐
        └───────────────────┼───────────────────────────────────────────────────────┘
                            └──nobody knows──► idempotent: the same bytes again · queryable: ask · else: in doubt

1. What is sent are the stored bytes; nothing is computed from the message any more.
2. A call that certainly did not arrive may be tried again under any guarantee. One of which nobody knows is repeated
   only to a receiver that honours keys, while it still keeps this one; else it is in doubt, listed, and settled by a
   person.
3. What an answer says is told in `verdicts.py`.
4. Each state is a durable commit with its record, together with the step's own end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, update

from answerable.agents.copies import own
from answerable.agents.messages import Message
from answerable.agents.nodes import Effect
from answerable.agents.texts import shortened
from answerable.approvals.gate import (
    EffectRow,
    Passed,
    Refused,
    find_effect,
    get_effect,
    let_pass,
    refuse,
    refuse_unprepared,
)
from answerable.errors import EffectRefused as NotHappened
from answerable.errors import InvalidMessage
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.running.anew import hold_revoked
from answerable.orchestrator.running.crossing import message_id, outflow, written
from answerable.orchestrator.running.ending import Ending
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.facts import facts_hold
from answerable.orchestrator.running.http import Answered, Client
from answerable.orchestrator.running.journal import Guard
from answerable.orchestrator.running.planning import effect_id
from answerable.orchestrator.running.stepping import OUTPUT, call_user, check_known, describe
from answerable.orchestrator.running.transactional import Undone, in_transaction
from answerable.orchestrator.running.verdicts import (
    LONGEST,
    Done,
    Doubt,
    Not,
    Verdict,
    concluded,
    judge,
    made_of,
    read_answer,
)
from answerable.orchestrator.running.view import Ready
from answerable.tracing.clock import micros
from answerable.tracing.failpoints import failpoint
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.effects import EffectAnswered, EffectInDoubt
from answerable.tracing.ledger.records.record import Record
from answerable.tracing.spans.context import traceparent
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.runs import effects

_SET_STATE = Statement(
    update(effects)
    .where(effects.c.id == bindparam("effect"))
    .values(state=bindparam("new_state"), detail=bindparam("new_detail"))
)


async def run_effect(execution: Execution, client: Client, effect: Effect[Any, Any], ready: Ready) -> set[str]:
    """Carry one effect as far as it goes; the nodes that have something to do now.

    Raises: LeaseLost, StoreError: the framework's own reasons to stop.
    """
    sending = Sending(execution, client, effect, ready)
    return await sending.run()


class Sending:
    """One effect's step in this worker."""

    def __init__(self, execution: Execution, client: Client, effect: Effect[Any, Any], ready: Ready) -> None:
        (arrival,) = ready.combination.values()
        crossing = execution.view.crossings[arrival.id]
        self.execution = execution
        self.client = client
        self.effect = effect
        self.ready = ready
        self.id = effect_id(execution.run.id, effect.name, crossing.id)
        self.message_id = crossing.message
        self.edge = crossing.edge
        self.approval = execution.graph.edge(crossing.edge).source
        self.attempt = 0
        self.started_at = execution.worker.store.clock.now()

    async def run(self) -> set[str]:
        row = await self.execution.worker.store.read(lambda tx: find_effect(tx, self.id))
        if row is not None and row.state == "in-doubt":
            self.execution.view.in_doubt[self.ready.step] = self.id
            return set()
        withdrawn = row is not None and row.state == "withdrawn"
        if withdrawn and await hold_revoked(self.execution, self.id, self.ready.step):
            return set()
        self.attempt = await self.execution.begin(self.ready, effect=self.id)
        if self.attempt == 0:
            return set()
        self.message = own(await self.execution.message(self.message_id))
        if row is None:
            return await self._refused("nothing was prepared and granted for this message", row)
        if row.state in ("done", "failed"):
            return await self._settled(row)
        if row.state == "withdrawn":
            return await self._refused(f"it was withdrawn: {row.detail}", row)
        if self.effect.opaque:
            if self.message.to_bytes() != bytes(row.body):
                return await self._refused("the stored message is not the one that was approved", row)
            # Its own copy, of what was approved alone: others hold the message, which may have lists in it, and fields
            # that are not in its bytes.
            self.message = type(self.message).from_bytes(bytes(row.body))
        if row.attempt == 0 and await facts_hold(self.execution, self.approval, row, self.ready.step):
            return set()
        if self.effect.guarantee == "transactional":
            return await self._in_one_transaction()
        doubt: Doubt | None = None
        if row.state == "sent" and row.detail:  # a person settled it so
            doubt = Doubt(error=row.detail)
        elif row.state == "sent":  # this worker, or one before it, died after sending, or a freeze came between
            doubt = Doubt(error="its worker ended after sending, and the answer is not known")
            if not self._may_repeat(row):
                return await self._end(await self._ask(row, row.attempt) or doubt, row.attempt, row.sent_at)
        return await self._attempts(doubt)

    async def _attempts(self, doubt: Doubt | None) -> set[str]:
        """Try until it is known what became of it, or no try is left. `doubt` is about an attempt before these."""
        retry = self.effect.options.retry
        for tried in range(1, retry.attempts + 1):
            passed = await self._pass()
            if isinstance(passed, Refused):
                return await self._held(passed, doubt)
            verdict = await self._send(passed)
            if isinstance(verdict, Doubt) and not self._may_repeat(passed.effect):
                return await self._end(
                    await self._ask(passed.effect, passed.attempt) or verdict, passed.attempt, passed.sent_at
                )
            again = isinstance(verdict, Doubt) or (isinstance(verdict, Not) and verdict.again)
            verdict = concluded(self.effect, verdict, doubt)
            if not again or tried == retry.attempts:
                return await self._end(verdict, passed.attempt, passed.sent_at)
            if isinstance(verdict, Doubt):
                doubt = verdict
            else:
                await self._note(verdict, passed)
            await asyncio.sleep(retry.pause_after(tried))
        raise AssertionError("every last try ends")

    async def _pass(self) -> Passed | Refused:
        """The deciding transaction."""

        def work(tx: Tx, guard: Guard) -> Passed | Refused:
            if guard.status == "cancelled":
                return Refused(reason="the run was cancelled", waits=False)
            worker = self.execution.worker
            passed = self._let_pass(tx, worker.store.clock.now())
            failpoint("send:before-commit")
            return passed

        passed = await self.execution.write(work, durable=True)
        failpoint("send:after-commit")
        return passed

    def _let_pass(self, tx: Tx, now: int) -> Passed | Refused:
        worker = self.execution.worker
        return let_pass(
            tx, worker.key, self.id, through=(f"agent:{self.approval}", f"edge:{self.edge}"), now=now, host=worker.host
        )

    async def _send(self, passed: Passed) -> Verdict:
        row = passed.effect
        self.execution.worker.progress(Progress(self.execution.run.id, self.effect.name, "sent", detail=row.id))
        if self.effect.opaque:
            return await self._call_opaque()
        headers = {
            "Idempotency-Key": row.idempotency_key,
            "traceparent": self._traceparent(row, passed.attempt),
            "Accountability": (
                f"system={row.system}; run={row.run}; effect={row.id}; grant={passed.grant};"
                f" decision={passed.decision}; responsible={passed.responsible}"
            ),
        }
        if row.content_type:
            headers["Content-Type"] = row.content_type
        result = await self.client.send(
            row.method, row.origin, row.path, headers, bytes(row.body), within=self.effect.options.timeout
        )
        failpoint("send:after-response")
        return judge(self.effect, self.message, result)

    async def _call_opaque(self) -> Verdict:
        try:
            result = await call_user(self.effect.fn, self.message, within=self.effect.options.timeout)
        except NotHappened as refused:
            return Not(error=refused.message, outcome="failed")
        except Exception as error:  # noqa: BLE001 - the effect's function is the user's
            return Doubt(error=describe(error, self.effect.options.timeout))
        return made_of(self.effect, result)

    def _may_repeat(self, row: EffectRow) -> bool:
        """Whether the same bytes may go again: the receiver honours keys, and still keeps this one."""
        receiver, now = self.effect.receiver, self.execution.worker.store.clock.now()
        if self.effect.guarantee != "idempotent" or receiver is None:
            return False
        return now - (row.sent_at or now) < micros(receiver.keeps_keys_for)

    async def _ask(self, row: EffectRow, attempt: int) -> Verdict | None:
        """Ask the receiver what became of a call, as often as a call is tried; None if it does not say."""
        if self.effect.query is None:
            return None
        retry = self.effect.options.retry
        for tried in range(1, retry.attempts + 1):
            said = await self._query(row, attempt)
            if said is not None or tried == retry.attempts:
                return said
            await asyncio.sleep(retry.pause_after(tried))
        return None

    def _traceparent(self, row: EffectRow, attempt: int) -> str:
        sampled = self.execution.worker.sampled(row.run)
        return traceparent(row.run, row.id, attempt, segment=self.execution.segment, sampled=sampled)

    async def _query(self, row: EffectRow, attempt: int) -> Verdict | None:
        assert self.effect.query is not None
        try:
            request = next(self.effect.query(self.message))
        except Exception:  # noqa: BLE001 - a user's function that cannot ask knows nothing
            return None
        headers = {"traceparent": self._traceparent(row, attempt)}
        if request.content_type:
            headers["Content-Type"] = request.content_type
        answer = await self.client.send(
            request.method, row.origin, request.path, headers, request.body, within=self.effect.options.timeout
        )
        if not isinstance(answer, Answered) or not 200 <= answer.status < 300:
            return None
        read = read_answer(self.effect, self.effect.query, self.message, answer)
        return read if read.result is not None else None

    # -- ends ---------------------------------------------------------------------------------------------------------

    async def _note(self, verdict: Done | Not, passed: Passed) -> None:
        """Record what an attempt came to that is not the last: it certainly did not happen, so nothing is in flight."""

        def work(tx: Tx, guard: Guard) -> None:
            answer = self._answered(guard, verdict, passed.attempt, passed.sent_at)
            tx.run(_SET_STATE, effect=self.id, new_state="prepared", new_detail=verdict.error)
            append(tx, answer)

        await self.execution.write(work, durable=True)

    async def _held(self, refused: Refused, doubt: Doubt | None) -> set[str]:
        self.execution.worker.progress(
            Progress(self.execution.run.id, self.effect.name, "refused", detail=refused.reason)
        )
        if refused.waits:
            self.execution.view.blocked.add(self.ready.step)
            return set()
        if doubt is not None:
            error = f"{doubt.error}; it may not be sent again: {refused.reason}"
            return await self._doubt(Doubt(error=shortened(error, LONGEST)), None, None)
        return await self._finish(lambda tx, _guard: self._withdrawn(tx, refused.reason))

    async def _refused(self, reason: str, row: EffectRow | None) -> set[str]:
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

        return await self._finish(settle)

    def _withdrawn(self, tx: Tx, reason: str) -> Ending:
        tx.run(_SET_STATE, effect=self.id, new_state="withdrawn", new_detail=reason)
        return Ending(error=f"refused: {reason}")

    async def _settled(self, row: EffectRow) -> set[str]:
        """A person said what became of it; the result they gave lies in the effect's detail."""
        if row.state == "failed":
            return await self._finish(Ending(error=row.detail))
        try:
            result = self.effect.outputs[0].from_bytes(row.detail.encode()) if row.detail else None
        except InvalidMessage as error:
            return await self._finish(Ending(error=error.message))
        return await self._finish(self._leaves(result))

    async def _end(self, verdict: Verdict, attempt: int, sent_at: int | None) -> set[str]:
        began = sent_at or self.started_at
        if isinstance(verdict, Doubt):
            return await self._doubt(verdict, attempt, began)
        ending = self._leaves(verdict.result) if isinstance(verdict, Done) else Ending()

        def settle(tx: Tx, guard: Guard) -> Ending:
            records = [self._write_answer(tx, guard, verdict, attempt, began)]
            failpoint("effect:before-finish")
            return replace(ending, error=verdict.error or ending.error, records=records)

        woken = await self._finish(settle)
        failpoint("effect:after-finish")
        return woken

    def _write_answer(self, tx: Tx, guard: Guard, verdict: Done | Not, attempt: int, sent_at: int) -> Record:
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

    async def _finish(self, ending: Ending | Callable[[Tx, Guard], Ending]) -> set[str]:
        return await self.execution.finish(
            self.ready, ending, attempt=self.attempt, started_at=self.started_at, durable=True
        )

    def _leaves(self, result: Message | None) -> Ending:
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

    async def _doubt(self, verdict: Doubt, attempt: int | None, sent_at: int | None) -> set[str]:
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

    async def _in_one_transaction(self) -> set[str]:
        """A transactional effect: gate, function, result and record are one transaction of this database."""
        worker = self.execution.worker
        refused: Refused | None = None

        def settle(tx: Tx, guard: Guard) -> Ending:
            nonlocal refused
            now = worker.store.clock.now()
            passed = self._let_pass(tx, now)
            if isinstance(passed, Refused):
                refused = passed
                raise Undone(passed.reason)
            result = in_transaction(self.effect, tx, self.message, known=worker.types)
            done = Done(result=result)
            return replace(self._leaves(result), records=[self._write_answer(tx, guard, done, passed.attempt, now)])

        try:
            return await self._finish(settle)
        except Undone as undone:  # the transaction was rolled back: it certainly did not happen
            if refused is None:
                return await self._end_unsent(str(undone))
            if refused.waits:
                await self._record_refusal(refused.reason)  # the first record of it was rolled back
                return await self._held(refused, None)
            row = await worker.store.read(lambda tx: find_effect(tx, self.id))
            return await self._refused(refused.reason, row)

    async def _record_refusal(self, reason: str) -> None:
        def work(tx: Tx, guard: Guard) -> None:
            row = get_effect(tx, self.id)
            assert row is not None, self.id
            now = self.execution.worker.store.clock.now()
            refuse(tx, row, reason, responsible=guard.responsible, now=now, host=self.execution.host, waits=True)

        await self.execution.write(work)

    async def _end_unsent(self, error: str) -> set[str]:
        def settle(tx: Tx, guard: Guard) -> Ending:
            verdict = Not(error=error, outcome="not-sent")
            return Ending(error=error, records=[self._write_answer(tx, guard, verdict, 0, self.started_at)])

        return await self._finish(settle)
