"""/api/v1/decisions: one answer to many requests that ask the same, and taking a decision back."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel, Field, StringConstraints

from answerable.approvals.deciding.answering import Once
from answerable.approvals.deciding.answers import Answer
from answerable.approvals.deciding.decisions import Decision
from answerable.approvals.grouping import MOST_TOGETHER
from answerable.approvals.voting.votes import Vote
from answerable.approvals.who.identity import Identity
from answerable.errors import AnswerableError, InvalidInput
from answerable.inbox.api.answers import DecisionAnswer, VoteAnswer
from answerable.inbox.api.bodies import Code, Digest, Name, Taken, Text
from answerable.inbox.api.cursors import Id
from answerable.inbox.api.requests import decision, fingerprint
from answerable.inbox.desk import Desk
from answerable.inbox.entering import actor, charge, desk_of
from answerable.inbox.problems import Problem, document_of, documented
from answerable.orchestrator.documents import handles, vote_document
from answerable.orchestrator.together import Told, answer_together

router = APIRouter(prefix="/decisions", tags=["decisions"])


class Shown(Taken):
    """A request, and the digest of what was shown of it."""

    id: Name
    digest: Digest


class AnswerAll(Taken):
    """One answer to requests that ask the same."""

    answer: Literal["approve", "reject"]
    option: Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f]*$")] = Field(
        default="", description="Which option is chosen, to approve."
    )
    reason: Text = ""
    requests: Annotated[list[Shown], Field(min_length=1, max_length=MOST_TOGETHER)]


class RevokeAsked(Taken):
    """Take a decision back: a code of the list, and why in words."""

    code: Code
    reason: Text


class RevokedAnswer(BaseModel):
    """What was voided: the calls (effects) that were withdrawn, and those that had left before."""

    decision: str
    request: str
    run: str
    withdrawn: list[str]
    sent: list[str]


class OneOfAll(BaseModel):
    """What became of one request: its decision, a vote where it takes others besides, or the problem."""

    request: str
    decision: DecisionAnswer | None
    vote: VoteAnswer | None
    missing: str
    problem: Problem | None


class DecidedAll(BaseModel):
    """What became of each, in the order in which they were decided."""

    results: list[OneOfAll]


@router.post("", responses=documented(409))
async def decide_all(
    request: Request,
    body: AnswerAll,
    desk: Annotated[Desk, Depends(desk_of)],
    who: Annotated[Identity, Depends(actor)],
    key: Annotated[str | None, Header(alias="Idempotency-Key", pattern="^[!-~]{1,100}$")] = None,
) -> DecidedAll:
    """Give one answer to requests that ask the same: each is decided for itself, and what became of it is told.

    Requests that differ in more than ids, keys and times are refused, and nothing is decided.
    """
    digests = {one.id: one.digest for one in body.requests}
    if len(digests) != len(body.requests):
        raise InvalidInput("a request is named twice", hint="name each once")
    approve = body.answer == "approve"
    given = Answer(outcome="approved" if approve else "rejected", option=body.option, reason=body.reason)
    once = Once(key=key, fingerprint=fingerprint(body)) if key else None
    charge(request, who, len(digests) - 1)  # one was taken as it came in
    told = await answer_together(desk.office, digests, given, by=who, once=once)
    names = await desk.office.store.read(handles)
    return DecidedAll(results=[_one(one, names) for one in told])


@router.post("/{decision}/revocation", status_code=201, responses=documented(409))
async def revoke(
    decision: Id, body: RevokeAsked, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(actor)]
) -> RevokedAnswer:
    """Make void what a decision released and was not sent. Where nothing was sent, it is asked anew."""
    gone = await desk.office.revoke(decision, code=body.code, by=who, reason=body.reason)
    return RevokedAnswer(
        decision=gone.decision,
        request=gone.request,
        run=gone.run,
        withdrawn=list(gone.withdrawn),
        sent=list(gone.sent),
    )


def _one(told: Told, names: dict[str, str]) -> OneOfAll:
    refused: AnswerableError | None = told.refused
    vote = told.given if isinstance(told.given, Vote) else None
    return OneOfAll(
        request=told.request,
        decision=decision(told.given, names) if isinstance(told.given, Decision) else None,
        vote=VoteAnswer(**vote_document(vote, names)) if vote else None,
        missing=vote.missing if vote else "",
        problem=document_of(refused) if refused else None,
    )
