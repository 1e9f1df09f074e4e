"""/api/v1/me: who asks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from answerable.approvals.who.identity import Identity
from answerable.inbox.desk import Desk
from answerable.inbox.entering import desk_of, reader
from answerable.inbox.problems import documented
from answerable.tracing.people import get_person

router = APIRouter(prefix="/me", tags=["me"])


class Me(BaseModel):
    """Who asks, and how sure we are of it."""

    id: str = Field(description="The opaque id: records and signatures have it.")
    person: str
    roles: list[str]
    teams: list[str]
    assurance: str


@router.get("", responses=documented())
async def me(desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(reader)]) -> Me:
    """The person whose token was shown, with their roles and teams."""
    person = await desk.office.store.read(lambda tx: get_person(tx, who.handle))
    return Me(
        id=person.id, person=who.handle, roles=list(person.roles), teams=list(person.teams), assurance=who.assurance
    )
