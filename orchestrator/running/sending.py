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
3. What an answer says is told in `verdicts.py`; what is recorded of it, in `concluding.py`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from answerable.agents.copies import own
from answerable.agents.nodes import Effect
from answerable.approvals.gate import EffectRow, Passed, Refused, find_effect
from answerable.errors import EffectRefused as NotHappened
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.running.anew import hold_revoked
from answerable.orchestrator.running.concluding import EffectStep
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.facts import facts_hold
from answerable.orchestrator.running.http import Answered, Client
from answerable.orchestrator.running.journal import Guard
from answerable.orchestrator.running.stepping import call_user, describe
from answerable.orchestrator.running.transactional import run_transactional
from answerable.orchestrator.running.verdicts import Doubt, Not, Verdict, concluded, judge, made_of, read_answer
from answerable.orchestrator.running.view import Ready
from answerable.tracing.clock import micros
from answerable.tracing.failpoints import failpoint
from answerable.tracing.spans.context import traceparent
from answerable.tracing.storage.store import Tx


async def run_effect(execution: Execution, client: Client, effect: Effect[Any, Any], ready: Ready) -> set[str]:
    """Carry one effect as far as it goes; the nodes that have something to do now.

    Raises: LeaseLost, StoreError: the framework's own reasons to stop.
    """
    return await Sending(EffectStep(execution, effect, ready), client).run()


class Sending:
    """The attempts of one effect's step."""

    def __init__(self, step: EffectStep, client: Client) -> None:
        self.step = step
        self.client = client
        self.execution = step.execution
        self.effect = step.effect
        self.ready = step.ready

    async def run(self) -> set[str]:
        row = await self.execution.worker.store.read(lambda tx: find_effect(tx, self.step.id))
        if row is not None and row.state == "in-doubt":
            self.execution.view.in_doubt[self.ready.step] = self.step.id
            return set()
        withdrawn = row is not None and row.state == "withdrawn"
        if withdrawn and await hold_revoked(self.execution, self.step.id, self.ready.step):
            return set()
        self.step.attempt = await self.execution.begin(self.ready, effect=self.step.id)
        if self.step.attempt == 0:
            return set()
        self.message = own(await self.execution.message(self.step.message_id))
        if row is None:
            return await self.step.refused("nothing was prepared and granted for this message", row)
        if row.state in ("done", "failed"):
            return await self.step.settled(row)
        if row.state == "withdrawn":
            return await self.step.refused(f"it was withdrawn: {row.detail}", row)
        if self.effect.opaque:
            if self.message.to_bytes() != bytes(row.body):
                return await self.step.refused("the stored message is not the one that was approved", row)
            # Its own copy, of what was approved alone: others hold the message, which may have lists in it, and fields
            # that are not in its bytes.
            self.message = type(self.message).from_bytes(bytes(row.body))
        if row.attempt == 0 and await facts_hold(self.execution, self.step.approval, row, self.ready.step):
            return set()
        if self.effect.guarantee == "transactional":
            return await run_transactional(self.step, self.message)
        doubt: Doubt | None = None
        if row.state == "sent" and row.detail:  # a person settled it so
            doubt = Doubt(error=row.detail)
        elif row.state == "sent":  # this worker, or one before it, died after sending, or a freeze came between
            doubt = Doubt(error="its worker ended after sending, and the answer is not known")
            if not self._may_repeat(row):
                return await self.step.end(await self._ask(row, row.attempt) or doubt, row.attempt, row.sent_at)
        return await self._attempts(doubt)

    async def _attempts(self, doubt: Doubt | None) -> set[str]:
        """Try until it is known what became of it, or no try is left. `doubt` is about an attempt before these."""
        retry = self.effect.options.retry
        for tried in range(1, retry.attempts + 1):
            passed = await self._pass()
            if isinstance(passed, Refused):
                return await self.step.held(passed, doubt)
            verdict = await self._send(passed)
            if isinstance(verdict, Doubt) and not self._may_repeat(passed.effect):
                return await self.step.end(
                    await self._ask(passed.effect, passed.attempt) or verdict, passed.attempt, passed.sent_at
                )
            again = isinstance(verdict, Doubt) or (isinstance(verdict, Not) and verdict.again)
            verdict = concluded(self.effect, verdict, doubt)
            if not again or tried == retry.attempts:
                return await self.step.end(verdict, passed.attempt, passed.sent_at)
            if isinstance(verdict, Doubt):
                doubt = verdict
            else:
                await self.step.note(verdict, passed)
            await asyncio.sleep(retry.pause_after(tried))
        raise AssertionError("every last try ends")

    async def _pass(self) -> Passed | Refused:
        """The deciding transaction."""

        def work(tx: Tx, guard: Guard) -> Passed | Refused:
            if guard.status == "cancelled":
                return Refused(reason="the run was cancelled", waits=False)
            worker = self.execution.worker
            passed = self.step.let_pass(tx, worker.store.clock.now())
            failpoint("send:before-commit")
            return passed

        passed = await self.execution.write(work, durable=True)
        failpoint("send:after-commit")
        return passed

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
