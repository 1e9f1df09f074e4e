"""Asking: what an approval does with a message that comes to it, and what becomes of it once decided.

1. An approval's step writes its request, with every option and the exact calls of each, and ends. Nothing waits in it.
2. An exemption that the RI accepted, and that says yes to this message and the run's input, decides at once; the
   grants cite it. One that raises means: ask. Else a standing rule may decide (`ruling.py`). What was revoked before
   is asked of a person.
3. What is too large to be shown, or beyond the quota of its source, is not asked (`flooding.py`).
4. A decided request is routed once: the chosen message leaves by the ordinary output, a no by `denied`, a text by
   `response`; an edited message is a new request about a new message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from answerable.agents.copies import own
from answerable.agents.messages import Message
from answerable.agents.outcomes import Expired, Rejected, Response
from answerable.agents.people import as_quorum
from answerable.approvals.asking.listing import urgency_of
from answerable.approvals.asking.requests import (
    INSERT_EFFECT,
    INSERT_REQUEST,
    PlannedCall,
    RequestRow,
    get_request,
    mark_routed,
)
from answerable.approvals.deciding.deciding import Passing, record_passing
from answerable.approvals.deciding.decisions import YES, Decision
from answerable.approvals.deciding.exemptions import is_accepted
from answerable.approvals.grouping import likeness
from answerable.approvals.node import AS_PROPOSED, DENIED, RESPONSE, Approval
from answerable.errors import InvalidMessage, UnknownOrigin
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.running import journal
from answerable.orchestrator.running.anew import Before, what_was_revoked
from answerable.orchestrator.running.asked import Causes, asked_body, causes_of, valued
from answerable.orchestrator.running.crossing import Outflow, Written, message_id, outflow, written
from answerable.orchestrator.running.execution import Ending, Execution, tally_of
from answerable.orchestrator.running.facts import digests_of, facts_to_ask
from answerable.orchestrator.running.flooding import (
    QuotaReached,
    check_quota,
    check_size,
    source_of_step,
    stop_source,
)
from answerable.orchestrator.running.journal import Guard
from answerable.orchestrator.running.planning import plan_calls
from answerable.orchestrator.running.ruling import RulesChanged, Ruling, judged, rule_on, seen_of
from answerable.orchestrator.running.stepping import call_user, describe
from answerable.orchestrator.running.view import Ready
from answerable.orchestrator.scopes import Scope
from answerable.tracing import ids
from answerable.tracing.canonical import canonical
from answerable.tracing.clock import micros
from answerable.tracing.failpoints import failpoint
from answerable.tracing.ledger.entries import append_all
from answerable.tracing.ledger.record import Record
from answerable.tracing.ledger.records import EffectPrepared, RequestMade
from answerable.tracing.storage.store import Tx

OPTIONS_WITHIN_SECONDS = 120.0
MOST_OPTIONS = 20


@dataclass(frozen=True, kw_only=True)
class Option:
    """One answer that a request offers: the message that it lets through, what would leave with it, and the calls."""

    name: str
    message: Written
    out: Outflow
    calls: Sequence[PlannedCall]


async def run_approval(execution: Execution, approval: Approval[Any], ready: Ready) -> set[str]:
    """Ask about one message; the nodes that have something to do now (none, unless an exemption let it pass)."""
    now = execution.worker.store.clock.now()
    source = source_of_step(execution, ready)
    attempt = await execution.begin(ready, also=(source,))
    if attempt == 0:
        return set()
    (arrival,) = ready.combination.values()
    message = await execution.message(execution.view.crossings[arrival.id].message)
    stored = await stored_message(execution, execution.view.crossings[arrival.id].message, message)
    before: Before | None = None
    if ready.generation:
        before = await execution.worker.store.read(lambda tx: what_was_revoked(tx, execution.run.id, ready))
    causes = await causes_of(execution, ready)
    try:
        asked = await prepare_request(execution, approval, ready.step, ready.scope, stored, causes, before=before)
    except UnknownOrigin:  # not the message's fault: the run goes on in a service that knows it
        raise
    except Exception as error:  # noqa: BLE001 - an effect's function is the user's; its failure is the step's
        return await execution.finish(ready, Ending(error=describe(error, None)), attempt=attempt, started_at=now)
    exempt = "" if before else await _exempted(execution, approval, message)
    produced = [option.message for option in asked.options[1:]]
    clock, key, waits = execution.worker.store.clock, execution.worker.key, True

    def settle(tx: Tx, guard: Guard) -> Ending:
        nonlocal waits
        ruling = rule_on(tx, execution, guard, asked.said, rules, at=passes_at) if rules else Ruling()
        passing = Passing(outcome="exempted", option=AS_PROPOSED, by=exempt) if exempt else ruling.passing
        waits = passing is None
        if waits:
            check_quota(tx, execution, approval, source, at=now)
        asks = source if waits else ""
        records = write_request(tx, execution, guard, asked, source=asks, capped=ruling.capped)
        failpoint("request:before-commit")
        if passing is None:
            return Ending(produced=produced, records=records)
        append_all(tx, records)
        record_passing(tx, key, get_request(tx, asked.id), passing, at=passes_at)
        mark_routed(tx, asked.id)
        return Ending(produced=produced, out=next(one.out for one in asked.options if one.name == passing.option))

    while True:
        passes_at = clock.now()
        rules = None if exempt or before else await judged(execution, approval, asked.said["options"], at=passes_at)
        durable = bool(exempt or (rules and rules.candidates))
        try:
            woken = await execution.finish(ready, settle, attempt=attempt, started_at=now, durable=durable)
            break
        except RulesChanged:
            continue
        except QuotaReached:
            if not await stop_source(execution, approval, source):
                return {approval.name}
            execution.view.blocked.add(ready.step)
            return set()
    failpoint("request:after-commit")
    if waits:
        execution.worker.progress(Progress(execution.run.id, approval.name, "waiting", detail=asked.id))
    return woken


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that is about to be written."""

    id: str
    approval: Approval[Any]
    step: str
    options: Sequence[Option]
    body: bytes
    view: bytes
    made_at: int
    expires_at: int
    tally: dict[str, tuple[int, int]] | None
    inversions: int | None
    urgency: int
    alike: str
    said: Mapping[str, Any]  # what its body says
    edited_from: str = ""
    edited_by: str = ""
    in_place_of: str = ""
    escalates_at: tuple[int, ...] = ()

    @property
    def digest(self) -> str:
        return sha256(self.body).hexdigest()


async def prepare_request(
    execution: Execution,
    approval: Approval[Any],
    step: str,
    scope: Scope,
    proposed: Written,
    causes: Causes,
    *,
    edited_from: RequestRow | None = None,
    edited_by: str = "",
    before: Before | None = None,
) -> Asked:
    """Everything that a request binds and shows, computed before its transaction.

    Raises: InvalidMessage if it is more than a person is shown at once; UnknownOrigin.
    """
    check_size(approval, "the message", len(proposed.payload))
    now = execution.worker.store.clock.now()
    run_input = await execution.run_input()
    edit = f"edit:{edited_from.id}:" if edited_from else ""
    facts = await facts_to_ask(approval, proposed.message, run_input)
    offered: dict[str, Message] = {}
    trouble = ""
    if approval.options is not None:
        try:
            offered = await _offered(approval, proposed.message, run_input)
        except Exception as error:  # noqa: BLE001 - the user's function; the request is made without its options
            trouble = describe(error, OPTIONS_WITHIN_SECONDS)
    named = [(AS_PROPOSED, proposed)]
    named += [(name, written(message_id(step, f"{edit}option:{name}"), offered[name])) for name in sorted(offered)]
    options = []
    for name, one in named:
        out = leaving(execution, approval, step, f"{edit}option:{name}", scope, one, now=now)
        options.append(Option(name=name, message=one, out=out, calls=plan_calls(execution, out)))
    counted = {option.name: execution.count(option.message.message, run_input) for option in options}
    worth = [await valued(approval, option.message.message, run_input) for option in options]
    contexts, unseen = [], ""
    for option, each in zip(options, worth, strict=True):
        seen, why = seen_of(
            execution,
            approval,
            option.message.message,
            run_input,
            calls=option.calls,
            counted=counted[option.name],
            value=each.value,
        )
        contexts.append(seen)
        unseen = unseen or why
    view = {
        "message": json.loads(proposed.payload),
        "options": [
            {
                "name": option.name,
                "message": json.loads(option.message.payload),
                "tiers": tally_of(counted[option.name]),
                "inversions": tallied.inversions if (tallied := counted[option.name]) else None,
                "calls": [
                    {
                        "name": call.name,
                        "method": call.method,
                        "url": call.origin + call.path,
                        "body": _shown(call.body),
                    }
                    for call in option.calls
                ],
                "value": each.value,
                "asks": str(each.whom),
                "trouble_with_value": each.trouble,
            }
            for option, each in zip(options, worth, strict=True)
        ],
        "tiers": list(execution.graph.tiers),
        "trouble_with_options": trouble,
        "trouble_with_rules": unseen,
        "facts": facts,
        "before": before.shown() | {"facts": before.request.view.get("facts", {})} if before else None,
    }
    view_bytes = canonical(view)
    check_size(approval, "all that would be shown", len(view_bytes))
    id = ids.derive(ids.REQUEST, step, edit)
    expires_at = edited_from.expires_at if edited_from else now + micros(approval.within)
    escalations = [{"at": now + micros(after), "by": to.as_json()} for after, to in approval.escalate]
    body: dict[str, Any] = {
        "system": execution.run.system,
        "run": execution.run.id,
        "request": id,
        "approval": approval.name,
        "step": step,
        "message": proposed.id,
        "message_type": approval.of.__name__,
        "message_version": approval.of.version,
        "options": [
            {
                "name": option.name,
                "message": option.message.ref.model_dump(),
                "payload": sha256(option.message.payload).hexdigest(),
                "calls": [{"effect": call.effect, "name": call.name, "digest": call.digest} for call in option.calls],
                "context": seen,
                "value": each.value,
                "by": each.whom.as_json(),
            }
            for option, seen, each in zip(options, contexts, worth, strict=True)
        ],
        "asked": asked_body(execution, approval, causes),
        "edited_from": edited_from.id if edited_from else "",
        "edited_by": edited_by,
        "made_at": now,
        "decide_by": expires_at,
        # As canonical JSON has it: a whole number of seconds is one, and written faster.
        "execute_within_seconds": int(seconds) if (seconds := approval.execute_within) == int(seconds) else seconds,
        "break_glass": _glass(approval),
        "escalations": edited_from.body["escalations"] if edited_from else escalations,
        "facts": digests_of(facts),
        "in_place_of": before.request.id if before else "",
        "view": sha256(view_bytes).hexdigest(),
    }
    first = counted[AS_PROPOSED]
    return Asked(
        id=id,
        approval=approval,
        step=step,
        options=options,
        body=canonical(body),
        view=view_bytes,
        made_at=now,
        expires_at=expires_at,
        tally=tally_of(first),
        inversions=first.inversions if first else None,
        urgency=urgency_of(view),
        alike=likeness(body, [option.calls for option in options]),
        said=body,
        edited_from=edited_from.id if edited_from else "",
        edited_by=edited_by,
        in_place_of=before.request.id if before else "",
        escalates_at=tuple(one["at"] for one in body["escalations"]),
    )


def _glass(approval: Approval[Any]) -> dict[str, Any] | None:
    glass = approval.break_glass
    if glass is None:
        return None
    return {"by": as_quorum(glass.by).as_json(), "at_most": glass.at_most, "per_day": glass.per_day}


async def _offered(approval: Approval[Any], message: Message, run_input: Any) -> dict[str, Message]:
    assert approval.options is not None
    offered: Mapping[str, Any] = await call_user(
        approval.options, own(message), own(run_input), within=OPTIONS_WITHIN_SECONDS
    )
    for name, option in offered.items():
        if not isinstance(option, approval.of):
            raise InvalidMessage(
                f"option {name!r} of {approval.name} is {type(option).__name__}, not {approval.of.__name__}"
            )
        option.from_bytes(option.to_bytes())  # made without validation?
        if name == AS_PROPOSED or not name.replace("-", "").replace("_", "").isalnum():
            raise InvalidMessage(f"{name!r} is no name for an option of {approval.name}")
    if len(offered) > MOST_OPTIONS:
        raise InvalidMessage(
            f"{approval.name} offers {len(offered)} options; nobody can weigh more than {MOST_OPTIONS}"
        )
    return dict(offered)


async def _exempted(execution: Execution, approval: Approval[Any], message: Message) -> str:
    """NAME@VERSION of the exemption that lets this message pass, or ""."""
    if approval.exempt is None:
        return ""
    key, system = execution.worker.key, execution.run.system
    if not await execution.worker.store.read(lambda tx: is_accepted(tx, key, system, approval)):
        return ""
    try:
        run_input = own(await execution.run_input())
        said = await call_user(approval.exempt.fn, own(message), run_input, within=OPTIONS_WITHIN_SECONDS)
    except Exception:  # noqa: BLE001 - the user's predicate; one that raises means: ask
        return ""
    return f"{approval.exempt.name}@{approval.exempt.version}" if said is True else ""


def leaving(
    execution: Execution, approval: Approval[Any], step: str, slot: str, scope: Scope, one: Written, *, now: int
) -> Outflow:
    """What follows when `one` leaves the approval by its ordinary output. Raises: BrokenCondition."""
    out = outflow(
        execution.graph, execution.run.id, approval.name, "", step=step, slot=slot, scope=scope, sent=one, now=now
    )
    out.check()
    return out


def write_request(
    tx: Tx, execution: Execution, guard: Guard, asked: Asked, *, source: str = "", capped: str = ""
) -> list[Record]:
    """Write a request, which counts for its `source`, and the effects that its options would release; their records.

    `capped` is the rule (NAME@VERSION) that would have decided but for its cap.
    """
    run = execution.run
    tx.run(
        INSERT_REQUEST,
        id=asked.id,
        run=run.id,
        system=run.system,
        approval=asked.approval.name,
        step=asked.step,
        message=asked.options[0].message.id,
        digest=asked.digest,
        state="open",
        routed=0,
        body=asked.body,
        view=asked.view,
        edited_from=asked.edited_from,
        edited_by=asked.edited_by,
        in_place_of=asked.in_place_of,
        stage=0,
        escalates_at=next(iter(asked.escalates_at), None),
        made_at=asked.made_at,
        expires_at=asked.expires_at,
        urgency=asked.urgency,
        source=source,
        capped=capped,
        alike=asked.alike,
        warned=0,
        mac=execution.worker.key.mac("request", asked.id, asked.digest),
    )
    stamp = execution.stamp(guard)
    records: list[Record] = [
        RequestMade(
            **stamp,
            request=asked.id,
            approval=asked.approval.name,
            step=asked.step,
            message=asked.options[0].message.ref,
            digest=asked.digest,
            calls={option.name: tuple(call.effect for call in option.calls) for option in asked.options},
            tally=asked.tally,
            inversions=asked.inversions,
            expires_at=asked.expires_at,
            edited_from=asked.edited_from,
            edited_by=asked.edited_by,
            capped=capped,
            escalates_at=asked.escalates_at,
            execute_within=micros(asked.approval.execute_within),
            in_place_of=asked.in_place_of,
            host=execution.host,
        )
    ]
    calls = [call for option in asked.options for call in option.calls]
    return records + [_write_effect(tx, execution, stamp, asked.step, call) for call in calls]


def _write_effect(tx: Tx, execution: Execution, stamp: dict[str, Any], step: str, call: PlannedCall) -> EffectPrepared:
    tx.run(
        INSERT_EFFECT,
        id=call.effect,
        run=execution.run.id,
        system=execution.run.system,
        name=call.name,
        receiver=call.receiver,
        guarantee=call.guarantee,
        step=step,
        message=call.message,
        origin=call.origin,
        method=call.method,
        path=call.path,
        content_type=call.content_type,
        body=call.body,
        call_digest=call.digest,
        idempotency_key=call.idempotency_key,
        state="prepared",
        attempt=0,
        sent_at=None,
        detail="",
    )
    return EffectPrepared(
        **stamp,
        effect=call.effect,
        name=call.name,
        step=step,
        host=execution.host,
        receiver=call.receiver,
        guarantee=call.guarantee,
        message=call.message,
        method=call.method,
        origin=call.origin,
        path_digest=sha256(call.path.encode()).hexdigest() if call.path else "",
        call_digest=call.digest,
        idempotency_key=call.idempotency_key,
    )


async def route(execution: Execution, request: RequestRow, decision: Decision) -> set[str]:
    """Send a decided request's outcome onward, once; the nodes that have something to do now."""
    now = execution.worker.store.clock.now()
    step = execution.view.steps[request.step]
    approval = execution.node(request.approval)
    assert isinstance(approval, Approval), request.approval
    port, one, slot = await _outcome(execution, approval, request, decision)
    out = Outflow()
    if one is not None:
        out = outflow(
            execution.graph,
            execution.run.id,
            approval.name,
            port,
            step=request.step,
            slot=slot,
            scope=step.scope,
            sent=one,
            now=now,
        )
    fresh = one is not None and port != ""
    run_input = await execution.run_input()

    def work(tx: Tx, guard: Guard) -> bool:
        if not mark_routed(tx, request.id):
            return False
        if fresh and one is not None:
            journal.write_messages(tx, execution.run.id, [one])
        journal.write_outflow(tx, execution.run.id, out)
        stamp = execution.stamp(guard, decision.id, *decision.people)
        append_all(tx, [execution.crossed(*left, stamp, run_input) for left in out.crossings])
        failpoint("route:before-commit")
        return True

    if not await execution.write(work):
        return set()
    failpoint("route:after-commit")
    if one is not None:
        execution.view.messages[one.id] = one.message
    execution.worker.progress(Progress(execution.run.id, approval.name, "done", detail=decision.outcome))
    return execution.view.add_outflow(out)


async def _outcome(
    execution: Execution, approval: Approval[Any], request: RequestRow, decision: Decision
) -> tuple[str, Written | None, str]:
    """By which port what leaves, and in which slot."""
    edit = f"edit:{request.edited_from}:" if request.edited_from else ""
    if decision.outcome in YES:
        message = await execution.message(decision.message)
        stored = await stored_message(execution, decision.message, message)
        return "", stored, f"{edit}option:{decision.option}"
    if decision.outcome == "edited":
        return "", None, ""
    named: dict[str, Any] = {"approval": approval.name, "request": request.id}
    answer: Message
    if decision.outcome == "expired":
        answer = Expired(**named, waited_seconds=(decision.at - request.made_at) / 1e6)
    elif decision.outcome == "answered":
        answer = Response(**named, by=decision.by, text=decision.reason)
        return RESPONSE, written(message_id(request.step, f"{edit}{RESPONSE}"), answer), RESPONSE
    else:
        answer = Rejected(**named, by=decision.by, reason=decision.reason)
    return DENIED, written(message_id(request.step, f"{edit}{DENIED}"), answer), DENIED


async def stored_message(execution: Execution, id: str, message: Message) -> Written:
    """A message that is stored already, with the salt and commitment that it has there."""
    return await execution.worker.store.read(lambda tx: journal.read_written(tx, execution.run.id, id, message))


def _shown(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")
