"""Asking anew: what follows when a decision was revoked.

1. The approval's step runs anew in its next generation, with all that followed from it, when everything is at rest: a
   new request is made, which says what it takes the place of and why.
2. Where something that followed was sent, it cannot: that stays as it is. Nobody is asked anew then; the calls that
   were withdrawn end as such, and the run goes on with that.
3. What was revoked once is asked of a person, in this generation and in later ones.
4. If it was an edit that was approved, the new request, which is about what came to the approval, offers the edited
   message as one more option. Whoever wrote the edit led to that request, and does not decide it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select

from answerable.approvals.asking.requests import RequestRow, get_request, requests_of
from answerable.approvals.deciding.decisions import Decision, decision_on, get_decision
from answerable.approvals.deciding.recording import withdraw_effect
from answerable.approvals.node import AS_EDITED
from answerable.approvals.revoking import WITHDRAWN, revocation_of
from answerable.orchestrator.running import journal
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.journal import Guard
from answerable.orchestrator.running.loading import read_view
from answerable.orchestrator.running.superseding import followers, supersede
from answerable.orchestrator.running.view import Ready, RunView, step_id
from answerable.tracing.failpoints import failpoint
from answerable.tracing.ledger.records.afterwards import DecisionRevoked
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import decisions, grants, requests
from answerable.tracing.storage.tables.runs import steps

_REVOKED = Statement(
    select(decisions.c.id)
    .join(requests, requests.c.id == decisions.c.request)
    .join(steps, (steps.c.run == requests.c.run) & (steps.c.id == requests.c.step))
    .where(decisions.c.run == bindparam("run"), decisions.c.revoked != "", steps.c.state != "superseded")
    .order_by(decisions.c.id)
)
_BEHIND = Statement(select(grants.c.decision).where(grants.c.effect == bindparam("effect")))


def revoked_and_standing(tx: Tx, execution: Execution) -> list[Decision]:
    """The decisions of a run that were revoked and of which it is not known yet whether they are asked anew."""
    found = (get_decision(tx, row[0]) for row in tx.all(_REVOKED, run=execution.run.id))
    return [one for one in found if one is not None and one.id not in execution.given_up]


def decision_behind(tx: Tx, effect: str) -> Decision | None:
    """The decision that granted a call."""
    row = tx.one(_BEHIND, effect=effect)
    return get_decision(tx, row[0]) if row else None


async def hold_revoked(execution: Execution, effect: str, step: str) -> bool:
    """Whether a call has to wait until it is clear whether its decision is asked anew; its step is held back then."""
    decision = await execution.worker.store.read(lambda tx: decision_behind(tx, effect))
    if decision is None or not decision.revoked or decision.id in execution.given_up:
        return False
    execution.view.blocked.add(step)
    return True


async def ask_anew(execution: Execution) -> bool:
    """Supersede the approvals' steps of revoked decisions, or find that they cannot be; whether there were any."""
    given_up: set[str] = set()

    def work(tx: Tx, guard: Guard) -> RunView | None:
        given_up.clear()
        found = revoked_and_standing(tx, execution)
        for decision in found:
            if not _supersede(tx, execution, decision, guard):
                given_up.add(decision.id)
        failpoint("anew:before-commit")
        return read_view(tx, execution.graph, execution.run.id) if found else None

    view = await execution.write(work, durable=True)
    failpoint("anew:after-commit")
    if view is None:
        return False
    execution.given_up |= given_up
    view.messages = execution.view.messages
    execution.view = view  # what a freeze held back is tried again, and held back again
    return True


def _supersede(tx: Tx, execution: Execution, decision: Decision, guard: Guard) -> bool:
    """Have the step of a revoked decision run anew; False where something that followed was sent."""
    request, now = get_request(tx, decision.request), execution.worker.store.clock.now()
    known = {each.id: each for each in journal.read_steps(tx, execution.run.id)}
    gone = followers(tx, execution.run.id, request.step, known)
    why = WITHDRAWN[decision.revoked]
    if not gone.sent:
        supersede(tx, execution.run, gone, reason=why, at=now)
        return True
    option = request.option(decision.option)
    for call in option["calls"] if option else ():  # one that was sent and turned away since
        withdraw_effect(tx, call["effect"], reason=why, request=request, responsible=guard.responsible, at=now)
    return False


@dataclass(frozen=True, kw_only=True)
class Before:
    """What a request takes the place of: the request, and the record of why its decision was revoked."""

    request: RequestRow
    revoked: DecisionRevoked
    edited: str  # the message (id) that somebody edited, or ""

    def shown(self) -> dict[str, Any]:
        """What the new request shows of it, but for the facts."""
        record = self.revoked
        return {
            "request": self.request.id,
            "cause": record.cause,
            "by": record.by,
            "code": record.code,
            "reason": record.reason,
            "rule": record.rule,
            "edited": bool(self.edited),
        }


def what_was_revoked(tx: Tx, run: str, ready: Ready) -> Before | None:
    """The newest request of an earlier generation of this step of which the decision was revoked."""
    earlier = [step_id(run, ready.node, ready.combination, number) for number in range(ready.generation)]
    found: list[tuple[RequestRow, Decision]] = []
    for request in requests_of(tx, run):
        decision = decision_on(tx, request.id) if request.step in earlier else None
        if decision is not None and decision.revoked:
            found.append((request, decision))
    if not found:
        return None
    newest, decided = max(found, key=lambda one: earlier.index(one[0].step))
    record = revocation_of(tx, newest)
    offered = newest.option(AS_EDITED)  # it was asked anew itself
    edited = decided.message if newest.edited_from else str(offered["message"]["id"]) if offered else ""
    return Before(request=newest, revoked=record, edited=edited) if record is not None else None
