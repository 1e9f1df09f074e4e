"""Records of what is done in a run: steps, the edges that their messages cross, and what no edge declares."""

from __future__ import annotations

from typing import Any, Literal

from answerable.tracing.ledger.records.record import MessageRef, Record


class StepStarted(Record):
    """A step begins an attempt. The one before it failed with the error `after`, or else died with its process."""

    kind: Literal["step.started"] = "step.started"
    step: str
    node: str
    attempt: int
    parent: str = ""  # the step whose message completed its inputs; "" for the run itself
    effect: str = ""  # that this step carries out
    after: str = ""
    host: str


class StepFinished(Record):
    """A step ended. `consumed` maps each input to the crossing (or the gather) that it took."""

    kind: Literal["step.finished"] = "step.finished"
    step: str
    node: str
    role: Literal["agent", "approval", "effect"]
    owner: str = ""
    generation: int = 0
    attempt: int = 1
    started_at: int
    outcome: Literal["done", "failed", "refused"]
    error: str = ""
    parent: str = ""  # the step whose message completed its inputs; "" for the run itself
    consumed: dict[str, str]
    links: tuple[str, ...] = ()  # every crossing taken, a gather's items included
    produced: tuple[MessageRef, ...] = ()
    dropped: tuple[str, ...] = ()  # edges whose condition said no
    host: str = ""


class Crossed(Record):
    """One message crossed one edge: the step that sent it is recorded with it."""

    kind: Literal["crossed"] = "crossed"
    crossing: str
    edge: str
    source: str
    target: str
    port: str = ""
    input: str
    step: str  # the sender; "" for START
    purpose: str
    condition: str = ""
    message: MessageRef
    scope: tuple[Any, ...] = ()
    tally: dict[str, tuple[int, int]] | None = None  # tier → demand, served; for a prioritization
    inversions: int | None = None
    host: str = ""


class GatherClosed(Record):
    """One scatter's results were brought together. Each item is (index, crossing or "", outcome)."""

    kind: Literal["gather.closed"] = "gather.closed"
    gather: str
    edge: str
    size: int
    items: tuple[tuple[int, str, str], ...]
    absent: int = 0  # items that a condition dropped
    scatter_edge: str = ""
    scatter_step: str = ""  # the step whose list was taken apart; "" for START
    lost: tuple[str, ...] = ()  # the failed steps and the decisions that items without a crossing ended in


class UndeclaredEgress(Record):
    """Code in a step opened a connection or started a program that no effect declares."""

    kind: Literal["undeclared-egress"] = "undeclared-egress"
    step: str
    node: str
    event: str  # the audit event
    to: str
