"""The page of delegations: who decides in whose place, until when, and ending it."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from answerable.approvals.voting.delegations import check_may_end
from answerable.approvals.who.identity import Identity
from answerable.errors import AnswerableError
from answerable.inbox.api.cursors import Id
from answerable.inbox.desk import Desk
from answerable.inbox.entering import desk_of, page_reader
from answerable.inbox.pages.forms import Sent, sent, trouble_of
from answerable.inbox.pages.rendering import page
from answerable.inbox.rights import why_not
from answerable.orchestrator.documents import delegation_document, handles
from answerable.tracing.storage.store import Tx

router = APIRouter(include_in_schema=False)


@router.get("/delegations")
async def list_delegations(
    request: Request, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(page_reader)]
) -> Response:
    """Who decides in whose place."""
    return await _page(request, desk, who)


@router.post("/delegations/{delegation}/revocation")
async def revoke_delegation(
    delegation: Id, request: Request, desk: Annotated[Desk, Depends(desk_of)], form: Annotated[Sent, Depends(sent)]
) -> Response:
    """End one at once."""
    trouble = await trouble_of(
        desk.office.people.revoke_delegation(delegation, by=form.who, reason=form.get("reason").strip())
    )
    if trouble is not None:
        return await _page(request, desk, form.who, trouble=trouble)
    return RedirectResponse("/delegations", status_code=303)


async def _page(request: Request, desk: Desk, who: Identity, *, trouble: AnswerableError | None = None) -> Response:
    made = await desk.office.people.delegations()

    def look(tx: Tx) -> list[dict[str, Any]]:
        names = handles(tx)
        return [
            delegation_document(one, names, at=desk.now)
            | {"not_you": why_not(tx, who.handle, partial(check_may_end, tx, one))}
            for one in made
            if one.state(at=desk.now) == "standing"
        ]

    standing = sorted(await desk.office.store.read(look), key=lambda one: one["until"])
    return page(
        request, "delegations.html", who=who, delegations=standing, over=len(made) - len(standing), trouble=trouble
    )
