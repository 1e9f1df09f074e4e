"""/api/v1/approvals: by which rules each approval asks, and accepting or declining what is proposed instead."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from answerable.approvals.who.identity import Identity
from answerable.inbox.api.bodies import Digest, Name, Taken, Text
from answerable.inbox.desk import Desk
from answerable.inbox.entering import actor, desk_of, reader
from answerable.inbox.problems import documented
from answerable.orchestrator.accepted import approval_document
from answerable.orchestrator.documents import handles

router = APIRouter(prefix="/approvals", tags=["approvals"])


class AcceptAsked(Taken):
    """Accept the rules of deciding that are proposed for an approval, as they were shown."""

    system: Name
    approval: Name
    digest: Digest


class DeclineAsked(AcceptAsked):
    """Decline them, and say why."""

    reason: Text


class DecidingRules(BaseModel):
    """Rules of deciding, in words by the name that each has in a declaration, and of which version of the app."""

    digest: str
    version: str
    at: str
    rules: dict[str, str]


class RuleChange(BaseModel):
    """One of them, as it is in force, and as it would be."""

    name: str
    was: str
    would_be: str


class DeclinedAnswer(BaseModel):
    """Who declined them, when and why."""

    by: str
    at: str
    reason: str


class ProposedRules(DecidingRules):
    """Rules that wait for the Responsible Individual, or were `declined`, and what they would change."""

    changes: list[RuleChange]
    declined: DeclinedAnswer | None


class ApprovalAnswer(BaseModel):
    """By which rules an approval asks: `by` is who accepted them, empty for the first.

    Where nothing is `in_force`, the Responsible Individual alone decides.
    """

    system: str
    approval: str
    in_force: DecidingRules | None
    since: str | None
    by: str
    assurance: str
    proposed: list[ProposedRules]


class ApprovalList(BaseModel):
    """Every approval of every system, by system and name."""

    approvals: list[ApprovalAnswer]


@router.get("", responses=documented())
async def list_approvals(
    desk: Annotated[Desk, Depends(desk_of)], _: Annotated[Identity, Depends(reader)]
) -> ApprovalList:
    """By which rules each approval asks, and what is proposed instead."""
    names, found = await desk.office.store.read(handles), await desk.office.approvals()
    return ApprovalList(approvals=[ApprovalAnswer(**approval_document(one, names)) for one in found])


@router.post("/acceptance", status_code=201, responses=documented(409))
async def accept_approval(
    body: AcceptAsked, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(actor)]
) -> ApprovalAnswer:
    """Put what is proposed for an approval in force, as the Responsible Individual of its system."""
    made = await desk.office.accept_approval(body.system, body.approval, by=who, digest=body.digest)
    return ApprovalAnswer(**approval_document(made, await desk.office.store.read(handles)))


@router.post("/refusal", status_code=201, responses=documented(409))
async def decline_approval(
    body: DeclineAsked, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(actor)]
) -> ApprovalAnswer:
    """Say no to what is proposed for an approval, as the Responsible Individual; it may still be accepted later."""
    office = desk.office
    made = await office.decline_approval(body.system, body.approval, by=who, reason=body.reason, digest=body.digest)
    return ApprovalAnswer(**approval_document(made, await office.store.read(handles)))
