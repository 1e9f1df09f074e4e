"""/api/v1/requests: what people are asked, and how they answer."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from answerable.agents.texts import plain
from answerable.approvals.asking.listing import ChangedRequest, Sort, page_of_requests, short_tier
from answerable.approvals.asking.requests import RequestRow
from answerable.approvals.deciding.answering import Once
from answerable.approvals.deciding.answers import Answer
from answerable.approvals.deciding.decisions import Decision
from answerable.approvals.gate import EffectRow
from answerable.approvals.grouping import count_alike
from answerable.approvals.voting.votes import Vote
from answerable.approvals.who.identity import Identity
from answerable.approvals.who.signatures import Signed, digest_of_message
from answerable.inbox.api.answers import (
    CallAnswer,
    Decided,
    DecisionAnswer,
    EscalationAnswer,
    FactAnswer,
    OptionAnswer,
    RequestAnswer,
    RequestLine,
    RequestList,
    VoteAnswer,
)
from answerable.inbox.api.bodies import AnyAnswer, Approve, BreakGlass, Edit, Reject
from answerable.inbox.api.cursors import AnswersName, Cursor, Filter, Id, Limit, after, cursor_of
from answerable.inbox.api.links import FROM_DECISION, FROM_REQUEST, FROM_REQUESTS
from answerable.inbox.deciding import give
from answerable.inbox.desk import Desk
from answerable.inbox.entering import actor, desk_of, reader
from answerable.inbox.problems import documented
from answerable.inbox.showing import RequestShown, show_request
from answerable.orchestrator.documents import decision_document, handles, request_document, vote_document
from answerable.tracing.clock import iso
from answerable.tracing.freezes import frozen_for_show
from answerable.tracing.storage.store import Tx

State = Literal["open", "decided", "expired", "withdrawn", "superseded", "all"]
KINDS: dict[str, tuple[type, ...]] = {"deadline": (int, str), "tier": (int, int, str)}

router = APIRouter(prefix="/requests", tags=["requests"])


@router.get("", responses=documented(links=FROM_REQUESTS))
async def list_requests(
    desk: Annotated[Desk, Depends(desk_of)],
    _: Annotated[Identity, Depends(reader)],
    state: State = "open",
    system: Filter = "",
    run: Filter = "",
    alike: Filter = "",
    grouped: bool = False,
    sort: Sort = "tier",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> RequestList:
    """Requests: first those in which the most critical tier goes short, or those with the soonest deadline.

    Grouped, open requests that ask the same are one, with their count; `alike` lists those of one group.
    """
    where = after(cursor, sort, KINDS[sort])
    wanted: dict[str, Any] = {"state": "" if state == "all" else state, "system": system, "run": run, "sort": sort}
    await desk.office.escalate_due()
    wanted |= {"alike": alike, "grouped": grouped and state == "open"}

    def look(tx: Tx) -> RequestList:
        page = page_of_requests(tx, **wanted, after=where, most=limit)
        counts = [count_alike(tx, row.alike) if grouped and isinstance(row, RequestRow) else 1 for row in page.rows]
        return RequestList(
            requests=[
                line(row, frozen_for_show(tx, row.system)).model_copy(update={"count_alike": count})
                for row, count in zip(page.rows, counts, strict=True)
            ],
            next=cursor_of(sort, page.after),
        )

    return await desk.office.store.read(look)


@router.get("/{request}", responses=documented(links=FROM_REQUEST))
async def get_request(
    request: Id, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(reader)]
) -> RequestAnswer:
    """One request, exactly as it is bound: its options side by side, and each call as the bytes that would be sent."""
    key = desk.office.key
    await desk.office.escalate_due()

    def look(tx: Tx) -> RequestAnswer:
        return answer(show_request(tx, key, request, reader=who.handle, at=desk.now), handles(tx))

    return await desk.office.store.read(look)


@router.post("/{request}/decisions", status_code=201, responses=documented(409, links=FROM_DECISION, on=201))
async def decide(
    request: Id,
    body: AnyAnswer,
    response: Response,
    desk: Annotated[Desk, Depends(desk_of)],
    who: Annotated[Identity, Depends(actor)],
    key: AnswersName = None,
) -> Decided:
    """Answer a request, once. With an Idempotency-Key the same answer may be sent again: it gives the same decision."""
    once = Once(key=key, fingerprint=fingerprint(body)) if key else None
    if isinstance(body, BreakGlass):
        given = Answer(outcome="approved", option=body.option, reason=body.reason, code=body.code, break_glass=True)
        message = None
    elif isinstance(body, Approve):
        yes = Answer(outcome="approved", option=body.option, reason=body.reason, for_person=body.for_person)
        given, message = yes, None
    elif isinstance(body, Reject):
        no = Answer(outcome="rejected", code=body.code, reason=body.reason, for_person=body.for_person)
        given, message = no, None
    elif isinstance(body, Edit):
        given, message = Answer(outcome="edited", reason=body.reason), body.message
    else:
        given, message = Answer(outcome="answered", reason=body.text), None
    if body.signature is not None:
        proposes = digest_of_message(body.message) if isinstance(body, Edit) else ""
        given = replace(given, signed=Signed(**body.signature.model_dump()), proposes=proposes)
    made, edited_into = await give(desk, request, given, message, by=who, seen=body.digest, once=once)
    response.headers["Location"] = f"/api/v1/requests/{edited_into or request}"
    names = await desk.office.store.read(handles)
    if isinstance(made, Vote):
        vote = VoteAnswer(**vote_document(made, names))
        return Decided(decision=None, vote=vote, missing=made.missing, run=made.run)
    return Decided(decision=decision(made, names), run=made.run, edited_into=edited_into)


def line(row: RequestRow | ChangedRequest, frozen: frozenset[str]) -> RequestLine:
    """A request in a list, where these targets of its system are frozen."""
    if isinstance(row, ChangedRequest):
        return RequestLine(id=row.id, run=row.run, system=row.system, approval=row.approval, state="changed")
    return RequestLine(
        **request_document(row, frozen),
        system=row.system,
        short_tier=short_tier(row.view),
        alike=row.alike,
    )


def answer(shown: RequestShown, names: dict[str, str]) -> RequestAnswer:
    """One request, whole."""
    return RequestAnswer(
        **{**line(shown.row, frozenset()).model_dump(), "frozen": shown.frozen},
        body=shown.row.body,
        tiers=list(shown.tiers),
        option_details=[
            OptionAnswer(
                name=one.name,
                message=dict(one.message),
                tiers=dict(one.tiers),
                inversions=one.inversions,
                calls=[_call(call) for call in one.calls],
                value=one.value,
                asks=one.asks,
                trouble_with_value=one.trouble,
            )
            for one in shown.options
        ],
        trouble_with_options=plain(shown.trouble),
        responsible=shown.responsible,
        started_by=shown.started_by,
        edited_by=shown.edited_by,
        edited_into=shown.edited_into,
        escalations=[
            EscalationAnswer(at=iso(one.at) or "", to=one.to, in_force=one.stands) for one in shown.after.stages
        ],
        facts=[FactAnswer(name=one.name, now=one.now, was=one.was) for one in shown.after.facts],
        asked_anew=shown.after.anew,
        execute_by=iso(shown.after.execute_by),
        votes=[VoteAnswer(**vote) for vote in shown.ballot["votes"]],
        missing=shown.ballot["missing"],
        missing_to_deny=shown.ballot["missing_to_deny"],
        not_you=shown.not_you,
        decision=decision(shown.decision, names) if shown.decision else None,
    )


def decision(made: Decision, names: dict[str, str]) -> DecisionAnswer:
    """A decision."""
    return DecisionAnswer(**decision_document(made, names))


def fingerprint(body: BaseModel) -> str:
    """What tells one answer from another: SHA-256 over all that it says."""
    return sha256(json.dumps(body.model_dump(), sort_keys=True).encode()).hexdigest()


def _call(call: EffectRow) -> CallAnswer:
    body = bytes(call.body)
    try:
        text: str | None = body.decode()
    except UnicodeDecodeError:
        text = None
    return CallAnswer(
        effect=call.id,
        name=call.name,
        receiver=call.receiver,
        guarantee=call.guarantee,
        method=call.method,
        url=call.origin + call.path,
        content_type=call.content_type,
        body_base64=b64encode(body).decode(),
        body_text=text,
        idempotency_key=call.idempotency_key,
        digest=call.call_digest,
        state=call.state,
    )
