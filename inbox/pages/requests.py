"""Pages of requests: the inbox, one request with its options and calls, and the answer to it."""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from answerable.approvals.asking.listing import count_requests, page_of_requests
from answerable.approvals.deciding.answering import Once
from answerable.approvals.deciding.answers import Answer
from answerable.approvals.deciding.budgets import decided_lately
from answerable.approvals.deciding.reasons import CODES
from answerable.approvals.grouping import MOST_TOGETHER
from answerable.approvals.node import RESPONSE
from answerable.approvals.who.identity import Identity
from answerable.errors import AnswerableError, InvalidInput, NotAuthenticated, NotSureEnough, StoreCorrupt, UnknownId
from answerable.inbox.api.cursors import Cursor, Filter, Id, cursor_of
from answerable.inbox.comparing import compare
from answerable.inbox.deciding import give
from answerable.inbox.desk import Desk
from answerable.inbox.entering import charge, desk_of, page_reader
from answerable.inbox.lines import Line, lines
from answerable.inbox.pages.forms import Sent, sent
from answerable.inbox.pages.rendering import page
from answerable.inbox.pages.surer import forget_drafts, keep_draft, kept_draft, surer
from answerable.inbox.pages.wrong import place_in_list
from answerable.inbox.paths import path_to
from answerable.inbox.showing import shown_to
from answerable.orchestrator.documents import handles
from answerable.orchestrator.together import Told, answer_together
from answerable.tracing.people import find_person
from answerable.tracing.storage.store import Tx

PAGE_ROWS: Final = 50
TO_ALL: Final = "all:"  # before an answer that is given to all that ask the same
_KINDS: Final[dict[str, tuple[type, ...]]] = {"deadline": (int, str), "tier": (int, int, str)}

router = APIRouter(include_in_schema=False)


@router.get("/")
async def home(_: Annotated[Identity, Depends(page_reader)]) -> Response:
    """The inbox is the first page."""
    return RedirectResponse("/requests", status_code=303)


@router.get("/requests")
async def list_requests(
    request: Request,
    desk: Annotated[Desk, Depends(desk_of)],
    who: Annotated[Identity, Depends(page_reader)],
    state: Literal["open", "decided", "expired", "withdrawn", "superseded", "all"] = "open",
    system: Filter = "",
    sort: Literal["tier", "deadline"] = "tier",
    cursor: Cursor = "",
) -> Response:
    """The inbox."""
    where = place_in_list(cursor, sort, _KINDS[sort])

    def look(tx: Tx) -> tuple[list[Line], str | None, int]:
        of_state = "" if state == "all" else state
        grouped = state == "open"
        found = page_of_requests(
            tx, state=of_state, system=system, grouped=grouped, sort=sort, after=where, most=PAGE_ROWS
        )
        rows = lines(tx, found.rows, handles(tx), grouped=grouped)
        return rows, cursor_of(sort, found.after), count_requests(tx, state="open")

    await desk.office.escalate_due()
    rows, following, count = await desk.office.store.read(look)
    values: dict[str, Any] = {
        "rows": rows,
        "next": following,
        "count": count,
        "state": state,
        "system": system,
        "sort": sort,
    }
    return page(request, "requests.html", who=who, first=not cursor, **values)


@router.get("/requests/{id}")
async def one_request(
    id: Id, request: Request, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(page_reader)]
) -> Response:
    """One request, whole."""
    return await request_page(request, desk, id, who)


@router.get("/requests/{id}/calls/{effect}")
async def one_call(
    id: Id, effect: Id, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(page_reader)]
) -> Response:
    """The body of one call, to the byte, as a file."""
    shown = await shown_to(desk, id, who)
    for option in shown.options:
        for call in option.calls:
            if call.id == effect:
                headers = {"Content-Disposition": f'attachment; filename="{effect}.bin"'}
                return Response(bytes(call.body), media_type="application/octet-stream", headers=headers)
    raise UnknownId(f"request {id} has no call {effect}")


@router.post("/requests/{id}/decisions")
async def decide(
    id: Id, request: Request, desk: Annotated[Desk, Depends(desk_of)], form: Annotated[Sent, Depends(sent)]
) -> Response:
    """Answer a request, as the button says. What cannot be done is said on the page, and what was typed is kept."""
    kind, _, option = form.get("answer").removeprefix(TO_ALL).partition(":")
    to_all = form.get("answer").startswith(TO_ALL)
    reason, whom = form.get("reason").strip(), form.get("for_person")
    answers = {
        "approve": Answer(outcome="approved", option=option, reason=reason, for_person=whom),
        "reject": Answer(outcome="rejected", reason=reason, for_person=whom),
        "respond": Answer(outcome="answered", reason=reason),
    }
    try:
        if kind not in answers or not form.get("digest"):
            raise InvalidInput("the form did not say how it is answered", hint="press one of the buttons")
        key, given = form.get("once"), answers[kind]
        fingerprint = sha256(f"{kind}\0{option}\0{whom}\0{reason}\0{form.get('digest')}".encode()).hexdigest()
        once = Once(key=f"page:{key}", fingerprint=fingerprint) if key else None
        if to_all:
            alike = _shown_alike(form.get("alike"))
            charge(request, form.who, min(len(alike), MOST_TOGETHER) - 1)  # one was taken as it came in
            told = await answer_together(desk.office, alike, given, by=form.who, once=once)
            return await _together_page(request, desk, id, form.who, told)
        await give(desk, id, given, by=form.who, seen=form.get("digest"), once=once)
    except (NotAuthenticated, StoreCorrupt, UnknownId):
        raise
    except NotSureEnough as error:
        await keep_draft(desk, form.who, id, "answer", {"reason": reason})
        return await request_page(request, desk, id, form.who, trouble=error, reason=reason)
    except AnswerableError as error:
        return await request_page(request, desk, id, form.who, trouble=error, reason=reason, for_person=whom)
    await forget_drafts(desk, form.who, id)
    return RedirectResponse(f"/requests/{id}", status_code=303)


@router.post("/requests/{id}/glass")
async def break_glass(
    id: Id, request: Request, desk: Annotated[Desk, Depends(desk_of)], form: Annotated[Sent, Depends(sent)]
) -> Response:
    """Break the glass."""
    code, reason = form.get("code"), form.get("reason").strip()
    answer = Answer(outcome="approved", option=form.get("option"), reason=reason, code=code, break_glass=True)
    try:
        await give(desk, id, answer, by=form.who, seen=form.get("digest"))
    except (NotAuthenticated, StoreCorrupt, UnknownId):
        raise
    except AnswerableError as error:
        return await request_page(request, desk, id, form.who, trouble=error, back=(code, reason))
    return RedirectResponse(f"/requests/{id}", status_code=303)


@router.post("/requests/{id}/revocation")
async def take_back(
    id: Id, request: Request, desk: Annotated[Desk, Depends(desk_of)], form: Annotated[Sent, Depends(sent)]
) -> Response:
    """Take the decision on a request back."""
    code, reason = form.get("code"), form.get("reason").strip()
    try:
        await desk.office.revoke(form.get("decision"), code=code, by=form.who, reason=reason)
    except (NotAuthenticated, StoreCorrupt, UnknownId):
        raise
    except AnswerableError as error:
        return await request_page(request, desk, id, form.who, trouble=error, back=(code, reason))
    return RedirectResponse(f"/requests/{id}", status_code=303)


async def request_page(
    request: Request,
    desk: Desk,
    id: str,
    who: Identity,
    *,
    trouble: AnswerableError | None = None,
    reason: str = "",
    for_person: str = "",
    back: tuple[str, str] = ("", ""),
) -> Response:
    """The page of one request, with what went wrong when it was answered."""
    await desk.office.escalate_due()
    shown = await shown_to(desk, id, who)
    before = await shown_to(desk, shown.row.edited_from, who) if shown.row.edited_from else None
    draft = {} if trouble else await kept_draft(desk, who, id, "answer")
    service = desk.services.get(shown.row.system)
    lately = await desk.office.store.read(lambda tx: _decided_lately(tx, who.handle, desk.now))
    led_here = await desk.office.store.read(lambda tx: path_to(tx, shown.row))
    return page(
        request,
        "request.html",
        who=who,
        shown=shown,
        led_here=led_here,
        comparison=compare(shown, before),
        trouble=trouble,
        for_person=for_person,
        after=shown.after,
        codes=CODES,
        typed_code=back[0],
        back_reason=back[1],
        reason=draft.get("reason", reason),
        kept=bool(draft),
        surer=surer(desk, who, shown.row.asked, f"/requests/{id}#answer"),
        once=secrets.token_hex(16),
        editable=service is not None,
        answerable=service is not None and bool(service.app.graph.outgoing(shown.row.approval, RESPONSE)),
        overdue=desk.now >= shown.row.expires_at,
        budget=desk.office.budget if 0 < desk.office.budget <= lately else 0,
        lately=lately,
    )


async def _together_page(request: Request, desk: Desk, id: str, who: Identity, told: list[Told]) -> Response:
    """What became of each request of a group."""
    names = await desk.office.store.read(handles)
    made = sum(one.refused is None for one in told)
    return page(request, "together.html", who=who, id=id, told=told, made=made, names=names)


def _shown_alike(said: str) -> dict[str, str]:
    """What a page showed of a group: each request's digest by its id. Raises: InvalidInput."""
    pairs = [pair.partition(":") for pair in said.split()]
    if not pairs or not all(id and digest for id, _, digest in pairs):
        raise InvalidInput("the form did not say which requests it answers", hint="reload the page and try again")
    return {id: digest for id, _, digest in pairs}


def _decided_lately(tx: Tx, handle: str, at: int) -> int:
    person = find_person(tx, handle)
    return decided_lately(tx, person.id, at=at) if person else 0
