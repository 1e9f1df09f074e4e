"""/api/v1/freezes: stopping things, and letting them go on."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from answerable.approvals.who.identity import Identity
from answerable.inbox.api.bodies import Name, Reasoned, Taken, Text
from answerable.inbox.api.cursors import Id
from answerable.inbox.api.links import FROM_FREEZE, FROM_FREEZES
from answerable.inbox.desk import Desk
from answerable.inbox.entering import actor, desk_of, reader
from answerable.inbox.problems import documented
from answerable.inbox.stopping import stop
from answerable.orchestrator.documents import freeze_document, handles
from answerable.tracing.freezes import Freeze

router = APIRouter(prefix="/freezes", tags=["freezes"])


class FreezeAsked(Taken):
    """Stop new steps and sends of a target."""

    system: Name
    target: Name = Field(default="system", description="system, agent:NAME, edge:ID or effect:NAME.")
    reason: Text


class FreezeAnswer(BaseModel):
    """A freeze: committed, quiesced or lifted; `in_flight` are the calls that it still waits for."""

    id: str
    system: str
    target: str
    state: str
    by: str
    reason: str
    at: str
    in_flight: list[str]


class FreezeList(BaseModel):
    """The freezes that stand."""

    freezes: list[FreezeAnswer]


@router.get("", responses=documented(links=FROM_FREEZES))
async def list_freezes(desk: Annotated[Desk, Depends(desk_of)], _: Annotated[Identity, Depends(reader)]) -> FreezeList:
    """The freezes that stand, of every system."""
    names = await desk.office.store.read(handles)
    found = [one for system in await desk.office.systems() for one in await desk.office.freezes(system)]
    return FreezeList(freezes=[FreezeAnswer(**freeze_document(one, names)) for one in found])


@router.post("", status_code=201, responses=documented(409, links=FROM_FREEZE, on=201))
async def make_freeze(
    body: FreezeAsked, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(actor)]
) -> FreezeAnswer:
    """Stop new steps and sends of a target, in every process that shares the store."""
    made = await stop(desk, body.system, body.target, by=who, reason=body.reason)
    return await _as_it_stands(desk, made.id)


@router.get("/{freeze}", responses=documented(links=FROM_FREEZE))
async def get_freeze(
    freeze: Id, desk: Annotated[Desk, Depends(desk_of)], _: Annotated[Identity, Depends(reader)]
) -> FreezeAnswer:
    """One freeze as it stands."""
    return await _as_it_stands(desk, freeze)


@router.post("/{freeze}/thaw", responses=documented(409))
async def thaw(
    freeze: Id, body: Reasoned, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(actor)]
) -> FreezeAnswer:
    """Lift a freeze."""
    await desk.office.thaw(freeze, by=who, reason=body.reason)
    return await _as_it_stands(desk, freeze)


async def _as_it_stands(desk: Desk, freeze: str) -> FreezeAnswer:
    found: Freeze = await desk.office.freeze_state(freeze)
    return FreezeAnswer(**freeze_document(found, await desk.office.store.read(handles)))
