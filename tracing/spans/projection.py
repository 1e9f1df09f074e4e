"""Projection: from a record, and the history of its run, to the spans that a person sees.

1. It is a pure function: the same records give the same spans, in every process, however they are batched.
2. Every crossing of an edge becomes one span, when the step that takes it is recorded, or when the run ends. Nothing
   else makes a span of an edge.
3. A span is made when what it shows is over; nothing is ever changed or ended later.
4. Every span but the run's has a real parent (for runs that waited for long, see `segments.py`). Links lead to spans
   that started earlier: a step never starts before its messages were sent, whatever the machines' clocks say.
5. A pause is no error. A no by a person is none either. Silence until the time is over, a failure, an attempt that
   died, and a call that somebody tried to send without the right, are.
"""

from __future__ import annotations

from collections.abc import Iterable

from answerable.tracing.ledger.placed import Placed
from answerable.tracing.ledger.records.afterwards import DecisionRevoked, Escalated, Reviewed
from answerable.tracing.ledger.records.deciding import Decided, RequestMade, RequestWithdrawn
from answerable.tracing.ledger.records.effects import (
    EffectAnswered,
    EffectInDoubt,
    EffectRefused,
    EffectSent,
    EffectSettled,
    EffectWithdrawn,
)
from answerable.tracing.ledger.records.runs import RunContinued, RunEnded, RunReopened, RunRested
from answerable.tracing.ledger.records.steps import Crossed, StepFinished, StepStarted, UndeclaredEgress
from answerable.tracing.ledger.records.votes import Voted
from answerable.tracing.spans import attributes as key
from answerable.tracing.spans import checked
from answerable.tracing.spans.approvals import (
    decided,
    edited_request,
    escalated,
    request_withdrawn,
    reviewed,
    revoked,
    voted,
)
from answerable.tracing.spans.common import about, made, moment, where_said
from answerable.tracing.spans.effects import answered, in_doubt, refused, settled, unanswered, withdrawn
from answerable.tracing.spans.history import RunHistory
from answerable.tracing.spans.span import ERROR, OK, UNSET, SpanData, check
from answerable.tracing.spans.steps import END, dead, edge, egress, step_finished


def project(placed: Placed, history: RunHistory) -> list[SpanData]:
    """The spans of the next record of a run. `history` holds its earlier records, and is not changed."""
    spans = history.segments.settle(_project(placed, history))
    if checked.FILE:
        for span in spans:
            check(span)
    return spans


def follow(placed: Placed, history: RunHistory) -> list[SpanData]:
    """The spans of the next record of a run, which `history` has taken in then."""
    spans = project(placed, history)
    history.add(placed)
    history.segments.note(spans)
    return spans


def catch_up(placed: Placed, history: RunHistory) -> None:
    """Take a record in whose spans were made already, by another process."""
    if history.segments.after:
        follow(placed, history)
    else:
        history.add(placed)


def _project(placed: Placed, history: RunHistory) -> list[SpanData]:
    match placed.record:
        case StepFinished() as record:
            return step_finished(placed, record, history)
        case StepStarted() as record:
            return dead(placed, history.running.get(record.step), history, record.after)
        case RequestMade() as record if record.edited_from:
            return [edited_request(placed, record, history)]
        case Voted() as record:
            return [voted(placed, record, history)]
        case Decided() as record:
            return [decided(placed, record, history)]
        case Escalated() as record:
            return [escalated(placed, record, history)]
        case Reviewed() as record:
            return [reviewed(placed, record, history)]
        case DecisionRevoked() as record:
            return [revoked(placed, record, history)]
        case RequestWithdrawn() as record:
            return request_withdrawn(placed, record, history)
        case EffectSent() as record:
            return unanswered(placed, record.effect, history)
        case EffectAnswered() as record:
            return answered(placed, record, history)
        case EffectInDoubt() as record:
            return in_doubt(placed, record, history)
        case EffectSettled() as record:
            return [settled(placed, record, history)]
        case EffectWithdrawn() as record:
            return [withdrawn(placed, record, history)]
        case EffectRefused() as record:
            return refused(placed, record, history)
        case UndeclaredEgress() as record:
            return [egress(placed, record, history)]
        case RunRested() as record:
            return _rested(placed, record, history)
        case RunEnded() as record:
            return _ended(placed, record, history)
        case RunReopened() as record:
            return [_reopened(placed, record, history)]
        case _:
            return []


def project_all(records: Iterable[Placed], histories: dict[str, RunHistory] | None = None) -> list[SpanData]:
    """The spans of records, in the order of their places. Records of no run have none."""
    histories = {} if histories is None else histories
    spans: list[SpanData] = []
    for placed in records:
        run = placed.record.run
        if run:
            history = histories.get(run) or histories.setdefault(run, RunHistory(run))
            spans += follow(placed, history)
    return spans


def span_count(records: Iterable[Placed]) -> int:
    """How many spans records have."""
    return len(project_all(records))


def _rested(placed: Placed, record: RunRested, history: RunHistory) -> list[SpanData]:
    spans = _run(placed, history, "waiting", "")
    for target in record.frozen:
        if target not in history.frozen:
            spans.append(
                moment(
                    history,
                    placed,
                    shows="frozen",
                    service=record.system,
                    span=history.span(f"frozen {target}", history.rests + 1),
                    parent=history.root,
                    name=f"frozen {target}",
                    pairs=[*about(placed), (key.FROZEN, target)],
                    status=OK,
                )
            )
    return spans


def _ended(placed: Placed, record: RunEnded, history: RunHistory) -> list[SpanData]:
    failed = record.status in ("failed", "stuck")
    message = (record.detail or record.status) if failed else ""
    spans = _run(placed, history, record.status, message) or [
        moment(
            history,
            placed,
            shows="ended",
            service=record.system,
            span=history.span("ended", history.ends + 1),
            parent=history.root,
            name=f"run {record.status}",
            pairs=[*about(placed), (key.RUN_STATUS, record.status)],
            status=ERROR if failed else UNSET,
            message=message,
        )
    ]
    for running in history.running.values():
        spans += dead(placed, running, history)
    for effect in history.unanswered:
        spans += unanswered(placed, effect, history)
    for waiting in history.waiting.values():
        assert isinstance(waiting.record, Crossed)
        leftover = waiting.record.target != END
        spans.append(edge(waiting, history, end=record.at, host=history.host, leftover=leftover))
    return spans


def _run(placed: Placed, history: RunHistory, status: str, message: str) -> list[SpanData]:
    """The run's own span, when it rests or ends for the first time, or for the first time after a long wait."""
    start, segments = history.start, history.segments
    if start is None or segments.shown:
        return []
    started_by = getattr(start.record, "started_by", "")
    opening = segments.opening or start
    pairs = [*about(opening), (key.RUN_STATUS, status), (key.APP_VERSION, history.version), (key.USER, started_by)]
    system = start.record.system
    pairs += [(key.OPERATION, "invoke_workflow"), (key.WORKFLOW, system), (key.CONVERSATION, history.run)]
    if isinstance(opening.record, RunContinued):
        pairs += [(key.SEGMENT, opening.record.segment), (key.WAITED, opening.record.waited)]
    return [
        made(
            history,
            opening,
            shows="run",
            service=system,
            span=history.root,
            parent=0,
            name=f"invoke_workflow {system}",
            start=opening.record.at,
            end=max(opening.record.at, placed.record.at),
            pairs=pairs,
            elsewhere=segments.before,
            status=ERROR if message else UNSET,
            message=message,
        )
    ]


def _reopened(placed: Placed, record: RunReopened, history: RunHistory) -> SpanData:
    return moment(
        history,
        placed,
        shows="reopened",
        service=record.system,
        span=history.span("reopened", history.reopened + 1),
        parent=history.root,
        name="run reopened",
        pairs=[*about(placed), (key.DECIDED_BY, record.by), *where_said([(key.ASSURANCE, record.assurance)])],
    )
