"""Pages of standing rules: how they stand, one rule with all that it says, approving and revoking it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from answerable.approvals.rules.life import why_not
from answerable.approvals.who.identity import Identity
from answerable.errors import AnswerableError, NotAuthenticated, UnknownId
from answerable.inbox.api.cursors import Id
from answerable.inbox.desk import Desk
from answerable.inbox.entering import desk_of, page_reader
from answerable.inbox.pages.forms import Sent, sent
from answerable.inbox.pages.rendering import page
from answerable.orchestrator.documents import handles
from answerable.orchestrator.ruled import (
    REPLAYED,
    replay_document,
    replay_stored,
    rule_document,
    rule_lines,
    tried_document,
    tried_stored,
)
from answerable.tracing.storage.store import Tx

router = APIRouter(include_in_schema=False)


@router.get("/rules")
async def list_rules(
    request: Request, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(page_reader)]
) -> Response:
    """Every version of every rule."""
    lines = await desk.office.store.read(lambda tx: rule_lines(tx, desk.office.key, at=desk.now))
    order = {"proposed": 0, "suspended": 1, "active": 2, "waiting": 3}
    lines.sort(key=lambda one: (order.get(one["state"], 4), one["name"], -one["version"]))
    return page(request, "rules.html", who=who, rules=lines)


@router.get("/rules/{rule}")
async def show_rule(
    rule: Id, request: Request, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(page_reader)]
) -> Response:
    """One rule."""
    return await _page(request, desk, rule, who)


@router.post("/rules/{rule}/approval")
async def approve_rule(
    rule: Id, request: Request, desk: Annotated[Desk, Depends(desk_of)], form: Annotated[Sent, Depends(sent)]
) -> Response:
    """Approve a rule as it was shown."""
    try:
        found = await desk.office.rules.approve(rule, by=form.who, seen=form.get("digest") or "0")
    except (NotAuthenticated, UnknownId):
        raise
    except AnswerableError as error:
        return await _page(request, desk, rule, form.who, trouble=error)
    return RedirectResponse(f"/rules/{found.head.id}", status_code=303)


@router.post("/rules/{rule}/revocation")
async def revoke_rule(
    rule: Id, request: Request, desk: Annotated[Desk, Depends(desk_of)], form: Annotated[Sent, Depends(sent)]
) -> Response:
    """Take a rule's force away."""
    reason = form.get("reason").strip()
    try:
        found = await desk.office.rules.revoke(rule, by=form.who, reason=reason)
    except (NotAuthenticated, UnknownId):
        raise
    except AnswerableError as error:
        return await _page(request, desk, rule, form.who, trouble=error, typed=reason)
    return RedirectResponse(f"/rules/{found.head.id}", status_code=303)


async def _page(
    request: Request,
    desk: Desk,
    rule: str,
    who: Identity,
    *,
    trouble: AnswerableError | None = None,
    typed: str = "",
) -> Response:
    row, key, now = await desk.office.rules.get(rule), desk.office.key, desk.now

    def look(tx: Tx) -> dict[str, Any]:
        return {
            "rule": rule_document(tx, key, row, handles(tx), at=now),
            "replay": replay_document(replay_stored(tx, row, newest=REPLAYED)),
            "replayed": REPLAYED,
            "may_not_approve": why_not(tx, key, row, who.handle, at=now),
            "may_not_revoke": why_not(tx, key, row, who.handle, option="", at=now),
        }

    return page(
        request,
        "rule.html",
        who=who,
        tried=[tried_document(one) for one in tried_stored(row)],
        trouble=trouble,
        typed=typed,
        **await desk.office.store.read(look),
    )
