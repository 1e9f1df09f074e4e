"""How steps end: what is written of one, whichever kind it is of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from answerable.orchestrator.running.crossing import Outflow, Written
from answerable.orchestrator.running.journal import Guard
from answerable.orchestrator.running.view import Ready
from answerable.tracing.ledger.records.record import Record
from answerable.tracing.storage.store import Tx


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a step ended: what it produced, what left it, why it failed ("" if not), and other records of the fact.

    `waits_for` is the request that a person is to decide, or "".
    """

    produced: Sequence[Written] = ()
    out: Outflow = field(default_factory=Outflow)
    error: str = ""
    records: Sequence[Record] = ()
    waits_for: str = ""

    @property
    def state(self) -> Literal["done", "failed"]:
        return "failed" if self.error else "done"


@dataclass(frozen=True, kw_only=True)
class Inward:
    """An approval's step that may be taken in the transaction of the step before it (`inward.py`).

    `at` is when that ended and this began (microseconds), `ready` what it takes, `settle` writes what comes of it, and
    says None where that is left to a transaction of its own.
    """

    at: int
    ready: Ready
    settle: Callable[[Tx, Guard], Ending | None]


@dataclass(frozen=True, slots=True)
class StepEnd:
    """A step that a transaction ended, and with which attempt."""

    ready: Ready
    end: Ending
    attempt: int
