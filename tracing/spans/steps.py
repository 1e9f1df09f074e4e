"""The spans of steps and edges."""

from __future__ import annotations

from collections.abc import Iterable

from answerable.tracing.clock import Micros
from answerable.tracing.ledger.placed import Placed
from answerable.tracing.ledger.records.steps import Crossed, StepFinished, UndeclaredEgress
from answerable.tracing.spans import attributes as key
from answerable.tracing.spans.common import about, about_effect, about_request, about_tally, made, moment, where_said
from answerable.tracing.spans.history import RunHistory, Running, taken_by
from answerable.tracing.spans.span import CONSUMER, ERROR, UNSET, Pair, SpanData

END = "END"


def step_finished(placed: Placed, record: StepFinished, history: RunHistory) -> list[SpanData]:
    """A step, and the edges of the messages that it took."""
    taken = taken_by(record, history)
    # Rule 4: where the clocks of two machines disagree, the one that received is taken to be late.
    start = max([record.started_at, *(history.sent_at[one] for one in taken if one in history.sent_at)])
    above = history.above(record.node, record.parent)
    running = history.running.get(record.step)
    spans = dead(placed, running, history) if running and running.record.attempt != record.attempt else []
    spans += [
        edge(history.waiting[crossing], history, end=start, host=record.host)
        for crossing in taken
        if crossing in history.waiting
    ]
    pairs = about(placed)
    pairs += [(key.STEP, record.step), (key.ATTEMPT, record.attempt), (key.OUTCOME, record.outcome)]
    if record.generation:
        pairs.append((key.GENERATION, record.generation))
    if record.dropped:
        pairs.append((key.DROPPED, record.dropped))
    shows: key.Shows = "step" if record.role == "agent" else record.role
    if record.role == "agent":
        name = f"invoke_agent {record.node}"
        pairs += where_said([(key.OWNER, record.owner), (key.APP_VERSION, history.version)])
        pairs += [(key.OPERATION, "invoke_agent"), (key.AGENT, record.node), (key.CONVERSATION, history.run)]
    elif record.role == "approval":
        name = f"approval {record.node}"
        pairs += about_request(history.request_of_step.get(record.step, ""), history)
    else:
        name = f"effect {record.node}"
        pairs += about_effect(history.effect_of(record), record.node, history)
    return [
        *spans,
        made(
            history,
            placed,
            shows=shows,
            service=record.node,
            span=history.span(record.step, record.attempt),
            parent=above.parent,
            name=name,
            start=start,
            end=record.at,
            pairs=pairs,
            links=[*(history.span(crossing) for crossing in taken), *([above.link] if above.link else [])],
            status=ERROR if record.outcome == "failed" else UNSET,
            message=record.error if record.outcome == "failed" else "",
        ),
    ]


def dead(placed: Placed, running: Running | None, history: RunHistory, error: str = "") -> list[SpanData]:
    """The span of an attempt that came to nothing, from its start's record; none if none is running.

    It failed with `error` and another began, or its process ended, or its run did.
    """
    if running is None:
        return []
    outcome = "failed" if error else "unfinished"
    return [
        attempt_over(placed, running, history, outcome, status=ERROR, message=error or "this attempt did not finish")
    ]


def attempt_over(
    placed: Placed,
    running: Running,
    history: RunHistory,
    outcome: str,
    *,
    shows: key.Shows = "attempt",
    pairs: Iterable[Pair] = (),
    status: int = UNSET,
    message: str = "",
) -> SpanData:
    """The span of an attempt that ended at `placed`, and its step did not."""
    record, above = running.record, running.above
    said = [*about(running.placed), (key.STEP, record.step), (key.ATTEMPT, record.attempt), (key.OUTCOME, outcome)]
    return made(
        history,
        running.placed,
        shows=shows,
        service=record.node,
        span=history.span(record.step, record.attempt),
        parent=above.parent,
        name=f"{outcome} {record.node}",
        start=record.at,
        end=max(record.at, placed.record.at),
        pairs=[*said, *pairs],
        links=[above.link] if above.link else [],
        trace=history.segments.trace_of(history.span(record.step, record.attempt)),
        status=status,
        message=message,
    )


def edge(placed: Placed, history: RunHistory, *, end: Micros, host: str, leftover: bool = False) -> SpanData:
    """One crossing, from sent to picked up: a leaf in the receiver's service, below the sender's step."""
    record = placed.record
    assert isinstance(record, Crossed)
    source = f"{record.source}.{record.port}" if record.port else record.source
    pairs = about(placed)
    pairs += [
        (key.CROSSING, record.crossing),
        (key.EDGE, record.edge),
        (key.EDGE_SOURCE, record.source),
        (key.EDGE_TARGET, record.target),
        (key.EDGE_CARRIES, record.message.type),
        (key.EDGE_PURPOSE, record.purpose),
        (key.MESSAGE, record.message.id),
        (key.COMMITMENT, record.message.commitment),
    ]
    if record.condition:
        pairs.append((key.EDGE_CONDITION, record.condition))
    pairs += about_tally(record.tally, record.inversions)
    if leftover:
        pairs.append((key.EDGE_LEFTOVER, True))
    return made(
        history,
        placed,
        shows="edge",
        service=record.system if record.target == END else record.target,
        span=history.span(record.crossing),
        parent=history.span_of_step(record.step),
        name=f"edge {source} → {record.target}",
        kind=CONSUMER,
        start=record.at,
        end=max(record.at, end),
        pairs=pairs,
        host=host,
    )


def egress(placed: Placed, record: UndeclaredEgress, history: RunHistory) -> SpanData:
    """A connection or a program that no effect declares."""
    pairs = [*about(placed), (key.STEP, record.step), (key.EGRESS_EVENT, record.event), (key.EGRESS_TO, record.to)]
    return moment(
        history,
        placed,
        shows="egress",
        service=history.nodes.get(record.step, record.system),
        span=history.span(f"egress {placed.seq}"),
        parent=history.span_of_step(record.step),
        name="undeclared egress",
        pairs=pairs,
        status=ERROR,
        message="code in this step reached out in a way that no effect declares",
    )
