"""/api/v1/decisions: taking a decision back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from answerable.approvals.identity import Identity
from answerable.inbox.api.answers import RevokeAsked, RevokedAnswer
from answerable.inbox.api.cursors import Id
from answerable.inbox.desk import Desk
from answerable.inbox.entering import actor, desk_of
from answerable.inbox.problems import documented

router = APIRouter(prefix="/decisions", tags=["decisions"])


@router.post("/{decision}/revocation", status_code=201, responses=documented(409))
async def revoke(
    decision: Id, body: RevokeAsked, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(actor)]
) -> RevokedAnswer:
    """Make void what a decision released and was not sent. Where nothing was sent, it is asked anew."""
    gone = await desk.office.revoke(decision, code=body.code, by=who, reason=body.reason)
    return RevokedAnswer(
        decision=gone.decision,
        request=gone.request,
        run=gone.run,
        withdrawn=list(gone.withdrawn),
        sent=list(gone.sent),
    )
