"""The page of reviews: what was decided without those who had been asked, and what somebody found afterwards."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from answerable.approvals.deciding.reviews import Verdict
from answerable.approvals.who.identity import Identity
from answerable.errors import AnswerableError, NotAuthenticated
from answerable.inbox.api.cursors import Id
from answerable.inbox.desk import Desk
from answerable.inbox.entering import desk_of, page_reader
from answerable.inbox.pages.forms import Sent, sent
from answerable.inbox.pages.rendering import page
from answerable.orchestrator.documents import handles

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
    try:
        await desk.office.review(id, verdict=verdict, by=form.who, reason=reason)
    except NotAuthenticated:
        raise
    except AnswerableError as error:
        return await _page(request, desk, form.who, trouble=error, typed={id: reason})
    return RedirectResponse("/reviews", status_code=303)


async def _page(
    request: Request,
    desk: Desk,
    who: Identity,
    *,
    trouble: AnswerableError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    names, found = await desk.office.store.read(handles), await desk.office.reviews_with_requests()
    return page(
        request,
        "reviews.html",
        who=who,
        reviews=found,
        names=names,
        trouble=trouble,
        typed=typed or {},
    )
