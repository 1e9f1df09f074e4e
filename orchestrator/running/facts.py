"""Facts: what a request rests on, read when it is made and again just before the first call of its decision leaves.

1. An approval's `facts` function names facts as JSON values. Their values are shown; their digests are bound.
2. They are read again once for a decision, in whichever worker sends first, before the gate's transaction: what the
   decision's own calls move does not count. Where one of its calls left before, they are not read again.
3. If they moved, all that the decision released is void, and it is asked anew.
4. A function that fails, or does not answer in time, lets nothing leave: the refusal is a record, and it is tried again
   after `AGAIN_SECONDS`, or when somebody resumes the run, until the grants expire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import rfc8785
from sqlalchemy import bindparam, func, select

from answerable.agents.copies import own
from answerable.agents.messages import Message
from answerable.agents.options import Retry
from answerable.agents.texts import check_text
from answerable.approvals.asking.requests import RequestRow, get_request
from answerable.approvals.deciding.decisions import YES, Decision
from answerable.approvals.gate import EffectRow, refuse
from answerable.approvals.node import Approval
from answerable.approvals.revoking import void
from answerable.errors import FactsUnknown, InvalidInput, NotOpen
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.running.anew import decision_behind
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.journal import Guard
from answerable.orchestrator.running.stepping import call_user, describe
from answerable.tracing.clock import micros
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import grants
from answerable.tracing.storage.tables.runs import effects

FACTS_WITHIN_SECONDS: Final = 30.0
MOST_FACTS: Final = 50
MOST_BYTES: Final = 100_000  # of all of them, as canonical JSON
AGAIN_SECONDS: Final = 30.0
_ASKING: Final = Retry(attempts=3, pause_seconds=0.2)  # a request that cannot be made is a step that failed

_BEGUN = Statement(
    select(func.max(effects.c.attempt), func.min(grants.c.expires_at))
    .join_from(grants, effects, effects.c.id == grants.c.effect)
    .where(grants.c.decision == bindparam("decision"))
)


async def read_facts(approval: Approval[Any], message: Message, run_input: Any) -> dict[str, Any]:
    """The facts that a message rests on now, by name; {} where none are declared. Raises: FactsUnknown."""
    if approval.facts is None:
        return {}
    try:
        found = await call_user(approval.facts, own(message), own(run_input), within=FACTS_WITHIN_SECONDS)
        return _checked(found)
    except Exception as error:  # the user's function, whatever it raises
        raise FactsUnknown(
            f"the facts of {approval.name} cannot be read: {describe(error, FACTS_WITHIN_SECONDS)}",
            hint="nothing is asked and nothing sent on what is not known; try again",
        ) from error


async def facts_to_ask(approval: Approval[Any], message: Message, run_input: Any) -> dict[str, Any]:
    """The facts for a new request, tried several times. Raises: FactsUnknown."""
    for tried in range(1, _ASKING.attempts):
        try:
            return await read_facts(approval, message, run_input)
        except FactsUnknown:
            await asyncio.sleep(_ASKING.pause_after(tried))
    return await read_facts(approval, message, run_input)


def digests_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """What is bound of facts: by name, the SHA-256 of each value's canonical JSON."""
    return {name: sha256(rfc8785.dumps(value)).hexdigest() for name, value in facts.items()}


async def facts_hold(execution: Execution, approval: str, row: EffectRow, step: str) -> bool:
    """Read the facts again, if that is due; whether the call `row` has to wait. Its `step` is held back then."""
    node = execution.node(approval)
    if not isinstance(node, Approval) or node.facts is None:
        return False
    async with execution.facts_turn:
        resting = await execution.worker.store.read(lambda tx: _rests_on(tx, row.id))
        if resting is None or resting.decision.id in execution.facts_stood | execution.given_up:
            return False
        if resting.decision.revoked:  # a sibling found it
            execution.view.blocked.add(step)
            return True
        if resting.begun or execution.worker.store.clock.now() >= resting.expires_at:
            return False
        moved, trouble = await _moved(execution, node, resting.request)
        if not moved and not trouble:
            execution.facts_stood.add(resting.decision.id)
            return False
        why = trouble or f"what it rests on has changed: {', '.join(moved)}"
        await execution.write(lambda tx, guard: _hold(tx, execution, guard, row, resting, moved, why), durable=True)
        execution.worker.progress(Progress(execution.run.id, row.name, "refused", detail=why))
        execution.view.blocked.add(step)
        if trouble:
            execution.view.again_at = execution.worker.store.clock.now() + micros(AGAIN_SECONDS)
        return True


@dataclass(frozen=True, kw_only=True)
class _Resting:
    """A decision that rests on facts; whether a call of it was begun, and when its grants expire."""

    decision: Decision
    request: RequestRow
    begun: bool
    expires_at: int


def _rests_on(tx: Tx, effect: str) -> _Resting | None:
    decision = decision_behind(tx, effect)
    if decision is None or decision.outcome not in YES:
        return None  # the gate says why
    request, row = get_request(tx, decision.request), tx.one(_BEGUN, decision=decision.id)
    assert row is not None, effect
    return _Resting(decision=decision, request=request, begun=bool(row[0]), expires_at=row[1])


async def _moved(execution: Execution, approval: Approval[Any], request: RequestRow) -> tuple[tuple[str, ...], str]:
    """The names of the facts that are not what they were, and why they cannot be known ("" if they can)."""
    message, run_input = await execution.message(request.message), await execution.run_input()
    try:
        now = digests_of(await read_facts(approval, message, run_input))
    except FactsUnknown as error:
        return (), error.message
    bound: Mapping[str, str] = request.body["facts"]
    return tuple(sorted(name for name in now.keys() | bound.keys() if now.get(name) != bound.get(name))), ""


def _hold(
    tx: Tx,
    execution: Execution,
    guard: Guard,
    row: EffectRow,
    resting: _Resting,
    moved: tuple[str, ...],
    why: str,
) -> None:
    now, host = execution.worker.store.clock.now(), execution.host
    refuse(tx, row, why, responsible=guard.responsible, now=now, host=host, waits=True)
    if moved:
        try:
            void(tx, resting.decision, resting.request, cause="facts", facts=moved, at=now)
        except NotOpen:  # a person was first
            return


def _checked(found: Any) -> dict[str, Any]:
    if not isinstance(found, Mapping):
        raise InvalidInput(f"facts are a mapping of names to values, not {type(found).__name__}")
    facts = dict(found)
    if len(facts) > MOST_FACTS:
        raise InvalidInput(f"nobody can weigh {len(facts)} facts; at most {MOST_FACTS}")
    for name in facts:
        check_text("the name of a fact", name, required=True, lines=False)
    if len(rfc8785.dumps(facts)) > MOST_BYTES:
        raise InvalidInput(f"the facts are longer than {MOST_BYTES} bytes")
    return facts
