"""One trial: a run whose processes are killed, and that is then brought to its end and looked at."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from answerable.approvals.gate import EffectRow, effects_of
from answerable.orchestrator.canonical import canonical
from answerable.tracing.storage.store import Tx, open_store
from tests.support.agreement import disagreements
from tests.support.forks import FAILED, KILLED, Forks
from tests.support.parcels import RUN
from tests.support.parcels_jobs import DONE
from tests.support.receiver import Arrival, Receiver

T = TypeVar("T")

LIFE_SECONDS = 60.0  # by how much a worker's clock is ahead of the one before it: longer than a lease
MOST_LIVES = 12
VERBS = ("run", "decide", "run")  # the processes of an undisturbed run


@dataclass(kw_only=True)
class Trial:
    """A run on a store of its own; every life of it comes after the one before.

    `shared` is what every job says; `arrivals` tells what the receivers have of the run, `forget` has them forget it,
    and `honours` says whether they honour keys.
    """

    name: str
    forks: Forks
    folder: Path
    shared: Mapping[str, Any]
    arrivals: Callable[[], list[Arrival]]
    forget: Callable[[], None]
    honours: bool = True
    lives: int = 0
    story: list[tuple[Sequence[str], list[int]]] = field(default_factory=list)

    @property
    def store(self) -> str:
        return f"sqlite:///{self.folder / self.name}.db"

    def live(self, *jobs: dict[str, Any]) -> list[int]:
        """Let processes work side by side on the run, until they end or are killed; their exit codes."""
        self.lives += 1
        shared = {**self.shared, "store": self.store, "run": RUN, "ahead": self.lives * LIFE_SECONDS}
        codes = self.forks.run(*({**shared, **job} for job in jobs))
        self.story.append(([str(job) for job in jobs], codes))
        assert FAILED not in codes, self.story
        return codes

    def again(self, name: str) -> Trial:
        """One that begins where this one stands, which has sent nothing yet: its files are copied."""
        self.forget()
        for file in self.folder.glob(f"{self.name}.db*"):
            shutil.copy(file, self.folder / file.name.replace(self.name, name, 1))
        return replace(self, name=name, story=list(self.story))

    def complete(self) -> None:
        """Bring the run to its end without any more kills; calls in doubt are settled as done."""
        for _ in range(MOST_LIVES):
            if self.live({"verb": "run"}) == [DONE]:
                return
            self.live({"verb": "settle", "outcome": "done"} if self.effects("in-doubt") else {"verb": "decide"})
        raise AssertionError(f"the run does not come to its end: {self.story}")

    def form(self) -> dict[str, Any]:
        """The run in its canonical form; what does not agree about it is an error."""
        arrivals = self.arrivals()
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


Stages = Callable[[int], Trial]


def parcels_trial(name: str, forks: Forks, receiver: Receiver, folder: Path, guarantee: str = "idempotent") -> Trial:
    """A trial of the parcels system, at a place of its own."""
    honours = guarantee == "idempotent"
    place = f"{'honours' if honours else 'forgets'}-{folder.name}-{name}"
    return Trial(
        name=name,
        forks=forks,
        folder=folder,
        shared={"origin": receiver.origin(place), "guarantee": guarantee},
        arrivals=lambda: receiver.arrivals(place),
        forget=lambda: receiver.forget(place),
        honours=honours,
    )


def stages_of(begin: Callable[[str], Trial]) -> Stages:
    """Where an undisturbed run stands before each of its processes."""

    @cache
    def stage(number: int) -> Trial:
        trial = begin(f"stage-{number}")
        for verb in VERBS[:number]:
            trial.live({"verb": verb})
        return trial

    return stage


def kill_everywhere(name: str, stages: Stages, expected: dict[str, Any]) -> None:
    """Kill each process of an undisturbed run at the failpoint `name`, each time that it comes there.

    Each run must end as `expected`, and the failpoint be reached at least once.
    """
    reached = 0
    for stage, verb in enumerate(VERBS):
        for count in itertools.count(1):
            disturbed = stages(stage).again(f"{name.replace(':', '-')}-{stage}-{count}")
            if disturbed.live({"verb": verb, "failpoint": f"{name}:{count}"}) != [KILLED]:
                break
            reached += 1
            disturbed.complete()
            assert disturbed.form() == expected, disturbed.story
    assert reached, f"{name} is never reached"


def kill_at_random(chance: random.Random, disturbed: Trial, life_seconds: float) -> None:
    """One to three times: a worker that is killed within `life_seconds`, and perhaps a decider beside it."""
    for _ in range(chance.randint(1, 3)):
        jobs: list[dict[str, Any]] = [{"verb": "run", "kill_after": chance.uniform(0, life_seconds)}]
        if chance.random() < 0.6:
            decider: dict[str, Any] = {"verb": "decide"}
            if chance.random() < 0.5:
                decider["kill_after"] = chance.uniform(0, life_seconds)
            jobs.append(decider)
        disturbed.live(*jobs)
    disturbed.complete()
