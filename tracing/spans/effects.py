"""The spans of effects: each sending, what was in doubt, what did not leave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from answerable.tracing.clock import Micros
from answerable.tracing.ledger.placed import Placed
from answerable.tracing.ledger.records.effects import (
    EffectAnswered,
    EffectInDoubt,
    EffectRecord,
    EffectRefused,
    EffectSent,
    EffectSettled,
    EffectWithdrawn,
)
from answerable.tracing.spans import attributes as key
from answerable.tracing.spans.common import about, about_effect, made, moment, where_said
from answerable.tracing.spans.history import RunHistory
from answerable.tracing.spans.span import CLIENT, ERROR, OK, UNSET, Pair, SpanData
from answerable.tracing.spans.steps import attempt_over


def answered(placed: Placed, record: EffectAnswered, history: RunHistory) -> list[SpanData]:
    """A call that was answered, or that certainly never arrived; nothing if it was given up before."""
    if (record.effect, record.attempt) in history.called:
        return []
    failed = record.outcome != "done"
    pairs: list[Pair] = [(key.EFFECT_STATE, record.outcome)]
    if record.status:
        pairs.append((key.STATUS, record.status))
    if failed:
        pairs.append((key.ERROR_TYPE, str(record.status) if record.status else record.outcome))
    error = (record.error or record.outcome) if failed else ""
    return [_call(placed, record, history, attempt=record.attempt, start=record.sent_at, pairs=pairs, error=error)]


def in_doubt(placed: Placed, record: EffectInDoubt, history: RunHistory) -> list[SpanData]:
    """A call that may have happened or not, and the attempt that ends with that."""
    spans: list[SpanData] = []
    if (record.effect, record.attempt) not in history.called:
        pairs: list[Pair] = [(key.EFFECT_STATE, "in-doubt"), (key.ERROR_TYPE, "in-doubt")]
        error = record.error or "nobody knows whether it happened"
        spans.append(
            _call(placed, record, history, attempt=record.attempt, start=record.sent_at, pairs=pairs, error=error)
        )
    return spans + _paused(placed, record, history, [(key.EFFECT_STATE, "in-doubt")])


def _paused(placed: Placed, record: EffectRecord, history: RunHistory, pairs: list[Pair]) -> list[SpanData]:
    """The attempt that was carrying an effect out, and stops until somebody does something about it: no error."""
    running = history.attempt_for(record.effect)
    if running is None:
        return []
    said = [*about_effect(record.effect, record.name, history, state=False), *pairs]
    return [attempt_over(placed, running, history, "paused", shows="effect", pairs=said)]


def unanswered(placed: Placed, effect: str, history: RunHistory) -> list[SpanData]:
    """The span of a call that was sent and never answered, found when it is sent again or when its run ends."""
    sent = history.unanswered.get(effect)
    if sent is None or not isinstance(sent.record, EffectSent):
        return []
    pairs: list[Pair] = [(key.EFFECT_STATE, "unanswered"), (key.ERROR_TYPE, "unanswered")]
    error = "no answer was recorded"
    start, end = sent.record.at, placed.record.at
    return [
        _call(sent, sent.record, history, attempt=sent.record.attempt, start=start, end=end, pairs=pairs, error=error)
    ]


def _call(
    placed: Placed,
    record: EffectRecord,
    history: RunHistory,
    *,
    attempt: int,
    start: Micros,
    pairs: Iterable[Pair],
    error: str,
    end: Micros | None = None,
) -> SpanData:
    """The client's span of one sending, whose context the receiver was given as `traceparent`."""
    prepared = history.prepared.get(record.effect)
    service, parent = history.home_of(record.effect, record.step)
    said = [*about(placed), (key.ATTEMPT, attempt), *about_effect(record.effect, record.name, history, state=False)]
    if prepared is not None and prepared.method:
        server = urlsplit(prepared.origin)
        said += [(key.METHOD, prepared.method), (key.SERVER_ADDRESS, server.hostname or "")]
        if server.port:
            said.append((key.SERVER_PORT, server.port))
    return made(
        history,
        placed,
        shows="call",
        service=service,
        span=history.span(record.effect, attempt),
        parent=parent,
        trace=history.segments.trace_of(history.span(record.effect, attempt)),
        name=prepared.method if prepared is not None and prepared.method else "call",
        kind=CLIENT,
        start=start,
        end=max(start, record.at if end is None else end),
        pairs=[*said, *pairs],
        status=ERROR if error else UNSET,
        message=error,
    )


def settled(placed: Placed, record: EffectSettled, history: RunHistory) -> SpanData:
    """How long a call was in doubt, until a person said what became of it."""
    doubted = history.in_doubt.get(record.effect)
    service, parent = history.home_of(record.effect, record.step)
    start = record.at if doubted is None else min(doubted.record.at, record.at)
    pairs = [*about(placed), (key.EFFECT, record.effect), (key.EFFECT_NAME, record.name)]
    pairs += [(key.EFFECT_STATE, record.outcome), (key.DECIDED_BY, record.by)]
    pairs += where_said([(key.ASSURANCE, record.assurance)])
    return made(
        history,
        placed,
        shows="settlement",
        service=service,
        span=history.span(f"settled {record.effect}", placed.seq),
        parent=parent,
        name="in doubt",
        start=start,
        end=record.at,
        pairs=pairs,
        status=OK,
    )


def withdrawn(placed: Placed, record: EffectWithdrawn, history: RunHistory) -> SpanData:
    """An effect that will not be sent."""
    pairs: list[Pair] = [(key.EFFECT_STATE, "withdrawn"), (key.REASON, record.reason)]
    return _not_sent(placed, record, history, "withdrawn", pairs, OK)


def refused(placed: Placed, record: EffectRefused, history: RunHistory) -> list[SpanData]:
    """A call that was not let through: the attempt that has to wait, or an instant."""
    pairs = where_said([(key.EFFECT_STATE, "refused"), (key.REASON, record.reason), (key.FREEZE, record.freeze)])
    if record.waits and history.attempt_for(record.effect) is not None:
        return _paused(placed, record, history, pairs)
    number = history.refusals.get(record.effect, 0) + 1
    status = OK if record.freeze or record.waits else ERROR
    return [_not_sent(placed, record, history, "refused", pairs, status, number=number)]


def _not_sent(
    placed: Placed,
    record: EffectWithdrawn | EffectRefused,
    history: RunHistory,
    what: str,
    pairs: Sequence[Pair],
    status: int,
    *,
    number: int = 1,
) -> SpanData:
    """A call that did not leave: an instant below the approval that it came from. Without a run, it stands alone."""
    service, parent = history.home_of(record.effect, record.step)
    return moment(
        history,
        placed,
        shows="withheld",
        service=service or record.name,
        span=history.span(f"{what} {record.effect}", number),
        parent=parent if history.start is not None else 0,
        name=f"{what} {record.name}",
        pairs=[*about(placed), *about_effect(record.effect, record.name, history, state=False), *pairs],
        status=status,
        message=record.reason if status == ERROR else "",
    )
