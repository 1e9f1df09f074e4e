"""A process is killed while a decision is taken back, and while it is asked anew: nothing is lost, nothing is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.test_in_doubt import begin
from tests.support.forks import KILLED, Forks
from tests.support.parcels_jobs import DONE, WAITING
from tests.support.receiver import Receiver


@pytest.mark.parametrize(
    ("verb", "point"),
    [
        ("revoke", "intervention:before-commit:1"),
        ("revoke", "intervention:after-commit:1"),
        ("run", "anew:before-commit:1"),
        ("run", "anew:after-commit:1"),
        ("run", "request:before-commit:1"),
        ("run", "request:after-commit:1"),
    ],
)
def test_killed_while_it_is_taken_back(verb: str, point: str, forks: Forks, receiver: Receiver, tmp_path: Path) -> None:
    trial = begin("disturbed", "idempotent", forks, receiver, tmp_path)
    for each in ("revoke", "run"):
        if each == verb:
            assert trial.live({"verb": each, "failpoint": point}) == [KILLED], trial.story
        trial.live({"verb": each})
    assert trial.live({"verb": "run"}) == [WAITING]
    assert trial.arrivals() == []
    trial.live({"verb": "decide"})
    assert trial.live({"verb": "run"}) == [DONE], trial.story
    keys = [arrival.key for arrival in trial.arrivals()]
    assert len(keys) == len(set(keys)) == 3, trial.story
