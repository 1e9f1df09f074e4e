"""Transactional effects: a function that writes into this very database, in the transaction that grants and records it.

1. Gate, function, result and record are one transaction: all of it happened, or nothing.
2. The function gets SQL and nothing else. It cannot end the transaction, and what it raises undoes everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import text

from answerable.agents.messages import Message
from answerable.agents.nodes import Effect
from answerable.approvals.gate import Refused, find_effect, get_effect, refuse
from answerable.errors import InvalidInput
from answerable.orchestrator.running.concluding import EffectStep
from answerable.orchestrator.running.ending import Ending
from answerable.orchestrator.running.journal import Guard
from answerable.orchestrator.running.stepping import check_known, describe
from answerable.orchestrator.running.verdicts import Done, Not, check_result
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx

_CONTROL = frozenset(
    {"begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release", "prepare", "pragma"}
)


class Undone(Exception):
    """The transaction is to be rolled back; the text says why."""


class OpenTransaction:
    """What a transactional effect's function is given; see `answerable.agents.calls.Transaction`."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    def execute(self, sql: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement; parameters are written `:name` on every database.

        Raises: InvalidInput for COMMIT and its kin.
        """
        words = sql.split(maxsplit=1)
        if not words or words[0].rstrip(";").lower() in _CONTROL:
            raise InvalidInput(f"{sql.strip()[:60]!r} is not for an effect to say: its transaction is the runtime's")
        return self._tx.rows(Statement(text(sql)), **(params or {}))


async def run_transactional(step: EffectStep, message: Message) -> set[str]:
    """A transactional effect: gate, function, result and record are one transaction of this database."""
    worker = step.execution.worker
    refused: Refused | None = None

    def settle(tx: Tx, guard: Guard) -> Ending:
        nonlocal refused
        now = worker.store.clock.now()
        passed = step.let_pass(tx, now)
        if isinstance(passed, Refused):
            refused = passed
            raise Undone(passed.reason)
        result = _call(step.effect, tx, message, known=worker.types)
        done = Done(result=result)
        return replace(step.leaves(result), records=[step.write_answer(tx, guard, done, passed.attempt, now)])

    try:
        return await step.finish(settle)
    except Undone as undone:  # the transaction was rolled back: it certainly did not happen
        if refused is None:
            return await _end_unsent(step, str(undone))
        if refused.waits:
            await _record_refusal(step, refused.reason)  # the first record of it was rolled back
            return await step.held(refused, None)
        row = await worker.store.read(lambda tx: find_effect(tx, step.id))
        return await step.refused(refused.reason, row)


async def _record_refusal(step: EffectStep, reason: str) -> None:
    def work(tx: Tx, guard: Guard) -> None:
        row = get_effect(tx, step.id)
        assert row is not None, step.id
        now = step.execution.worker.store.clock.now()
        refuse(tx, row, reason, responsible=guard.responsible, now=now, host=step.execution.host, waits=True)

    await step.execution.write(work)


async def _end_unsent(step: EffectStep, error: str) -> set[str]:
    def settle(tx: Tx, guard: Guard) -> Ending:
        verdict = Not(error=error, outcome="not-sent")
        return Ending(error=error, records=[step.write_answer(tx, guard, verdict, 0, step.started_at)])

    return await step.finish(settle)


def _call(effect: Effect[Any, Any], tx: Tx, message: Message, *, known: Mapping[str, type[Message]]) -> Message:
    """Call the effect's function; its result.

    Raises: Undone for whatever it raises, and for a result of another type, or of one that is not `known`.
    """
    try:
        result = check_result(effect, effect.fn(OpenTransaction(tx), message))
        check_known(known, result)
        return result
    except Exception as error:
        raise Undone(describe(error, None)) from error
