"""What a service answers: runs, requests and decisions as a person wants to see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from answerable.agents.messages import Message
from answerable.approvals.asking.requests import Escalation, RequestRow, unsettled_requests
from answerable.approvals.deciding.decisions import Decision, decision_on
from answerable.approvals.gate import effects_of
from answerable.approvals.voting.eligibility import Asked
from answerable.errors import Erased
from answerable.orchestrator.running.loading import load_message
from answerable.orchestrator.running.worker import Worker
from answerable.orchestrator.runs import RunRow
from answerable.tracing.clock import iso, to_the_second
from answerable.tracing.people import authority, person_by_id
from answerable.tracing.storage.store import Tx

Out = TypeVar("Out", bound=Message)


@dataclass(frozen=True, kw_only=True, repr=False)
class OpenRequest:
    """A request as it is shown: options with their consequences and exact calls, and what was decided, if it was.

    `message` is what was proposed, as plain JSON; `view` has everything that the digest binds to the eye. Printed, it
    is a line of what one needs to answer it.
    """

    id: str
    run: str
    system: str
    approval: str
    state: str
    message: Mapping[str, Any]
    options: tuple[str, ...]
    view: Mapping[str, Any]
    digest: str
    asks: str
    asked: Asked
    made_at: int
    expires_at: int
    inversions: int | None
    edited_from: str
    capped: str
    in_place_of: str
    stage: int
    escalations: tuple[Escalation, ...]
    execute_within_seconds: float
    decision: Decision | None

    def __repr__(self) -> str:
        stands = self.decision.outcome if self.decision else f"until {to_the_second(iso(self.expires_at) or '')} UTC"
        return (
            f"<request {self.id} at {self.approval} of {self.system}: {self.state}, asks {self.asks}, {stands};"
            f" options {', '.join(self.options)}>"
        )


@dataclass(frozen=True, kw_only=True)
class Run(Generic[Out]):
    """A run as it stands. `status` is running, waiting, frozen, or an end: done, denied, stuck, failed, cancelled."""

    id: str
    system: str
    version: str
    status: str
    detail: str
    started_by: str
    responsible: str
    result: Out | None
    waiting_for: tuple[OpenRequest, ...]
    in_doubt: tuple[str, ...]


def request_report(tx: Tx, row: RequestRow) -> OpenRequest:
    """A request as it is shown."""
    return OpenRequest(
        id=row.id,
        run=row.run,
        system=row.system,
        approval=row.approval,
        state=row.state,
        message=row.view["message"],
        options=row.options,
        view=row.view,
        digest=row.digest,
        asks=row.asks,
        asked=row.asked,
        made_at=row.made_at,
        expires_at=row.expires_at,
        inversions=row.view["options"][0]["inversions"],
        edited_from=row.edited_from,
        capped=row.capped,
        in_place_of=row.in_place_of,
        stage=row.stage,
        escalations=row.escalations,
        execute_within_seconds=row.body["execute_within_seconds"],
        decision=decision_on(tx, row.id),
    )


def run_report(tx: Tx, row: RunRow, worker: Worker) -> Run[Any]:
    """A run as it stands."""
    starter, in_force = person_by_id(tx, row.started_by), authority(tx, row.system)
    responsible = person_by_id(tx, in_force.responsible)
    return Run(
        id=row.id,
        system=row.system,
        version=row.version,
        status=row.status,
        detail=row.detail,
        started_by=starter.handle if starter else row.started_by,
        responsible=responsible.handle if responsible else in_force.responsible,
        result=_result(tx, row, worker),
        waiting_for=tuple(request_report(tx, each) for each in unsettled_requests(tx, row.id) if each.state == "open"),
        in_doubt=tuple(effect.id for effect in effects_of(tx, row.id) if effect.state == "in-doubt"),
    )


def _result(tx: Tx, row: RunRow, worker: Worker) -> Message | None:
    try:
        return load_message(tx, worker.types, row.id, row.result) if row.result else None
    except Erased:
        return None
