"""The history of a run: what the projection of its next record needs to know of the earlier ones.

1. It is made of the run's records alone, in the order of their places, so every process comes to the same one.
2. Ids of spans are decided here: one thing has one span id, also before that span is made.
3. The parent of a step's span is the step that completed its inputs, the first time that its node runs; when the node
   runs again (a loop, a scatter, a retry), the step becomes a sibling of the first, so the depth is that of the graph.
4. An effect and its step are named by the crossing that leads to them: the id of an effect's span is derived from
   the effect's id, which is known before its step is recorded.
"""

from __future__ import annotations

from typing import NamedTuple

from answerable.tracing import ids
from answerable.tracing.ledger.placed import Placed
from answerable.tracing.ledger.records import (
    Crossed,
    Decided,
    EffectAnswered,
    EffectInDoubt,
    EffectPrepared,
    EffectRefused,
    EffectSent,
    EffectSettled,
    EffectWithdrawn,
    RequestMade,
    RequestWithdrawn,
    RunEnded,
    RunReopened,
    RunRested,
    RunStarted,
    StepFinished,
    StepStarted,
)


class Running(NamedTuple):
    """An attempt of a step that is not finished."""

    at: int
    node: str
    attempt: int
    parent: int  # span
    placed: Placed


class RunHistory:
    """What is known of one run, up to (and without) the place `upto`. Only `add` changes it."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.trace = ids.trace_id(run)
        self.root = ids.span_id(run, run)
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
        self.spans: dict[str, int] = {}  # finished steps and edited requests → their spans
        self.anchors: dict[str, int] = {}  # node → the parent of its first step's span
        self.running: dict[str, Running] = {}
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
        self.finishes: dict[str, int] = {}  # effect → how many steps of it ended
        self.refusals: dict[str, int] = {}
        self.paused: dict[str, int] = {}  # node of an effect → where a call of it was last held or in doubt

    # -- ids of spans -------------------------------------------------------------------------------------------------

    def span(self, what: str, number: int = 1) -> int:
        """The span id of one thing of this run."""
        return ids.span_id(self.run, what, number)

    def effect_span(self, effect: str) -> int:
        """The span of the step that carries out an effect, which may not be recorded yet."""
        return ids.span_id(self.run, f"step of {effect}", self.finishes.get(effect, 0) + 1)

    def span_of_step(self, step: str) -> int:
        """The span of a step, by its id; the run's for "" and for a step that is not recorded."""
        known = self.spans.get(step)
        if known is not None:
            return known
        running = self.running.get(step)
        return self.root if running is None else self.span(step, running.attempt)

    def step_span(self, record: StepFinished) -> int:
        """The span of a step that is being recorded."""
        effect = self.effect_of(record)
        return self.effect_span(effect) if effect else self.span(record.step, record.attempt)

    def parent_of(self, node: str, parent: str) -> int:
        """The parent of a step's span, where the step `parent` completed its inputs."""
        known = self.anchors.get(node)
        return self.span_of_step(parent) if known is None else known

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
            case StepStarted():
                self.running[record.step] = Running(
                    record.at, record.node, record.attempt, self.parent_of(record.node, record.parent), placed
                )
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
                self.unanswered[record.effect] = placed
            case EffectAnswered():
                self.states[record.effect] = record.outcome
                self._called(record.effect, record.attempt)
            case EffectInDoubt():
                self.states[record.effect] = "in-doubt"
                self._called(record.effect, record.attempt)
                self.in_doubt[record.effect] = placed
                self.paused[record.name] = placed.seq
            case EffectSettled():
                self.states[record.effect] = record.outcome
                self.in_doubt.pop(record.effect, None)
            case EffectWithdrawn():
                self.states[record.effect] = "withdrawn"
            case EffectRefused():
                self.refusals[record.effect] = self.refusals.get(record.effect, 0) + 1
                self.paused[record.name] = placed.seq
            case RunStarted():
                self.start = placed
                self.version = record.version
            case RunRested():
                self.rests += 1
                self.frozen = frozenset(record.frozen)
            case RunEnded():
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

    def _finish(self, record: StepFinished) -> None:
        self.anchors.setdefault(record.node, self.parent_of(record.node, record.parent))
        self.spans[record.step] = self.step_span(record)
        self.running.pop(record.step, None)
        for crossing in taken_by(record, self):
            self.waiting.pop(crossing, None)
        effect = self.effect_of(record)
        if effect:
            self.finishes[effect] = self.finishes.get(effect, 0) + 1


def taken_by(record: StepFinished, history: RunHistory) -> list[str]:
    """Every crossing that a step took, each once: a gather's items, and what came alone."""
    taken = dict.fromkeys(record.links)
    for arrival in record.consumed.values():
        if arrival in history.sent_at:
            taken[arrival] = None
    return list(taken)
