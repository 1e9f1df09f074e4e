"""Ruling: what standing rules see of a request, and whether one of them decides it.

1. What they see is computed with the request, by a function as quick and pure as an edge's condition, and stands in
   its body. What cannot be computed is not there, and then they decide nothing.
2. The active rules are judged before the transaction that writes the request. If one of the system was approved or
   revoked since they were read, that is done again. In the transaction the one that would decide is looked at again,
   under a lock that revoking takes for writing, and its caps are used.
3. Nobody decides their own by a rule: one that somebody approved who is too close to this request does not decide it.
4. A part of what rules decide is reviewed by a person afterwards; which, nobody can tell beforehand.
5. A frozen approval is not ruled on, and an edit is asked of a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from answerable.agents.copies import own
from answerable.agents.messages import Message
from answerable.agents.prioritization import Tally
from answerable.approvals.asking.requests import PlannedCall, close_in
from answerable.approvals.deciding.answers import Passing
from answerable.approvals.node import Approval
from answerable.approvals.rules.caps import use
from answerable.approvals.rules.contexts import Place, context_of
from answerable.approvals.rules.judging import Judged
from answerable.approvals.rules.rows import RuleHead, still_is
from answerable.approvals.sealing.keys import Key
from answerable.approvals.voting.delegations import in_force
from answerable.approvals.voting.eligibility import too_close
from answerable.errors import InvalidMessage
from answerable.orchestrator.places import place_of
from answerable.orchestrator.running.accepted import Asking
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.journal import Guard
from answerable.orchestrator.running.stepping import describe
from answerable.tracing.people import person_by_id
from answerable.tracing.storage.store import Tx


class RulesChanged(Exception):
    """The rules are not those that were judged by: nothing was written, and they are to be judged anew."""


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What came of the rules: one decides, or its cap kept one (NAME@VERSION) from it, or neither."""

    passing: Passing | None = None
    capped: str = ""


def seen_of(
    execution: Execution,
    approval: Approval[Any],
    message: Message,
    run_input: Any,
    *,
    calls: Sequence[PlannedCall],
    counted: Tally | None,
    value: int | None,
) -> tuple[dict[str, Any] | None, str]:
    """What rules see of one option, and why they see nothing of it."""
    try:
        seen = _seen(approval, message, run_input)
        released = dict.fromkeys(place_of(execution.graph, approval.name).effects, 0)
        for call in calls:
            released[call.name] = released.get(call.name, 0) + 1
        return context_of(calls=released, tally=counted, seen=seen, value=value), ""
    except Exception as error:  # noqa: BLE001 - the user's function; the request is made without it
        return None, describe(error, None)


def _seen(approval: Approval[Any], message: Message, run_input: Any) -> BaseModel | None:
    if approval.context is None or approval.seen is None:
        return None
    returned = approval.context(own(message), own(run_input))
    if type(returned) is not approval.seen:
        raise InvalidMessage(f"context= returned {type(returned).__name__}, not {approval.seen.__name__}")
    seen: BaseModel = approval.seen.model_validate(returned.model_dump())  # made without validation?
    return seen


async def judged(execution: Execution, place: Place, options: Sequence[Mapping[str, Any]], *, at: int) -> Judged:
    """What the rules of a place say of a request with these options, as they are now or were a moment ago."""
    worker = execution.worker
    while (found := worker.rules.judge(place, options, at=at)) is None:
        await worker.store.read(lambda tx: worker.rules.learn(tx, worker.key, place.system, place.approval))
    return found


def check_asking(execution: Execution, guard: Guard, asking: Asking) -> None:
    """Whether an approval still asks as it did. Raises: RulesChanged, and then it is read anew."""
    if guard.rules != asking.generation:
        execution.worker.asking.forget()
        raise RulesChanged


def rule_on(tx: Tx, execution: Execution, guard: Guard, said: Mapping[str, Any], found: Judged, *, at: int) -> Ruling:
    """Have the first rule decide that still stands, may, and whose caps have room; `said` is the request's body.

    Raises: RulesChanged.
    """
    approval: str = said["approval"]
    if guard.rules != found.generation:
        execution.worker.rules.forget(approval)
        raise RulesChanged
    if guard.holds(f"agent:{approval}"):
        return Ruling()
    capped = ""
    for one in found.candidates:
        head = one.rule.head
        if (
            not still_is(tx, head)
            or head.stands(at=at) != "active"
            or _decides_their_own(tx, execution.worker.key, head, said, at=at)
        ):
            continue
        if use(tx, head.system, head.name, one.rule.caps, one.wanted, at=at):
            passing = Passing(
                outcome="ruled",
                option=one.option,
                by=head.label,
                rule=head.id,
                behind=head.people,
                spent=one.wanted,
                review="sample" if _is_sampled(execution.worker.key, said["request"], one.rule.body["sample"]) else "",
            )
            return Ruling(passing=passing)
        capped = capped or head.label
    return Ruling(capped=capped)


def _is_sampled(key: Key, request: str, percent: int) -> bool:
    """Whether a person reviews it afterwards: by a hash that nobody can tell beforehand who does not have the key."""
    return int(key.mac("sample", request)[:8], 16) % 100 < percent


def _decides_their_own(tx: Tx, key: Key, rule: RuleHead, said: Mapping[str, Any], *, at: int) -> bool:
    """Whether somebody who approved the rule is too close to a request to decide it, by a rule as little as else."""
    if said["asked"]["may_decide_own"]:
        return False
    close = close_in(said["asked"])
    delegations = in_force(tx, key, system=rule.system, approval=rule.approval, at=at)
    people = (person_by_id(tx, id) for id in rule.approved_by)
    return any(person is not None and too_close(person, close, delegations) for person in people)
