"""/api/v1/exemptions: what may pass an approval without being asked about, and accepting it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from answerable.approvals.who.identity import Identity
from answerable.inbox.api.bodies import Name, Taken
from answerable.inbox.desk import Desk
from answerable.inbox.entering import actor, desk_of, reader
from answerable.inbox.exempting import accept_as_shown, exemptions_of
from answerable.inbox.problems import documented

router = APIRouter(prefix="/exemptions", tags=["approvals"])


class AcceptExemptionAsked(Taken):
    """Accept the exemption of an approval, in the version that was shown."""

    system: Name
    approval: Name
    exemption: Name


class ExemptionAnswer(BaseModel):
    """An `exemption`, NAME@VERSION: whether a program that is at hand here declares it, and `by` whom it was accepted.

    It has force where it is declared and accepted.
    """

    system: str
    approval: str
    exemption: str
    declared: bool
    accepted: bool
    by: str


class ExemptionList(BaseModel):
    """Every exemption that the systems at hand here declare, and every one that was accepted in this store."""

    exemptions: list[ExemptionAnswer]


@router.get("", responses=documented())
async def list_exemptions(
    desk: Annotated[Desk, Depends(desk_of)], _: Annotated[Identity, Depends(reader)]
) -> ExemptionList:
    """What may pass an approval without being asked about."""
    return ExemptionList(exemptions=[ExemptionAnswer(**one) for one in await exemptions_of(desk)])


@router.post("/acceptance", status_code=201, responses=documented(409))
async def accept_exemption(
    body: AcceptExemptionAsked, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(actor)]
) -> ExemptionAnswer:
    """Let an exemption be used, as the Responsible Individual. The program of its system has to be at hand here."""
    await accept_as_shown(desk, body.system, body.approval, body.exemption, who=who)
    place = (body.system, body.approval, body.exemption)
    found = {(one["system"], one["approval"], one["exemption"]): one for one in await exemptions_of(desk)}
    return ExemptionAnswer(**found[place])
