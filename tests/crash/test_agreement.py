"""The check that the crash tests rely on finds what is wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text

from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx, open_store
from tests.crash.trials import Trial, parcels_trial
from tests.support.agreement import disagreements
from tests.support.forks import Forks
from tests.support.parcels import RUN
from tests.support.receiver import Arrival, Receiver


@pytest.fixture(scope="module")
def calm(forks: Forks, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    trial = parcels_trial("calm", forks, receiver, tmp_path_factory.mktemp("agreement"))
    trial.complete()
    trial.form()
    return trial


@pytest.mark.parametrize(
    ("harm", "finds"),
    [
        ("DELETE FROM records WHERE kind = 'crossed' AND id % 2 = 0", "crossings without a record"),
        ("DELETE FROM crossings WHERE edge LIKE 'price%'", "crossings that are recorded and not there"),
        ("DELETE FROM steps WHERE node = 'report'", "finished steps that are recorded and not there"),
        ("UPDATE steps SET attempt = 2 WHERE node = 'report'", "1 records of beginning, attempt 2"),
        ("DELETE FROM grants", "grants that are recorded and not there"),
        ("UPDATE effects SET state = 'in-doubt'", "has no record that says so"),
        ("UPDATE effects SET body = x'7b7d'", "arrived as something else"),
        ("UPDATE effects SET attempt = 0", "sent 0 times"),
        ("UPDATE records SET body = replace(body, 'report', 'rapport')", "its bytes are not those"),
        ("UPDATE runs SET status = 'running'", "the run is running"),
    ],
)
def test_disagreement_is_found(harm: str, finds: str, calm: Trial) -> None:
    class Undo(Exception):
        pass

    found: list[str] = []
    store = open_store(calm.store)
    arrivals = calm.arrivals()

    def work(tx: Tx) -> None:
        tx.run(Statement(text(harm)))
        found.extend(disagreements(tx, RUN, arrivals))
        raise Undo

    with pytest.raises(Undo):
        asyncio.run(store.write(work))
    store.close()
    assert any(finds in line for line in found), found


def test_what_came_twice_or_from_nowhere_is_found(calm: Trial) -> None:
    first, *others = calm.arrivals()

    def found(*arrivals: Arrival) -> list[str]:
        return calm.read(lambda tx: disagreements(tx, RUN, [first, *others, *arrivals]))

    assert found() == []
    assert any("came 2 times" in line for line in found(replace(first, happened=False)))
    assert any("happened 2 times" in line for line in found(first))
    assert any("no effect knows" in line for line in found(replace(first, key="another")))
