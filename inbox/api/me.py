"""/api/v1/me: who asks, and the keys that they sign with."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, StringConstraints

from answerable.approvals.who.identity import Identity
from answerable.inbox.api.bodies import Micros, Taken
from answerable.inbox.desk import Desk
from answerable.inbox.entering import actor, desk_of, reader
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


class KeyAsked(Taken):
    """An Ed25519 key to register as one's own. What the proof signs is in the guide."""

    public: Annotated[str, StringConstraints(pattern="^[A-Za-z0-9+/]{43}=$")] = Field(description="Base64 of 32 bytes.")
    at: Micros = Field(description="When the proof was made: microseconds since 1970.")
    proof: Annotated[str, StringConstraints(pattern="^[A-Za-z0-9+/]{86}==$")] = Field(description="Base64 of 64 bytes.")


class KeyAnswer(BaseModel):
    """A key that somebody signs with, and how sure we were of who registered it."""

    id: str
    person: str
    assurance: str


@router.get("", responses=documented())
async def me(desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(reader)]) -> Me:
    """The person whose token was shown, with their roles and teams."""
    person = await desk.office.store.read(lambda tx: get_person(tx, who.handle))
    return Me(
        id=person.id, person=who.handle, roles=list(person.roles), teams=list(person.teams), assurance=who.assurance
    )


@router.post("/keys", status_code=201, responses=documented())
async def register_key(
    body: KeyAsked, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(actor)]
) -> KeyAnswer:
    """Have a key be one's own, as sure as what is shown with this is. The private half never leaves its person."""
    made = await desk.office.people.register_key(who, public=body.public, proof=body.proof, proved_at=body.at)
    return KeyAnswer(id=made.id, person=who.handle, assurance=made.assurance)
