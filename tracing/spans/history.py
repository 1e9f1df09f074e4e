"""The history of a run: what the projection of its next record needs to know of the earlier ones.

1. It is made of the run's records alone, in the order of their places, so every process comes to the same one.
2. Ids of spans are decided here: one thing has one span id, also before that span is made.
3. The parent of a step's span is the step that completed its inputs, the first time that its node runs; when the node
   runs again (a loop, a scatter, a retry), the step becomes a sibling of the first, so the depth is that of the graph.
4. A span of one service has a parent in another only where a message crossed an edge between them: that is what makes
   Jaeger's page of dependencies the graph. A step that nothing was sent to (it gathers a scatter of nothing) has no
   parent; it is linked to the step that would have sent.
5. What happens to an effect belongs to the attempt that carries it out. Before there is one, and when there will be
   none, it belongs to the approval that the effect was prepared for, and stands in its service.
"""

from __future__ import annotations

from typing import NamedTuple

from answerable.tracing import ids
from answerable.tracing.ledger.placed import Placed
from answerable.tracing.ledger.records.deciding import Decided, RequestMade, RequestWithdrawn
from answerable.tracing.ledger.records.effects import (
    EffectAnswered,
    EffectInDoubt,
    EffectPrepared,
    EffectRefused,
    EffectSent,
    EffectSettled,
    EffectWithdrawn,
)
from answerable.tracing.ledger.records.runs import RunContinued, RunEnded, RunReopened, RunRested, RunStarted
from answerable.tracing.ledger.records.steps import Crossed, StepFinished, StepStarted
from answerable.tracing.spans.segments import Segments


class Above(NamedTuple):
    """Where a step's span hangs: below the span `parent`, or, if that is 0, linked to the span `link`."""

    parent: int
    link: int = 0


class Running(NamedTuple):
    """An attempt of a step that is not over."""

    record: StepStarted
    above: Above
    placed: Placed


class RunHistory:
    """What is known of one run, up to (and without) the place `upto`. Only `add` changes it."""

    def __init__(self, run: str, *, segments: bool = True) -> None:
        self.run = run
        self.segments = Segments(run, wanted=segments)
        self.upto = 0
        self.start: Placed | None = None
        self.version = ""
        self.host = ""  # where the run was first seen to be worked on
        self.rests = 0
        self.ends = 0
        self.reopened = 0
        self.frozen: frozenset[str] = frozenset()
        self.waiting: dict[str, Placed] = {}  # crossings that no step took yet
        self.sent_at: dict[str, int] = {}  # every crossing
        self.sent: set[tuple[str, str]] = set()  # step (or "" for START), node that it sent something to
        self.spans: dict[str, int] = {}  # steps and edited requests → their newest span
        self.nodes: dict[str, str] = {}  # steps → their nodes
        self.anchors: dict[str, int] = {}  # node → the parent of its first step's span
        self.running: dict[str, Running] = {}
        self.carried_by: dict[str, str] = {}  # effect → the step that carries it out
        self.requests: dict[str, RequestMade] = {}
        self.open_requests: dict[str, Placed] = {}
        self.request_of_step: dict[str, str] = {}
        self.decisions: dict[str, Decided] = {}
        self.prepared: dict[str, EffectPrepared] = {}
        self.grants: dict[str, tuple[str, str]] = {}  # effect → grant, decision
        self.states: dict[str, str] = {}  # effect → what became of it
        self.unanswered: dict[str, Placed] = {}  # effect → its newest EffectSent, until its call's span is made
        self.called: set[tuple[str, int]] = set()  # effect, attempt: the calls whose span is made
        self.in_doubt: dict[str, Placed] = {}
        self.refusals: dict[str, int] = {}

    # -- ids of spans -------------------------------------------------------------------------------------------------

    @property
    def trace(self) -> int:
        """The trace that the run is in."""
        return self.segments.trace

    @property
    def root(self) -> int:
        """The run's own span in that trace."""
        return self.segments.root

    def span(self, what: str, number: int = 1) -> int:
        """The span id of one thing of this run."""
        return ids.span_id(self.run, what, number)

    def span_of_step(self, step: str) -> int:
        """The span of a step's newest attempt; the run's for "" and for a step that is not recorded."""
        running = self.running.get(step)
        return self.spans.get(step, self.root) if running is None else self.span(step, running.record.attempt)

    def above(self, node: str, parent: str) -> Above:
        """Where a step's span hangs, where the step `parent` completed its inputs."""
        known = self.anchors.get(node)
        if known is not None:
            return Above(known)
        span = self.span_of_step(parent)
        return Above(span) if (parent, node) in self.sent else Above(0, span)

    def attempt_for(self, effect: str) -> Running | None:
        """The attempt that is carrying an effect out."""
        return self.running.get(self.carried_by.get(effect, ""))

    def home_of(self, effect: str, asked_in: str) -> tuple[str, int]:
        """The service and the span that belong to what happens to an effect; it was prepared in step `asked_in`."""
        step = self.carried_by.get(effect, asked_in)
        return self.nodes.get(step, self.system), self.span_of_step(step)

    @property
    def system(self) -> str:
        """The service of the run itself."""
        return self.start.record.system if self.start is not None else ""

    def effect_of(self, record: StepFinished) -> str:
        """The effect that a step carried out, or ""."""
        if record.role != "effect":
            return ""
        crossing = next(iter(taken_by(record, self)), "")
        return ids.derive(ids.EFFECT, self.run, record.node, crossing)

    # -- growing ------------------------------------------------------------------------------------------------------

    def add(self, placed: Placed) -> None:
        """Take the next record of this run in."""
        record = placed.record
        self.upto = placed.seq + 1
        if not self.host:
            self.host = getattr(record, "host", "")
        match record:
            case Crossed():
                self.waiting[record.crossing] = placed
                self.sent_at[record.crossing] = record.at
                self.sent.add((record.step, record.target))
                self.segments.expect(self.span(record.crossing))
            case StepStarted():
                self.nodes[record.step] = record.node
                self.running[record.step] = Running(record, self.above(record.node, record.parent), placed)
                self.segments.place(self.span(record.step, record.attempt))
                if record.effect:
                    self.carried_by[record.effect] = record.step
            case StepFinished():
                self._finish(record)
            case RequestMade():
                self.requests[record.request] = record
                self.open_requests[record.request] = placed
                if record.edited_from:
                    self.spans[record.request] = self.span(record.request)
                else:
                    self.request_of_step[record.step] = record.request
            case Decided():
                self.decisions[record.decision] = record
                self.open_requests.pop(record.request, None)
                self._grant(record)
            case RequestWithdrawn():
                self.open_requests.pop(record.request, None)
            case EffectPrepared():
                self.prepared[record.effect] = record
            case EffectSent():
                self._called(record.effect)
                self.grants[record.effect] = (record.grant, record.decision)
                self.states[record.effect] = "sent"
                self.segments.place(self.span(record.effect, record.attempt))
                self.unanswered[record.effect] = placed
            case EffectAnswered():
                self.states[record.effect] = record.outcome
                self._called(record.effect, record.attempt)
            case EffectInDoubt():
                self.states[record.effect] = "in-doubt"
                self._called(record.effect, record.attempt)
                self.in_doubt[record.effect] = placed
                self._paused(record.effect)
            case EffectSettled():
                self.states[record.effect] = record.outcome
                self.in_doubt.pop(record.effect, None)
            case EffectWithdrawn():
                self.states[record.effect] = "withdrawn"
            case EffectRefused():
                self.refusals[record.effect] = self.refusals.get(record.effect, 0) + 1
                if record.waits:
                    self._paused(record.effect)
            case RunStarted():
                self.start = placed
                self.version = record.version
                self.segments.after = record.segment_after
            case RunContinued():
                if self.segments.begin(placed):
                    self.anchors.clear()
            case RunRested():
                self.segments.shown = True
                self.rests += 1
                self.frozen = frozenset(record.frozen)
            case RunEnded():
                self.segments.shown = True
                self.ends += 1
                for effect in list(self.unanswered):
                    self._called(effect)
                self.waiting.clear()
                self.running.clear()
            case RunReopened():
                self.reopened += 1
                self.version = record.version or self.version
            case _:
                pass

    def _grant(self, decided: Decided) -> None:
        """A grant is named by its decision and its effect. So it is known also of a call whose sending is not recorded.

        (A restored backup has forgotten it; what was granted before is in doubt.)
        """
        asked = self.requests.get(decided.request)
        for effect in (
            (effect for calls in asked.calls.values() for effect in calls) if asked and decided.grants else ()
        ):
            grant = ids.derive(ids.GRANT, decided.decision, effect)
            if grant in decided.grants:
                self.grants[effect] = (grant, decided.decision)

    def _called(self, effect: str, attempt: int = 0) -> None:
        """The span of a call was made: of this attempt, and of the newest if it is this one or none is named."""
        sent = self.unanswered.get(effect)
        newest = sent.record.attempt if sent is not None and isinstance(sent.record, EffectSent) else 0
        if newest and attempt in (0, newest):
            del self.unanswered[effect]
        self.called.add((effect, attempt or newest))

    def _paused(self, effect: str) -> None:
        """The attempt that was carrying an effect out is over, and the effect is not."""
        running = self.attempt_for(effect)
        if running is not None:
            del self.running[running.record.step]
            self._over(running.record, running.above)

    def _finish(self, record: StepFinished) -> None:
        self._over(record, self.above(record.node, record.parent))
        self.running.pop(record.step, None)
        for crossing in taken_by(record, self):
            self.waiting.pop(crossing, None)

    def _over(self, record: StepStarted | StepFinished, above: Above) -> None:
        self.nodes[record.step] = record.node
        self.spans[record.step] = self.span(record.step, record.attempt)
        if above.parent:
            self.anchors.setdefault(record.node, above.parent)


def taken_by(record: StepFinished, history: RunHistory) -> list[str]:
    """Every crossing that a step took, each once: a gather's items, and what came alone."""
    taken = dict.fromkeys(record.links)
    for arrival in record.consumed.values():
        if arrival in history.sent_at:
            taken[arrival] = None
    return list(taken)
