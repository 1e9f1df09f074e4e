"""The logistics run, with its solvers and services: killed at every failpoint, and (`make crash`) at random instants.

The founding case has the whole system and few orders, so that thousands of kills fit into an hour; every fiftieth of
the random ones has the whole storm.
"""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from answerable.examples.logistics.outside import SERVICES, journal_path, outside
from answerable.examples.logistics.services import Journal
from answerable.tracing.failpoints import NAMES
from tests.crash.test_failpoints import ELSEWHERE
from tests.crash.trials import Stages, Trial, kill_at_random, kill_everywhere, stages_of
from tests.support.forks import Forks, forking
from tests.support.receiver import Arrival

RUNS = int(os.environ.get("ANSWERABLE_CRASH_RUNS", "2000"))
SEED = int(os.environ.get("ANSWERABLE_CRASH_SEED", "1"))
CHUNKS = 20
LIFE_SECONDS = {"founding": 0.6, "whole": 8.0}

Begin = Callable[[str, str], Trial]


@pytest.fixture(scope="module")
def company() -> Iterator[Forks]:
    with forking("tests.crash.logistics_jobs") as parent:
        yield parent


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """The services, and the store that they belong to. Each trial begins with empty journals."""
    store = f"sqlite:///{tmp_path_factory.mktemp('services') / 'company.db'}"
    with outside(store) as origins:
        yield store, origins


@pytest.fixture(scope="module")
def begin(company: Forks, services: tuple[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Begin:
    """Begin a trial with a name and a storm."""
    beside, origins = services
    folder = tmp_path_factory.mktemp("logistics")

    def forget() -> None:
        for service in SERVICES:
            with closing(sqlite3.connect(journal_path(beside, service))) as journal, journal:
                journal.execute("DELETE FROM received")

    def new(name: str, storm: str) -> Trial:
        forget()
        return Trial(
            name=name,
            forks=company,
            folder=folder,
            shared={"origins": origins, "storm": storm},
            arrivals=lambda: [each for service in SERVICES for each in _arrivals(journal_path(beside, service))],
            forget=forget,
        )

    return new


@pytest.fixture(scope="module")
def stages(begin: Begin) -> Stages:
    """Where the founding case stands before each of its processes."""
    return stages_of(lambda name: begin(name, "founding"))


@pytest.fixture(scope="module")
def undisturbed(begin: Begin) -> Callable[[str], dict[str, Any]]:
    """The canonical form of a run of this storm that nothing disturbed."""
    known: dict[str, dict[str, Any]] = {}

    def of(storm: str) -> dict[str, Any]:
        if storm not in known:
            calm = begin(f"calm-{storm}", storm)
            calm.complete()
            known[storm] = calm.form()
            assert known[storm]["status"] == "done"
        return known[storm]

    return of


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ELSEWHERE])
def test_killed_at_failpoint(name: str, stages: Stages, undisturbed: Callable[[str], dict[str, Any]]) -> None:
    kill_everywhere(name, stages, undisturbed("founding"))


@pytest.mark.long
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_killed_at_random_instants(chunk: int, begin: Begin, undisturbed: Callable[[str], dict[str, Any]]) -> None:
    for number in range(chunk, RUNS, CHUNKS):
        chance = random.Random(SEED * 1_000_000 + number)
        storm = "whole" if number % 50 == 49 else "founding"
        expected = undisturbed(storm)
        disturbed = begin(str(number), storm)
        kill_at_random(chance, disturbed, LIFE_SECONDS[storm])
        assert disturbed.form() == expected, disturbed.story


def _arrivals(journal: Path) -> list[Arrival]:
    """Each time that a call came; it happened the first time."""
    return [
        Arrival(path=each.path, key=each.key, headers=each.headers, body=each.body, at=0, happened=time == 0)
        for each in Journal.read(journal)
        for time in range(each.times)
    ]
