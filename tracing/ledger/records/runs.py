"""Records of runs: begun, at rest, gone on with, over."""

from __future__ import annotations

from typing import Final, Literal

from answerable.tracing.ledger.records.record import Act, MessageRef, Record


class RunStarted(Record):
    """A person started a run of one version of the app with a message, its input."""

    kind: Literal["run.started"] = "run.started"
    version: str  # of the app
    started_by: str  # person
    message: MessageRef
    segment_after: int = 0  # microseconds: a longer wait begins a new trace; 0: none does


class RunRested(Record):
    """The run came to rest: nothing more can happen until somebody decides, or something is settled."""

    kind: Literal["run.rested"] = "run.rested"
    requests: tuple[str, ...] = ()
    in_doubt: tuple[str, ...] = ()  # effects
    frozen: tuple[str, ...] = ()  # targets


class RunContinued(Record):
    """The run went on after a wait that was longer than its system's `segment_after`: a new trace begins here."""

    kind: Literal["run.continued"] = "run.continued"
    segment: int  # of the run's traces, from 0 on
    waited: int  # microseconds
    segment_after: int


class RunEnded(Act):
    """The run is over. `leftovers` are crossings that no step took."""

    kind: Literal["run.ended"] = "run.ended"
    status: Literal["done", "denied", "stuck", "failed", "cancelled"]
    detail: str = ""
    result: MessageRef | None = None
    leftovers: tuple[str, ...] = ()
    by: str = ""  # person, for a cancelled run


ENDS: Final = frozenset({"done", "denied", "stuck", "failed", "cancelled"})
"""How a run can end."""


class RunReopened(Act):
    """A person had a finished step run anew, or moved the run to another version of the app."""

    kind: Literal["run.reopened"] = "run.reopened"
    by: str
    reason: str
    step: str = ""
    generation: int = 0
    version: str = ""
