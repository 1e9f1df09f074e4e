"""Pages of freezes: what stands still, stopping something, letting it go on."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from answerable.approvals.lifting import check_may_lift
from answerable.approvals.who.identity import Identity
from answerable.errors import AnswerableError
from answerable.inbox.api.cursors import Id
from answerable.inbox.desk import Desk
from answerable.inbox.entering import desk_of, page_reader
from answerable.inbox.pages.forms import Sent, sent, trouble_of
from answerable.inbox.pages.rendering import page
from answerable.inbox.rights import why_not
from answerable.inbox.stopping import stop
from answerable.orchestrator.documents import handles, target_shown
from answerable.tracing.storage.store import Tx

router = APIRouter(include_in_schema=False)


@router.get("/freezes")
async def list_freezes(
    request: Request, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(page_reader)]
) -> Response:
    """What stands still, and the form that stops something."""
    return await _page(request, desk, who)


@router.post("/freezes")
async def freeze(
    request: Request, desk: Annotated[Desk, Depends(desk_of)], form: Annotated[Sent, Depends(sent)]
) -> Response:
    """Stop something."""
    trouble = await trouble_of(
        stop(desk, form.get("system"), form.get("target"), by=form.who, reason=form.get("reason").strip())
    )
    if trouble is not None:
        return await _page(request, desk, form.who, trouble=trouble, typed=form)
    return RedirectResponse("/freezes", status_code=303)


@router.post("/freezes/{id}/thaw")
async def thaw(
    id: Id, request: Request, desk: Annotated[Desk, Depends(desk_of)], form: Annotated[Sent, Depends(sent)]
) -> Response:
    """Let something go on."""
    trouble = await trouble_of(desk.office.thaw(id, by=form.who, reason=form.get("reason").strip()))
    if trouble is not None:
        return await _page(request, desk, form.who, trouble=trouble)
    return RedirectResponse("/freezes", status_code=303)


async def _page(
    request: Request, desk: Desk, who: Identity, *, trouble: AnswerableError | None = None, typed: Sent | None = None
) -> Response:
    systems = await desk.office.systems()
    standing = [one for system in systems for one in await desk.office.freezes(system)]

    def look(tx: Tx) -> list[dict[str, Any]]:
        names, key = handles(tx), desk.office.key
        return [
            {
                "row": one,
                "target": target_shown(one.target, names),
                "by": names.get(one.by, one.by),
                "not_you": why_not(tx, who.handle, partial(check_may_lift, tx, key, one, at=desk.now)),
            }
            for one in standing
        ]

    found = await desk.office.store.read(look)
    return page(
        request,
        "freezes.html",
        who=who,
        freezes=found,
        systems=systems,
        trouble=trouble,
        typed={name: typed.get(name) if typed else "" for name in ("system", "target", "reason")},
    )
