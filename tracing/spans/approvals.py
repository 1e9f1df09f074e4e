"""The spans of approvals: requests that were edited, votes, and how long a decision was waited for."""

from __future__ import annotations

from collections.abc import Sequence

from answerable.tracing.clock import iso
from answerable.tracing.ledger.placed import Placed
from answerable.tracing.ledger.records.afterwards import DecisionRevoked, Escalated, Reviewed
from answerable.tracing.ledger.records.deciding import PASSED, Decided, RequestMade, RequestWithdrawn
from answerable.tracing.ledger.records.votes import Voted
from answerable.tracing.spans import attributes as key
from answerable.tracing.spans.common import (
    about,
    about_asking,
    about_decision,
    made,
    moment,
    span_of_request,
    where_said,
)
from answerable.tracing.spans.history import RunHistory
from answerable.tracing.spans.span import ERROR, OK, Pair, SpanData


def edited_request(placed: Placed, record: RequestMade, history: RunHistory) -> SpanData:
    """A request about a message that a person edited."""
    pairs = [*about(placed), *about_asking(record)]
    return moment(
        history,
        placed,
        shows="request",
        service=record.approval,
        span=history.span(record.request),
        parent=span_of_request(history.requests.get(record.edited_from), record.step, history),
        name=f"approval {record.approval}",
        pairs=pairs,
    )


def voted(placed: Placed, record: Voted, history: RunHistory) -> SpanData:
    """An answer that waits for others."""
    pairs = [*about(placed), (key.REQUEST, record.subject), (key.REQUEST_DIGEST, record.digest)]
    pairs += [(key.VOTE, record.vote), (key.VOTE_ANSWER, record.answer), (key.VOTED_BY, record.by)]
    pairs += where_said([(key.OPTION, record.option), (key.FOR_PERSON, record.for_person)])
    pairs += [(key.ASSURANCE, record.assurance), *([(key.OWN, (record.by,))] if record.own else [])]
    return moment(
        history,
        placed,
        shows="vote",
        service=record.approval,
        span=history.span(record.vote),
        parent=span_of_request(history.requests.get(record.subject), record.step, history),
        name="vote",
        pairs=pairs,
        status=OK,
    )


def decided(placed: Placed, record: Decided, history: RunHistory) -> SpanData:
    """How long a request waited, and what was answered."""
    pairs = [*about(placed), (key.REQUEST, record.request), (key.REQUEST_DIGEST, record.digest)]
    pairs += about_decision(record)
    if record.message is not None:
        pairs += [(key.MESSAGE, record.message.id), (key.COMMITMENT, record.message.commitment)]
    pairs += where_said([(key.REASON_CODE, record.code), (key.REVIEWED, record.review)])
    if record.review_due:
        pairs.append((key.REVIEW_DUE, iso(record.review_due) or ""))
    late = record.outcome == "expired"
    alarm = "nobody decided in time, which is a no" if late else ""
    if record.broke_glass:
        alarm = "the glass was broken: one person decided alone what others were asked"
    return made(
        history,
        placed,
        shows="decision",
        service=record.approval,
        span=history.span(record.decision),
        parent=span_of_request(history.requests.get(record.request), record.step, history),
        name=f"{record.outcome} by {record.by}" if record.outcome in PASSED else "awaiting a decision",
        start=min(record.asked_at, record.at),
        end=record.at,
        pairs=pairs,
        status=ERROR if alarm else OK,
        message=alarm,
    )


def escalated(placed: Placed, record: Escalated, history: RunHistory) -> SpanData:
    """From here on others may decide as well."""
    pairs = [*about(placed), (key.REQUEST, record.request), (key.STAGE, record.stage), (key.ESCALATED_TO, record.to)]
    return _later(
        history,
        placed,
        record,
        shows="escalation",
        span=history.span(f"escalated {record.request}", record.stage),
        name=f"escalated to {record.to}",
        pairs=pairs,
    )


def reviewed(placed: Placed, record: Reviewed, history: RunHistory) -> SpanData:
    """What a person found who looked at a decision afterwards."""
    pairs = [*about(placed), (key.REQUEST, record.request), (key.DECISION, record.decision)]
    pairs += [(key.REVIEWED, record.of), (key.VERDICT, record.verdict), (key.REVIEW_DUE, iso(record.due) or "")]
    pairs += [(key.DECIDED_BY, record.by), *where_said([(key.ASSURANCE, record.assurance)])]
    wrong = record.verdict == "wrong"
    return _later(
        history,
        placed,
        record,
        shows="review",
        span=history.span(f"reviewed {record.decision}"),
        name="reviewed",
        pairs=pairs,
        alarm="the reviewer found that it was wrong" if wrong else "",
    )


def revoked(placed: Placed, record: DecisionRevoked, history: RunHistory) -> SpanData:
    """What a decision released and was not sent is void."""
    pairs = [*about(placed), (key.REQUEST, record.request), (key.DECISION, record.decision)]
    pairs.append((key.REVOKED, record.cause))
    pairs += where_said(
        [(key.DECIDED_BY, record.by), (key.ASSURANCE, record.assurance), (key.REASON_CODE, record.code)]
    )
    if record.facts:
        pairs.append((key.FACTS_MOVED, record.facts))
    return _later(
        history,
        placed,
        record,
        shows="revocation",
        span=history.span(f"revoked {record.decision}"),
        name="decision revoked",
        pairs=pairs,
    )


def request_withdrawn(placed: Placed, record: RequestWithdrawn, history: RunHistory) -> list[SpanData]:
    """How long a request waited that nobody will answer any more."""
    asked = history.open_requests.get(record.request)
    if asked is None:
        return []
    pairs = [
        *about(placed),
        (key.REQUEST, record.request),
        (key.DECISION_OUTCOME, "withdrawn"),
        (key.REASON, record.reason),
    ]
    return [
        made(
            history,
            placed,
            shows="decision",
            service=record.approval,
            span=history.span(f"withdrawn {record.request}"),
            parent=span_of_request(history.requests.get(record.request), record.step, history),
            name="awaiting a decision",
            start=min(asked.record.at, record.at),
            end=record.at,
            pairs=pairs,
            status=OK,
        )
    ]


def _later(
    history: RunHistory,
    placed: Placed,
    record: Escalated | Reviewed | DecisionRevoked,
    *,
    shows: key.Shows,
    span: int,
    name: str,
    pairs: Sequence[Pair],
    alarm: str = "",
) -> SpanData:
    """A moment that belongs to a request, after it was made; an `alarm` is an error's message."""
    return moment(
        history,
        placed,
        shows=shows,
        service=record.approval,
        span=span,
        parent=span_of_request(history.requests.get(record.request), record.step, history),
        name=name,
        pairs=pairs,
        status=ERROR if alarm else OK,
        message=alarm,
    )
