"""One trial: a run of the parcels system whose processes are killed, and then is brought to its end and looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from answerable.approvals.gate import EffectRow, effects_of
from answerable.orchestrator.canonical import canonical
from answerable.tracing.store import Tx, open_store
from tests.support.agreement import disagreements
from tests.support.forks import FAILED, Forks
from tests.support.parcels import RUN
from tests.support.parcels_jobs import DONE
from tests.support.receiver import Receiver

T = TypeVar("T")

LIFE_SECONDS = 60.0  # by how much a worker's clock is ahead of the one before it: longer than a lease
MOST_LIVES = 12


@dataclass
class Trial:
    """A run on a store and at a place of its own; every life of it comes after the one before."""

    name: str
    forks: Forks
    receiver: Receiver
    folder: Path
    guarantee: str = "idempotent"
    lives: int = 0
    story: list[tuple[Sequence[str], list[int]]] = field(default_factory=list)

    @property
    def store(self) -> str:
        return f"sqlite:///{self.folder / self.name}.db"

    @property
    def place(self) -> str:
        return f"{'honours' if self.honours else 'forgets'}-{self.name}"

    @property
    def honours(self) -> bool:
        """Whether the receiver honours keys."""
        return self.guarantee == "idempotent"

    def live(self, *jobs: dict[str, Any]) -> list[int]:
        """Let processes work side by side on the run, until they end or are killed; their exit codes."""
        self.lives += 1
        shared = {
            "store": self.store,
            "origin": self.receiver.origin(self.place),
            "guarantee": self.guarantee,
            "run": RUN,
            "ahead": self.lives * LIFE_SECONDS,
        }
        codes = self.forks.run(*({**shared, **job} for job in jobs))
        self.story.append(([str(job) for job in jobs], codes))
        assert FAILED not in codes, self.story
        return codes

    def complete(self) -> None:
        """Bring the run to its end without any more kills; calls in doubt are settled as done."""
        for _ in range(MOST_LIVES):
            if self.live({"verb": "run"}) == [DONE]:
                return
            self.live({"verb": "settle", "outcome": "done"} if self.effects("in-doubt") else {"verb": "decide"})
        raise AssertionError(f"the run does not come to its end: {self.story}")

    def form(self) -> dict[str, Any]:
        """The run in its canonical form; what does not agree about it is an error."""
        arrivals = self.receiver.arrivals(self.place)
        wrong = self.read(lambda tx: disagreements(tx, RUN, arrivals, honours=self.honours))
        assert not wrong, (wrong, self.story)
        return self.read(lambda tx: canonical(tx, RUN))

    def effects(self, state: str) -> list[EffectRow]:
        """The effects of the run in one state."""
        return [row for row in self.read(lambda tx: effects_of(tx, RUN)) if row.state == state]

    def read(self, work: Callable[[Tx], T]) -> T:
        """Read the store from this process."""
        store = open_store(self.store)
        try:
            return asyncio.run(store.read(work))
        finally:
            store.close()
