"""Routing: what becomes of a request once it is decided.

It is routed once: the chosen message leaves by the ordinary output, a no by `denied`, a text by `response`; after an
edit nothing leaves, since the edited message is a new request.
"""

from __future__ import annotations

from typing import Any

from answerable.agents.messages import Message
from answerable.agents.outcomes import Expired, Rejected, Response
from answerable.approvals.asking.requests import (
    RequestRow,
    mark_routed,
)
from answerable.approvals.deciding.decisions import YES, Decision
from answerable.approvals.node import DENIED, RESPONSE, Approval
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.running import journal
from answerable.orchestrator.running.crossing import Outflow, Written, message_id, outflow, written
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.journal import Guard
from answerable.orchestrator.running.requesting import stored_message
from answerable.tracing.failpoints import failpoint
from answerable.tracing.ledger.entries import append_all
from answerable.tracing.storage.store import Tx


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
