"""What Jaeger holds, against what the ledger says.

1. What there should be is projected again from the records: spans are not believed, records are.
2. A span that lies in the outbox, or whose record the projection has not come to, waits; it is not missing. One that
   the collector rejected is said to be so.
3. Copies of one span that are alike are one span: it was sent again, and Jaeger shows it once. Copies that differ are
   shown as two (`ID` and `ID_1`), so they are found even if one of them is right.
4. A span that calls itself ours, and that the ledger does not know, is unknown. Others' spans are counted, and
   otherwise let be: they are not in the ledger.

The comparison is a pure function; `expected_of` reads what it needs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from sqlalchemy import bindparam, or_, select

from answerable.tracing.clock import Micros
from answerable.tracing.export.held import HeldSpan, same_value
from answerable.tracing.ledger import cursors
from answerable.tracing.ledger.placed import placed_of
from answerable.tracing.spans.history import RunHistory
from answerable.tracing.spans.projection import follow
from answerable.tracing.spans.span import PROJECTION_VERSION, SCOPE, SpanData, resource_pairs
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.export import outbox, rejected_spans
from answerable.tracing.storage.tables.runs import runs

_IN_OUTBOX: Final = Statement(select(outbox.c.span).where(outbox.c.run == bindparam("run")))
_REJECTED: Final = Statement(
    select(rejected_spans.c.span, rejected_spans.c.error).where(rejected_spans.c.run == bindparam("run"))
)
_SINCE: Final = Statement(
    select(runs.c.id)
    .where(
        or_(
            runs.c.started_at >= bindparam("earliest"),
            runs.c.ended_at >= bindparam("earliest"),
            runs.c.ended_at.is_(None),
        )
    )
    .order_by(runs.c.started_at, runs.c.id)
)


class Expected(NamedTuple):
    """The spans of a run, as its records give them, and where those are that did not arrive yet, by their keys."""

    run: str
    spans: Sequence[SpanData]
    waiting: frozenset[str]
    rejected: Mapping[str, str]  # key → what the collector said

    @property
    def traces(self) -> list[str]:
        """The run's traces, 32 hexadecimal digits each."""
        return sorted({f"{span.trace:032x}" for span in self.spans})

    def and_then(self, later: Expected) -> Expected:
        """What there should be when Jaeger was asked between this look at the store and a later one.

        Jaeger may hold what was recorded meanwhile, and need not.
        """
        known = {span.key for span in self.spans}
        new = {span.key for span in later.spans} - known
        return later._replace(waiting=self.waiting | new, rejected={**self.rejected, **later.rejected})


class Finding(NamedTuple):
    """A span about which Jaeger and the ledger do not agree, and what it is that differs."""

    span: str
    name: str
    service: str
    what: str = ""


@dataclass(kw_only=True)
class TracesReport:
    """What was found of one run. `expected` spans are `held`, `waiting`, or in one of the lists."""

    run: str
    expected: int = 0
    held: int = 0
    waiting: int = 0
    rejected: list[Finding] = field(default_factory=list)
    missing: list[Finding] = field(default_factory=list)
    changed: list[Finding] = field(default_factory=list)
    twice: list[Finding] = field(default_factory=list)
    unknown: list[Finding] = field(default_factory=list)
    foreign: Counter[tuple[str, str]] = field(default_factory=Counter)  # service, library → spans
    forgotten: list[str] = field(default_factory=list)  # traces of which Jaeger holds nothing, though it should

    @property
    def agrees(self) -> bool:
        """Whether Jaeger holds what was sent, and nothing that contradicts the ledger."""
        return not (self.rejected or self.missing or self.changed or self.twice or self.unknown)


def runs_since(tx: Tx, earliest: Micros) -> list[str]:
    """The runs that began or ended since `earliest`, or are not over, oldest first."""
    return [str(row[0]) for row in tx.all(_SINCE, earliest=earliest)]


def expected_of(tx: Tx, run: str) -> Expected:
    """What Jaeger should hold of a run, and what is still on its way. Records without a place are not among it."""
    projected = cursors.position_of(tx, cursors.PROJECTION)
    history = RunHistory(run)
    spans: list[SpanData] = []
    waiting: set[str] = set()
    for placed in placed_of(tx, run):
        made = follow(placed, history)
        spans += made
        if placed.seq >= projected:
            waiting.update(span.key for span in made)
    waiting.update(row[0] for row in tx.all(_IN_OUTBOX, run=run))
    rejected = {str(key): str(error) for key, error in tx.all(_REJECTED, run=run)}
    return Expected(run, spans, frozenset(waiting), rejected)


def compare(expected: Expected, held: Mapping[str, Iterable[HeldSpan]]) -> TracesReport:
    """Compare a run's spans with those that Jaeger holds, by trace."""
    copies: dict[str, list[HeldSpan]] = defaultdict(list)
    for trace, there in held.items():
        for copy in there:
            copies[trace + copy.span.partition("_")[0]].append(copy)
    report = TracesReport(run=expected.run, expected=len(expected.spans))
    delivered: set[str] = set()
    for span in expected.spans:
        if span.key in copies:
            _judge(span, copies.pop(span.key), report)
            delivered.add(f"{span.trace:032x}")
        elif span.key in expected.rejected:
            report.rejected.append(_finding(span, expected.rejected[span.key]))
        elif span.key in expected.waiting:
            report.waiting += 1
        else:
            report.missing.append(_finding(span))
    for other in (one for left in copies.values() for one in left):
        if other.library == SCOPE:
            report.unknown.append(Finding(other.span, other.name, other.service))
        else:
            report.foreign[other.service, other.library] += 1
    lost = {f"{span.trace:032x}" for span in expected.spans if _is_missing(span, expected)}
    report.forgotten = sorted(lost - delivered)
    return report


def _is_missing(span: SpanData, expected: Expected) -> bool:
    return span.key not in expected.waiting and span.key not in expected.rejected


def _judge(span: SpanData, there: Sequence[HeldSpan], report: TracesReport) -> None:
    """One span that Jaeger holds, once or more often."""
    differing = [said for said in ("; ".join(differences(span, copy)) for copy in there) if said]
    if not differing:
        report.held += 1
    elif len(differing) < len(there) or len(set(differing)) > 1:
        report.twice.append(_finding(span, " | ".join(dict.fromkeys(differing))))
    else:
        report.changed.append(_finding(span, differing[0]))


def differences(ours: SpanData, held: HeldSpan) -> Iterator[str]:
    """What of a span is not as it was sent, one text for each."""
    parent = f"{ours.parent:016x}" if ours.parent else ""
    start, end = ours.start * 1000, ours.end * 1000
    if start == end and held.end == end + 1:
        end += 1  # Jaeger gives a span without a duration one nanosecond
    pairs = [
        ("name", ours.name, held.name),
        ("parent", parent, "" if held.parent == "0" * 16 else held.parent),
        ("start", start, held.start),
        ("end", end, held.end),
        ("kind", ours.kind, held.kind),
        ("status", ours.status, held.status),
        ("status message", ours.message if ours.status else "", held.message),
        ("library", f"{SCOPE} {PROJECTION_VERSION}", f"{held.library} {held.version}"),
    ]
    yield from (f"{what} is {there!r}, not {here!r}" for what, here, there in pairs if here != there)
    if held.links != {f"{link:016x}" for link in (*ours.links, *(there for _, there in ours.elsewhere))}:
        yield "its links differ"
    yield from _differing(dict(ours.pairs), held.attributes)
    yield from _differing(dict(resource_pairs(ours.origin)), held.resource)


def _differing(ours: Mapping[str, object], held: Mapping[str, object]) -> Iterator[str]:
    for key, value in ours.items():
        if key not in held:
            yield f"{key} is gone"
        elif not same_value(value, held[key]):
            yield f"{key} is {held[key]!r}, not {value!r}"
    yield from (f"{key} was added" for key in held if key not in ours)


def _finding(span: SpanData, what: str = "") -> Finding:
    return Finding(f"{span.span:016x}", span.name, span.origin.service, what)
