"""/api/v1/reviews: what was decided without those who had been asked, and is looked at afterwards."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from answerable.approvals.who.identity import Identity
from answerable.approvals.who.signatures import Signed
from answerable.inbox.api.bodies import SignatureGiven, Taken, Text
from answerable.inbox.api.cursors import Id
from answerable.inbox.desk import Desk
from answerable.inbox.entering import actor, desk_of, reader
from answerable.inbox.problems import documented
from answerable.orchestrator.documents import handles, review_document

router = APIRouter(prefix="/reviews", tags=["reviews"])


class ReviewAsked(Taken):
    """What somebody found who looked at a decision afterwards."""

    verdict: Literal["right", "wrong"]
    reason: Text
    signature: SignatureGiven | None = None


class ReviewAnswer(BaseModel):
    """A review: done, due or overdue."""

    id: str
    of: str
    system: str
    approval: str
    run: str
    decision: str
    state: str
    made_at: str
    due: str
    verdict: str
    by: str
    at: str | None


class ReviewList(BaseModel):
    """Reviews; at most 500."""

    reviews: list[ReviewAnswer]


@router.get("", responses=documented())
async def list_reviews(
    desk: Annotated[Desk, Depends(desk_of)], _: Annotated[Identity, Depends(reader)], done: bool = False
) -> ReviewList:
    """The reviews that are due, the soonest first; with `done`, all, the newest first. At most 500."""
    names, found = await desk.office.store.read(handles), await desk.office.reviews(due_only=not done)
    return ReviewList(reviews=[ReviewAnswer(**review_document(one, names, at=desk.now)) for one in found])


@router.post("/{review}/verdict", status_code=201, responses=documented(409))
async def review(
    review: Id, body: ReviewAsked, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(actor)]
) -> ReviewAnswer:
    """Say what you found, as somebody who had no part in the decision."""
    signed = Signed(**body.signature.model_dump()) if body.signature else None
    made = await desk.office.review(review, verdict=body.verdict, by=who, reason=body.reason, signed=signed)
    return ReviewAnswer(**review_document(made, await desk.office.store.read(handles), at=desk.now))
