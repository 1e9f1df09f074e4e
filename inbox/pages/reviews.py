"""The page of reviews: what was decided without those who had been asked, and what somebody found afterwards."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from answerable.approvals.asking.requests import get_request
from answerable.approvals.deciding.decisions import get_decision
from answerable.approvals.deciding.reviewing import check_may_review
from answerable.approvals.deciding.reviews import Review, Verdict
from answerable.approvals.who.identity import Identity
from answerable.errors import AnswerableError
from answerable.inbox.api.cursors import Id
from answerable.inbox.desk import Desk
from answerable.inbox.entering import desk_of, page_reader
from answerable.inbox.pages.forms import Sent, sent, trouble_of
from answerable.inbox.pages.rendering import page
from answerable.inbox.pages.surer import surer
from answerable.inbox.rights import why_not
from answerable.tracing.storage.store import Tx

router = APIRouter(include_in_schema=False)


@router.get("/reviews")
async def list_reviews(
    request: Request, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(page_reader)]
) -> Response:
    """What is to be reviewed."""
    return await _page(request, desk, who)


@router.post("/reviews/{id}")
async def review(
    id: Id, request: Request, desk: Annotated[Desk, Depends(desk_of)], form: Annotated[Sent, Depends(sent)]
) -> Response:
    """Say what you found."""
    verdict, reason = cast(Verdict, form.get("verdict")), form.get("reason").strip()
    trouble = await trouble_of(desk.office.review(id, verdict=verdict, by=form.who, reason=reason))
    if trouble is not None:
        return await _page(request, desk, form.who, trouble=trouble, typed={id: reason})
    return RedirectResponse("/reviews", status_code=303)


async def _page(
    request: Request,
    desk: Desk,
    who: Identity,
    *,
    trouble: AnswerableError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    found = await desk.office.reviews()
    shown = await desk.office.store.read(lambda tx: [_review(tx, desk, one, who) for one in found])
    return page(request, "reviews.html", who=who, reviews=shown, trouble=trouble, typed=typed or {})


def _review(tx: Tx, desk: Desk, one: Review, who: Identity) -> dict[str, Any]:
    """A review, the request that it is about, and whether whoever looks may do it, and is sure enough."""
    decision = get_decision(tx, one.decision)
    asked = decision.request if decision else ""
    not_you = why_not(tx, who.handle, partial(check_may_review, tx, desk.office.key, one, at=desk.now))
    missing = None if not_you else surer(desk, who, get_request(tx, asked).asked, "/reviews")
    return {"row": one, "asked": asked, "not_you": not_you, "surer": missing}
