"""Requesting: what a person would be asked about a message, computed before the transaction that writes it.

1. The body binds all that a yes means, the view is what is shown; the body has the view's digest.
2. What is too large to be shown is not asked (`flooding.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from answerable.agents.messages import Message
from answerable.agents.people import as_quorum
from answerable.approvals.asking.listing import urgency_of
from answerable.approvals.asking.requests import INSERT_EFFECT, PlannedCall, RequestRow, insert_request
from answerable.approvals.grouping import likeness
from answerable.approvals.node import Approval
from answerable.orchestrator.running import journal
from answerable.orchestrator.running.anew import Before
from answerable.orchestrator.running.asked import Causes, asked_body
from answerable.orchestrator.running.crossing import Written
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.facts import digests_of, facts_to_ask
from answerable.orchestrator.running.flooding import check_size
from answerable.orchestrator.running.journal import Guard
from answerable.orchestrator.running.offering import Option, options_of
from answerable.orchestrator.running.sums import tally_of
from answerable.orchestrator.scopes import Scope
from answerable.tracing import ids
from answerable.tracing.canonical import canonical
from answerable.tracing.clock import micros
from answerable.tracing.ledger.records.deciding import RequestMade
from answerable.tracing.ledger.records.effects import EffectPrepared
from answerable.tracing.ledger.records.record import Record
from answerable.tracing.storage.store import Tx


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that is about to be written: what its body says and its view shows, the bytes of both, its options."""

    approval: Approval[Any]
    options: Sequence[Option]
    said: Mapping[str, Any]
    shown: Mapping[str, Any]
    body: bytes
    view: bytes

    @property
    def id(self) -> str:
        said: str = self.said["request"]
        return said

    @cached_property
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
    edited = await execution.message(before.edited) if before and before.edited else None
    options, trouble = await options_of(
        execution, approval, step, scope, proposed, run_input, edit=edit, edited=edited, now=now
    )
    shown = [option.shown() for option in options]
    view = {
        "message": shown[0]["message"],
        "options": shown,
        "tiers": list(execution.graph.tiers),
        "trouble_with_options": trouble,
        "trouble_with_rules": next((option.unseen for option in options if option.unseen), ""),
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
        "options": [option.bound() for option in options],
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
    return Asked(
        approval=approval,
        options=options,
        said=body,
        shown=view,
        body=canonical(body),
        view=view_bytes,
    )


def _glass(approval: Approval[Any]) -> dict[str, Any] | None:
    glass = approval.break_glass
    if glass is None:
        return None
    return {"by": as_quorum(glass.by).as_json(), "at_most": glass.at_most, "per_day": glass.per_day}


async def stored_message(execution: Execution, id: str, message: Message) -> Written:
    """A message that is stored already, with the salt and commitment that it has there."""
    return await execution.worker.store.read(lambda tx: journal.read_written(tx, execution.run.id, id, message))


def row_of(
    execution: Execution, asked: Asked, *, source: str = "", capped: str = "", passed: bool = False
) -> RequestRow:
    """A request as its row will be: open, or decided and sent on where it `passed` without anybody being asked.

    It counts for its `source`; `capped` is the rule (NAME@VERSION) that would have decided but for its cap.
    """
    said = asked.said
    return RequestRow(
        id=asked.id,
        run=execution.run.id,
        system=execution.run.system,
        approval=asked.approval.name,
        step=said["step"],
        message=said["message"],
        digest=asked.digest,
        state="decided" if passed else "open",
        routed=passed,
        body=dict(said),
        view=dict(asked.shown),
        edited_from=said["edited_from"],
        edited_by=said["edited_by"],
        in_place_of=said["in_place_of"],
        stage=0,
        escalates_at=next((one["at"] for one in said["escalations"]), None),
        made_at=said["made_at"],
        expires_at=said["decide_by"],
        urgency=urgency_of(asked.shown),
        source=source,
        capped=capped,
        alike="" if passed else likeness(said, [option.calls for option in asked.options]),
        warned=0,
        mac=execution.worker.key.mac("request", asked.id, asked.digest),
    )


def write_request(tx: Tx, execution: Execution, guard: Guard, asked: Asked, row: RequestRow) -> list[Record]:
    """Write a request, and the effects that its options would release; their records."""
    said, first = asked.said, asked.options[0]
    insert_request(tx, row, body=asked.body, view=asked.view)
    stamp = execution.stamp(guard)
    records: list[Record] = [
        RequestMade(
            **stamp,
            request=asked.id,
            approval=asked.approval.name,
            step=said["step"],
            message=first.message.ref,
            digest=asked.digest,
            calls={option.name: tuple(call.effect for call in option.calls) for option in asked.options},
            tally=tally_of(first.counted),
            inversions=first.inversions,
            expires_at=said["decide_by"],
            edited_from=said["edited_from"],
            edited_by=said["edited_by"],
            capped=row.capped,
            escalates_at=tuple(one["at"] for one in said["escalations"]),
            execute_within=micros(asked.approval.execute_within),
            in_place_of=said["in_place_of"],
            host=execution.host,
        )
    ]
    calls = [call for option in asked.options for call in option.calls]
    return records + [_write_effect(tx, execution, stamp, said["step"], call) for call in calls]


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
