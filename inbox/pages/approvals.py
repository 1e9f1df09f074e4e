"""The page of approvals: by which rules each asks, what is proposed instead, what passes unasked; accepting these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from answerable.approvals.who.identity import Identity
from answerable.errors import AnswerableError
from answerable.inbox.desk import Desk
from answerable.inbox.entering import desk_of, page_reader
from answerable.inbox.exempting import accept_as_shown, exemptions_of
from answerable.inbox.pages.forms import Sent, sent, trouble_of
from answerable.inbox.pages.rendering import page
from answerable.inbox.rights import why_not
from answerable.orchestrator.accepted import approval_document
from answerable.orchestrator.documents import handles
from answerable.tracing.people import check_responsible
from answerable.tracing.storage.store import Tx

router = APIRouter(include_in_schema=False)


@router.get("/approvals")
async def list_approvals(
    request: Request, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(page_reader)]
) -> Response:
    """Every approval."""
    return await _page(request, desk, who)


@router.post("/approvals")
async def accept_approval(
    request: Request, desk: Annotated[Desk, Depends(desk_of)], form: Annotated[Sent, Depends(sent)]
) -> Response:
    """Accept what was shown."""
    system, approval, digest = (form.get(name) for name in ("system", "approval", "digest"))
    trouble = await trouble_of(desk.office.accept_approval(system, approval, by=form.who, digest=digest or "0"))
    if trouble is not None:
        return await _page(request, desk, form.who, trouble=trouble)
    return RedirectResponse("/approvals", status_code=303)


@router.post("/approvals/refusal")
async def decline_approval(
    request: Request, desk: Annotated[Desk, Depends(desk_of)], form: Annotated[Sent, Depends(sent)]
) -> Response:
    """Say no to what was shown."""
    system, approval, digest = (form.get(name) for name in ("system", "approval", "digest"))
    reason = form.get("reason").strip()
    trouble = await trouble_of(
        desk.office.decline_approval(system, approval, by=form.who, reason=reason, digest=digest or "0")
    )
    if trouble is not None:
        return await _page(request, desk, form.who, trouble=trouble, typed={digest: reason})
    return RedirectResponse("/approvals", status_code=303)


@router.post("/approvals/exemption")
async def accept_exemption(
    request: Request, desk: Annotated[Desk, Depends(desk_of)], form: Annotated[Sent, Depends(sent)]
) -> Response:
    """Let what was shown pass."""
    system, approval, exemption = (form.get(name) for name in ("system", "approval", "exemption"))
    trouble = await trouble_of(accept_as_shown(desk, system, approval, exemption or "@", who=form.who))
    if trouble is not None:
        return await _page(request, desk, form.who, trouble=trouble)
    return RedirectResponse("/approvals", status_code=303)


async def _page(
    request: Request,
    desk: Desk,
    who: Identity,
    *,
    trouble: AnswerableError | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    names, found = await desk.office.store.read(handles), await desk.office.approvals()
    exemptions = await exemptions_of(desk)
    lines = [approval_document(one, names) for one in found]
    lines.sort(key=lambda one: (all(new["declined"] for new in one["proposed"]), one["system"], one["approval"]))
    not_you = await desk.office.store.read(lambda tx: _not_you(tx, {one.system for one in found}, who.handle))
    shown: dict[str, Any] = {"approvals": lines, "exemptions": exemptions, "typed": typed or {}, "not_you": not_you}
    return page(request, "approvals.html", who=who, trouble=trouble, **shown)


def _not_you(tx: Tx, systems: Iterable[str], reader: str) -> dict[str, str]:
    """Why whoever looks may not accept anything of these systems, "" where they may."""
    return {name: why_not(tx, reader, partial(check_responsible, tx, name, what="it")) for name in systems}
