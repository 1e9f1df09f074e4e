"""Ten thousand attempts at one request, from four processes at once: one decision, each of its calls consumed once."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from answerable.approvals.asking.requests import requests_of
from answerable.approvals.deciding.decisions import Decision, decision_on
from answerable.approvals.gate import effects_of
from answerable.tracing import ids
from answerable.tracing.ledger.entries import records_of
from answerable.tracing.storage.store import Tx, open_store
from tests.support.agreement import disagreements
from tests.support.crowd import ADVANCED, VOTED, WON
from tests.support.forks import Forks, Job
from tests.support.parcels import QUORUM
from tests.support.parcels_jobs import DONE, WAITING
from tests.support.receiver import Arrival, Receiver
from tests.support.waiting import until

ATTEMPTS: Final = 10_000  # on each database; half of them answer, half of them have the calls sent
PROCESSES: Final = 4
RUN: Final = ids.derive(ids.RUN, "one decision")

_TOLD: Final = re.compile(
    r"AlreadyDecided: request REQUEST (is already approved|was decided a moment ago)"
    r" \(`answerable show REQUEST` tells by whom\)"
    r"|AlreadyDecided: lead-\d gave this answer already, and it counts \(it waits for .*\)"
    rf"|RunBusy: RUN is being worked on by \S+ \(wait for it; .*\)|{ADVANCED}"
)
"""What those who came second are told: what became of the request, or who has the run."""


@pytest.mark.parametrize("guarantee", ["idempotent", "quorum"])  # of one person, and of three
def test_one_of_ten_thousand(guarantee: str, store_url: str, forks: Forks, receiver: Receiver, tmp_path: Path) -> None:
    place = f"forgets-{tmp_path.name}"  # a call that comes twice would happen twice
    shared = {
        "guarantee": guarantee,
        "store": store_url,
        "origin": receiver.origin(place),
        "environment": {"ANSWERABLE_KEY_FILE": str(tmp_path / "key")},
        "run": RUN,
    }
    assert forks.run({**shared, "verb": "run"}) == [WAITING]
    assert forks.run({**shared, "verb": "invite"}) == [DONE]
    store = open_store(store_url)
    try:
        (request,) = asyncio.run(store.read(lambda tx: [row.id for row in requests_of(tx, RUN)]))
        said = _press(forks, shared | {"request": request}, tmp_path)
        assert forks.run({**shared, "verb": "run"}) == [DONE]
        decision = asyncio.run(store.read(lambda tx: decision_on(tx, request)))
        assert decision is not None
        _check_told(said, request, decision)
        voted = Counter(line.split()[1] for line in said if line.startswith(VOTED))
        people = QUORUM if guarantee == "quorum" else 1
        asyncio.run(store.read(lambda tx: _check_voted(tx, voted, decision, people)))
        asyncio.run(store.read(lambda tx: _check_done(tx, decision, receiver.arrivals(place))))
    finally:
        store.close()


def _check_told(said: Counter[str], request: str, decision: Decision) -> None:
    """One was told that it decided, and all others what became of the request, or who had the run."""
    assert said.total() == ATTEMPTS
    (won,) = [line for line in said if line.startswith(WON)]
    assert said[won] == 1
    assert won.startswith(f"{WON}: {decision.id} {decision.outcome} {decision.option} ")
    others = {line.replace(request, "REQUEST").replace(RUN, "RUN") for line in said if line != won}
    others = {line for line in others if not line.startswith(VOTED)}
    assert [line for line in others if not _TOLD.fullmatch(line)] == []
    late = sum(count for line, count in said.items() if line.startswith("AlreadyDecided"))
    cast = sum(count for line, count in said.items() if line.startswith(VOTED))
    assert late == ATTEMPTS // 2 - 1 - cast


def _check_voted(tx: Tx, told: Counter[str], decision: Decision, people: int) -> None:
    """Each vote was told once and is one record, and the decision counts with those of different people."""
    records = [entry.record for entry in records_of(tx, RUN)]
    voted = {record.vote: record.by for record in records if record.kind == "voted"}
    assert told == dict.fromkeys(voted, 1)
    (decided,) = [record for record in records if record.kind == "decided"]
    assert len(decided.votes) == people - 1
    assert len({*(voted[vote] for vote in decided.votes), decided.by}) == people
    assert decided.by == decision.by


def _check_done(tx: Tx, decision: Decision, arrivals: list[Arrival]) -> None:
    """One record of it, and each call that it released was sent once, at the first attempt."""
    records = Counter(entry.record.kind for entry in records_of(tx, RUN))
    effects = effects_of(tx, RUN)
    released = {"as-proposed": 3, "fewer": 2}[decision.option]
    assert records["decided"] == 1 and records["effect.refused"] == 0
    assert records["effect.sent"] == len(arrivals) == released
    assert Counter((effect.state, effect.attempt) for effect in effects)["done", 1] == released
    assert {effect.state for effect in effects} == {"done", "withdrawn"}
    assert disagreements(tx, RUN, arrivals, honours=False) == []


def _press(forks: Forks, job: Job, folder: Path) -> Counter[str]:
    """Let the processes in at the same moment; what they were told, together."""
    go = folder / "go"
    jobs = [
        {
            **job,
            "verb": "press",
            "attempts": ATTEMPTS // PROCESSES,
            "ready": str(folder / f"ready-{number}"),
            "go": str(go),
            "report": str(folder / f"report-{number}.json"),
        }
        for number in range(PROCESSES)
    ]
    pids = forks.start(*jobs)
    until(lambda: all(Path(str(one["ready"])).exists() for one in jobs), "everybody stands at the door")
    go.touch()
    assert forks.wait(pids) == [DONE] * PROCESSES
    reports = [json.loads(Path(str(one["report"])).read_text(encoding="utf-8")) for one in jobs]
    return sum((Counter(report) for report in reports), Counter())
