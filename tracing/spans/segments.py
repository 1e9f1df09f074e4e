"""Segments: the traces of a run that waited for long, one after the other.

1. A span belongs to the trace in which what it shows ends; a call and an attempt, to the one in which they began, since
   that is the one that the receiver and other libraries were given.
2. What began before its trace, because it waited, begins with it, and says how long it waited in all.
3. What follows from a step of an earlier trace hangs below a stand-in for it: an instant in the step's service, without
   a parent, linked to the step itself. So the services are those between which messages crossed, in each trace.
4. A run that is in its first trace, as most are for ever, costs nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from answerable.tracing import ids
from answerable.tracing.clock import Micros
from answerable.tracing.ledger.placed import Placed
from answerable.tracing.ledger.records.runs import RunContinued
from answerable.tracing.spans import attributes as key
from answerable.tracing.spans.span import INSTANT, INTERNAL, Pair, SpanData

_MAY_BE_PARENTS: Final = frozenset({"step", "attempt", "approval", "request", "effect"})
_WAITS: Final = frozenset({"edge", "decision", "settlement"})
_SAYS: Final = frozenset(
    {key.STEP, key.REQUEST, *(name for name, one in key.REGISTRY.items() if key.EVERY in one.always)}
)


class Segments:
    """The traces of one run so far. `wanted` says whether the run is shown as several at all."""

    def __init__(self, run: str, *, wanted: bool) -> None:
        self.run = run
        self.after = 0  # microseconds, 0 for never
        self.now = 0
        self.shown = False  # whether the run's own span of this trace was made
        self.opening: Placed | None = None  # the record of the newest wait
        self._wanted = wanted
        self._roots = [ids.span_id(run, run)]
        self._traces = [ids.trace_id(run)]
        self._began: list[Micros] = [0]
        self._segment: dict[int, int] = {}  # span → its segment
        self._expected: set[int] = set()  # spans of edges that will be made when somebody takes the message
        self._known: dict[int, SpanData] = {}  # those that may be parents

    @property
    def trace(self) -> int:
        return self._traces[self.now]

    @property
    def root(self) -> int:
        return self._roots[self.now]

    @property
    def began(self) -> Micros:
        return self._began[self.now]

    @property
    def before(self) -> list[tuple[int, int]]:
        """The run's own span in the trace before this one, if there is one, as a link."""
        return [(self._traces[self.now - 1], self._roots[self.now - 1])] if self.now else []

    def trace_of(self, span: int) -> int:
        """The trace of a span, which may not be made yet."""
        return self._traces[self._of(span)]

    # -- growing ------------------------------------------------------------------------------------------------------

    def begin(self, placed: Placed) -> bool:
        """A new trace begins with this record; whether it does."""
        assert isinstance(placed.record, RunContinued)
        if self._wanted:
            self.now += 1
            self.shown = False
            self.opening = placed
            self._roots.append(ids.span_id(self.run, self.run, self.now + 1))
            self._traces.append(ids.trace_id(self.run, placed.record.segment))
            self._began.append(placed.record.at)
        return self._wanted

    def place(self, span: int) -> None:
        """A span whose id others were given belongs to this trace."""
        if self.after:
            self._segment[span] = self.now

    def expect(self, span: int) -> None:
        """A span that will belong to whatever trace the run is in when it is made."""
        if self.after:
            self._expected.add(span)

    def note(self, spans: Sequence[SpanData]) -> None:
        """These spans were made."""
        for span in spans if self.after else ():
            self._segment[span.span] = self._traces.index(span.trace)
            self._expected.discard(span.span)
            if span.shows in _MAY_BE_PARENTS:
                self._known[span.span] = span

    def _of(self, span: int) -> int:
        return self.now if span in self._expected else self._segment.get(span, 0)

    # -- spans --------------------------------------------------------------------------------------------------------

    def settle(self, spans: Sequence[SpanData]) -> list[SpanData]:
        """Spans as they stand in their traces, with the stand-ins that they need and that are not there yet."""
        if not self.now:
            return list(spans)
        settled: list[SpanData] = []
        added: set[int] = set()
        for span in spans:
            segment = self._traces.index(span.trace)
            parent = span.parent
            if parent not in (0, self._roots[segment]) and self._of(parent) != segment:
                parent = ids.span_id(self.run, f"{parent:016x} continued", segment + 1)
                stood_for = self._known.get(span.parent)
                if stood_for is None:
                    parent = 0
                elif parent not in self._segment and parent not in added:
                    added.add(parent)
                    settled.append(self._stand_in(stood_for, parent, segment))
            settled.append(self._within(span._replace(parent=parent), segment))
        return settled

    def _within(self, span: SpanData, segment: int) -> SpanData:
        here = [link for link in span.links if self._of(link) == segment]
        far = [(self.trace_of(link), link) for link in span.links if self._of(link) != segment]
        span = span._replace(links=here, elsewhere=[*span.elsewhere, *far])
        began = self._began[segment]
        if span.start >= began or span.shows not in _WAITS:
            return span
        return span._replace(
            start=began, end=max(span.end, began + INSTANT), pairs=[*span.pairs, (key.WAITED, span.end - span.start)]
        )

    def _stand_in(self, known: SpanData, span: int, segment: int) -> SpanData:
        pairs: list[Pair] = [pair for pair in known.pairs if pair[0] in _SAYS]
        began = self._began[segment]
        return SpanData(
            origin=known.origin,
            run=self.run,
            trace=self._traces[segment],
            span=span,
            parent=0,
            name=f"{known.name} (continued)",
            shows="continued",
            kind=INTERNAL,
            start=began,
            end=began + INSTANT,
            pairs=[*pairs, (key.SEGMENT, segment)],
            elsewhere=[(known.trace, known.span)],
        )
