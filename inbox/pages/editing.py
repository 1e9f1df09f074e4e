"""The page on which a proposal is edited: a form from the message's schema, or the message as JSON."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from answerable.approvals.deciding.answering import Once
from answerable.approvals.deciding.answers import Answer
from answerable.approvals.node import Approval
from answerable.approvals.who.identity import Identity
from answerable.errors import AnswerableError, InvalidMessage, NotAuthenticated, NotSureEnough, StoreCorrupt, UnknownId
from answerable.inbox.api.cursors import Id
from answerable.inbox.deciding import give
from answerable.inbox.desk import Desk
from answerable.inbox.entering import desk_of, page_reader
from answerable.inbox.fields import form as form_for
from answerable.inbox.fields import read_form
from answerable.inbox.pages.forms import Sent, sent
from answerable.inbox.pages.rendering import page, pretty
from answerable.inbox.pages.surer import forget_drafts, keep_draft, kept_draft, surer
from answerable.inbox.showing import RequestShown, shown_to

PLACE = "m:"  # what the names of the message's own fields begin with in the form

router = APIRouter(include_in_schema=False)


@router.get("/requests/{id}/edit")
async def before_editing(
    id: Id,
    request: Request,
    desk: Annotated[Desk, Depends(desk_of)],
    who: Annotated[Identity, Depends(page_reader)],
    whole: bool = False,
) -> Response:
    """The proposal, to be changed; `whole` as JSON."""
    shown, draft = await shown_to(desk, id, who), await kept_draft(desk, who, id, "edit")
    if not draft:
        return _page(request, desk, shown, who, whole=whole)
    form = Sent(who=who, said=draft | {"digest": shown.row.digest, "once": secrets.token_hex(16)})
    return _page(request, desk, shown, who, whole="whole" in draft, typed=_typed(form), sent=form)


@router.post("/requests/{id}/edit")
async def edit(
    id: Id, request: Request, desk: Annotated[Desk, Depends(desk_of)], form: Annotated[Sent, Depends(sent)]
) -> Response:
    """Propose another message. What is wrong is said at its field, and everything that was typed is kept."""
    shown = await shown_to(desk, id, form.who)
    typed = _typed(form)
    whole, reason = "whole" in form.said, form.get("reason").strip()
    wrong: dict[str, str] = {}
    try:
        message, wrong = _message(desk, shown, form, typed, whole=whole)
        if wrong:
            raise InvalidMessage("something that was typed cannot be read", hint="it is marked below")
        said = json.dumps([message, reason, form.get("digest")], sort_keys=True)
        once = Once(key=f"page:{form.get('once')}", fingerprint=sha256(said.encode()).hexdigest())
        answer = Answer(outcome="edited", reason=reason)
        _, made = await give(desk, id, answer, message, by=form.who, seen=form.get("digest"), once=once)
    except (NotAuthenticated, StoreCorrupt, UnknownId):
        raise
    except AnswerableError as error:
        if isinstance(error, NotSureEnough):
            await keep_draft(desk, form.who, id, "edit", form.said)
        return _page(request, desk, shown, form.who, whole=whole, typed=typed, sent=form, wrong=wrong, trouble=error)
    await forget_drafts(desk, form.who, id)
    return RedirectResponse(f"/requests/{made}", status_code=303)


def _typed(form: Sent) -> dict[str, str]:
    """What the message's own fields say."""
    return {name.removeprefix(PLACE): form.get(name) for name in form.said if name.startswith(PLACE)}


def _message(
    desk: Desk, shown: RequestShown, sent: Sent, typed: Mapping[str, str], *, whole: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    fields = None if whole else form_for(_schema(desk, shown), shown.options[0].message, typed)
    if fields is None:
        try:
            found = json.loads(sent.get("json"))
        except (ValueError, RecursionError):
            found = None
        return (found, {}) if isinstance(found, dict) else ({}, {"json": "is no JSON object"})
    message, wrong = read_form(fields, typed)
    return message, wrong


def _page(
    request: Request,
    desk: Desk,
    shown: RequestShown,
    who: Identity,
    *,
    whole: bool,
    typed: Mapping[str, str] | None = None,
    sent: Sent | None = None,
    wrong: Mapping[str, str] | None = None,
    trouble: AnswerableError | None = None,
) -> Response:
    message = shown.options[0].message
    fields = None if whole else form_for(_schema(desk, shown), message, typed)
    return page(
        request,
        "edit.html",
        who=who,
        shown=shown,
        fields=fields,
        place=PLACE,
        typed=typed or {},
        json=sent.get("json") if sent and fields is None else pretty(message),
        reason=sent.get("reason") if sent else "",
        digest=sent.get("digest") if sent else shown.row.digest,
        once=sent.get("once") if sent else secrets.token_hex(16),
        wrong=wrong or {},
        trouble=trouble,
        closed="" if trouble else _closed(desk, shown),
        surer=surer(desk, who, shown.row.asked, f"/requests/{shown.row.id}/edit"),
    )


def _closed(desk: Desk, shown: RequestShown) -> str:
    """Why nothing can be edited, as a sentence; "" if it can."""
    if shown.not_you:
        return f"You cannot edit this: {shown.not_you}."
    if shown.row.state != "open":
        return f"This request is {shown.row.state}, and is not edited any more."
    if shown.frozen:
        return "This request is frozen. It can be edited after the thaw."
    return "The time to decide is over. It counts as a no." if desk.now >= shown.row.expires_at else ""


def _schema(desk: Desk, shown: RequestShown) -> dict[str, Any]:
    """The schema of what the request is about. Raises: VersionGone where the program is not at hand."""
    node = desk.service(shown.row.system).app.graph.nodes.get(shown.row.approval)
    schema: dict[str, Any] = node.of.model_json_schema() if isinstance(node, Approval) else {}
    return schema
