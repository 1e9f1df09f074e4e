"""Two processes advance one run at the same time, and take it from each other: it is as if there had been one."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from answerable.orchestrator.canonical import canonical
from answerable.tracing import ids
from answerable.tracing.ledger.verify import verify_ledger
from answerable.tracing.storage.store import Tx, open_store
from tests.support.agreement import disagreements
from tests.support.forks import Forks
from tests.support.parcels_jobs import DONE
from tests.support.receiver import Arrival, Receiver

RACES, CHUNKS = 500, 8  # on each database


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_races(chunk: int, store_url: str, forks: Forks, receiver: Receiver, tmp_path: Path) -> None:
    runs = [ids.derive(ids.RUN, "race", str(number)) for number in range(chunk, RACES, CHUNKS)]
    guarantee = "at_most_once" if chunk < 2 else "idempotent"  # a hundred and more: what came is never sent again
    place = f"{'forgets' if chunk < 2 else 'honours'}-{tmp_path.name}"
    shared = {
        "store": store_url,
        "origin": receiver.origin(place),
        "guarantee": guarantee,
        "environment": {"ANSWERABLE_KEY_FILE": str(tmp_path / "key")},
        "run": runs[0],
        "runs": runs,
    }
    forks.run({**shared, "verb": "run"})  # the people are registered
    reports = [tmp_path / "left.json", tmp_path / "right.json"]
    codes = forks.run(*({**shared, "verb": "race", "report": str(report)} for report in reports))
    assert codes == [DONE, DONE]
    lost: Counter[str] = Counter()
    for report in reports:
        for each in json.loads(report.read_text(encoding="utf-8")):
            lost.update(each)
    assert lost["busy"] and lost["lease"], lost  # they did meet
    arrivals = receiver.arrivals(place)
    store = open_store(store_url)
    try:
        shapes = asyncio.run(store.read(lambda tx: [look(tx, run, arrivals) for run in runs]))
        assert asyncio.run(store.read(verify_ledger)).faults == ()
    finally:
        store.close()
    assert shapes == shapes[:1] * len(shapes)
    assert all(shape["happened"] <= shape["effects"]["post.send", "done"] for shape in shapes)


def look(tx: Tx, run: str, everything: list[Arrival]) -> dict[str, Any]:
    """What is the same for every run of the system, after its books were found to agree."""
    arrivals = [arrival for arrival in everything if f"run={run};" in arrival.headers["accountability"]]
    assert disagreements(tx, run, arrivals, ledger=False) == []
    form = canonical(tx, run)
    return {
        "status": form["status"],
        "records": form["records"],
        "steps": Counter((step["node"], step["state"]) for step in form["steps"]),
        "edges": Counter(crossing["edge"] for crossing in form["crossings"]),
        "effects": Counter((effect["name"], effect["state"]) for effect in form["effects"]),
        "happened": sum(arrival.happened for arrival in arrivals),
    }
