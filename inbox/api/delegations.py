"""/api/v1/delegations: who decides in whose place, and until when."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from answerable.approvals.voting.delegations import Delegation
from answerable.approvals.who.identity import Identity
from answerable.inbox.api.bodies import Handle, Name, Reasoned, Taken, Text
from answerable.inbox.api.cursors import Id
from answerable.inbox.api.links import FROM_DELEGATION
from answerable.inbox.desk import Desk
from answerable.inbox.entering import actor, desk_of, reader
from answerable.inbox.problems import documented
from answerable.orchestrator.documents import delegation_document, handles

router = APIRouter(prefix="/delegations", tags=["delegations"])


class DelegationAsked(Taken):
    """Let somebody else decide in one's place: everywhere, in a system, or at one approval of it."""

    to: Handle = Field(min_length=1, description="By handle.")
    seconds: int = Field(ge=1, le=90 * 86_400, description="How long.")
    system: Name | Literal[""] = ""
    approval: Name | Literal[""] = ""
    reason: Text


class DelegationAnswer(BaseModel):
    """Who decides in whose place. `state` is standing, over or revoked; no `system` is all of them."""

    id: str
    giver: str = Field(alias="from")
    to: str
    system: str
    approval: str
    state: str
    until: str
    reason: str
    at: str


class DelegationList(BaseModel):
    """All delegations, oldest first."""

    delegations: list[DelegationAnswer]


@router.get("", responses=documented())
async def list_delegations(
    desk: Annotated[Desk, Depends(desk_of)], _: Annotated[Identity, Depends(reader)]
) -> DelegationList:
    """Every delegation that was made, oldest first."""
    return DelegationList(delegations=[await _answer(desk, one) for one in await desk.office.people.delegations()])


@router.post("", status_code=201, responses=documented(409, links=FROM_DELEGATION, on=201))
async def delegate(
    body: DelegationAsked, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(actor)]
) -> DelegationAnswer:
    """Let somebody decide in your place, for at most 90 days."""
    where = {"system": body.system, "approval": body.approval}
    made = await desk.office.people.delegate(by=who, to=body.to, seconds=body.seconds, reason=body.reason, **where)
    return await _answer(desk, made)


@router.post("/{delegation}/revocation", responses=documented(409))
async def revoke_delegation(
    delegation: Id, body: Reasoned, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(actor)]
) -> DelegationAnswer:
    """End a delegation at once: whoever gave it may, and the Responsible Individual."""
    return await _answer(desk, await desk.office.people.revoke_delegation(delegation, by=who, reason=body.reason))


async def _answer(desk: Desk, one: Delegation) -> DelegationAnswer:
    return DelegationAnswer(**delegation_document(one, await desk.office.store.read(handles), at=desk.now))
