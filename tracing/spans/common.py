"""What the spans of every kind of record share: ids, times and the attributes that say where a fact stands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from answerable.tracing.clock import Micros, iso
from answerable.tracing.ledger.placed import Placed
from answerable.tracing.ledger.records.deciding import PASSED, Decided, RequestMade
from answerable.tracing.spans import attributes as key
from answerable.tracing.spans.history import RunHistory
from answerable.tracing.spans.span import INSTANT, INTERNAL, UNSET, Origin, Pair, SpanData


def made(
    history: RunHistory,
    placed: Placed,
    *,
    shows: key.Shows,
    service: str,
    span: int,
    parent: int,
    name: str,
    start: Micros,
    end: Micros,
    pairs: Sequence[Pair],
    kind: int = INTERNAL,
    links: Sequence[int] = (),
    status: int = UNSET,
    message: str = "",
    host: str = "",
    trace: int = 0,
    elsewhere: Sequence[tuple[int, int]] = (),
) -> SpanData:
    """A span of `placed`, in the service `service`, with the machine of `host` or of the record.

    It is in the trace that the run is in, unless another is named; `elsewhere` are links into other traces.
    What has no duration gets a microsecond: Jaeger takes a span that ends when it starts for a mistake.
    """
    record = placed.record
    end = max(end, start + INSTANT)
    origin = Origin(record.system, service, host or getattr(record, "host", "") or history.host)
    return SpanData(
        origin,
        history.run,
        trace or history.trace,
        span,
        parent,
        name,
        shows,
        kind,
        start,
        end,
        pairs,
        links,
        status,
        message,
        elsewhere,
    )


def moment(
    history: RunHistory,
    placed: Placed,
    *,
    shows: key.Shows,
    service: str,
    span: int,
    parent: int,
    name: str,
    pairs: Sequence[Pair],
    status: int = UNSET,
    message: str = "",
) -> SpanData:
    """A span of an instant, at the time of its record."""
    at = placed.record.at
    return made(
        history,
        placed,
        shows=shows,
        service=service,
        span=span,
        parent=parent,
        name=name,
        start=at,
        end=at,
        pairs=pairs,
        status=status,
        message=message,
    )


def about(placed: Placed) -> list[Pair]:
    """What every span says: where the fact stands, and who answers for it."""
    record = placed.record
    return [
        (key.RESPONSIBLE, record.responsible),
        (key.SYSTEM, record.system),
        (key.RUN, record.run),
        (key.CHAIN, record.chain),
        (key.RECORD_SEQ, placed.seq),
        (key.RECORD_DIGEST, placed.leaf.hex()),
    ]


def about_tally(tally: dict[str, tuple[int, int]] | None, inversions: int | None) -> list[Pair]:
    """What a prioritization serves and leaves waiting."""
    pairs: list[Pair] = []
    if tally is not None:
        tiers = {tier: {"served": served, "unserved": demand - served} for tier, (demand, served) in tally.items()}
        pairs.append((key.TIERS, json.dumps(tiers, separators=(",", ":"))))
    if inversions is not None:
        pairs.append((key.INVERSIONS, inversions))
    return pairs


def about_request(request: str, history: RunHistory) -> list[Pair]:
    """What a request asks, by its id; nothing if it is not known."""
    asked = history.requests.get(request)
    return about_asking(asked) if asked is not None else []


def about_asking(asked: RequestMade) -> list[Pair]:
    """What a request asks."""
    pairs: list[Pair] = [(key.REQUEST, asked.request), (key.REQUEST_DIGEST, asked.digest)]
    pairs += [(key.MESSAGE, asked.message.id), (key.COMMITMENT, asked.message.commitment)]
    pairs += about_tally(asked.tally, asked.inversions)
    if asked.execute_within:
        pairs += [(key.DECIDE_BY, iso(asked.expires_at) or ""), (key.EXECUTE_WITHIN, asked.execute_within)]
    return [*pairs, *where_said([(key.EDITED_FROM, asked.edited_from), (key.IN_PLACE_OF, asked.in_place_of)])]


def about_decision(decided: Decided) -> list[Pair]:
    """Who or what decided, and how."""
    pairs: list[Pair] = [(key.DECISION, decided.decision), (key.DECISION_OUTCOME, decided.outcome)]
    pairs += where_said([(key.OPTION, decided.option), (key.ASSURANCE, decided.assurance)])
    if decided.broke_glass:
        pairs.append((key.BROKE_GLASS, True))
    if decided.outcome in PASSED:
        rule, _, version = decided.by.rpartition("@")
        return [*pairs, (key.RULE, rule), (key.RULE_VERSION, version)]
    pairs += where_said([(key.DECIDED_BY, decided.by), (key.FOR_PERSON, decided.for_person)])
    return [*pairs, *((name, ids) for name, ids in ((key.VOTERS, decided.voters), (key.OWN, decided.own)) if ids)]


def about_effect(effect: str, name: str, history: RunHistory, *, state: bool = True) -> list[Pair]:
    """What an effect is, and by which decision it may be sent; with `state`, what became of it."""
    pairs: list[Pair] = [(key.EFFECT, effect), (key.EFFECT_NAME, name)]
    prepared = history.prepared.get(effect)
    if prepared is not None:
        pairs += [(key.RECEIVER, prepared.receiver), (key.GUARANTEE, prepared.guarantee)]
        pairs.append((key.MESSAGE, prepared.message))
        pairs.append((key.IDEMPOTENCY_KEY, prepared.idempotency_key))
    if state and effect in history.states:
        pairs.append((key.EFFECT_STATE, history.states[effect]))
    granted = history.grants.get(effect)
    if granted is not None:
        pairs.append((key.GRANT, granted[0]))
        decided = history.decisions.get(granted[1])
        if decided is not None:
            pairs += [(key.REQUEST, decided.request), *about_decision(decided)]
    return pairs


def span_of_request(asked: RequestMade | None, step: str, history: RunHistory) -> int:
    """The span that stands for a request: that of `step`, its approval's, or its own if it is an edited one."""
    return history.span_of_step(asked.request if asked is not None and asked.edited_from else step)


def where_said(pairs: Iterable[tuple[str, str]]) -> list[Pair]:
    """Those that have a value."""
    return [(name, value) for name, value in pairs if value]
