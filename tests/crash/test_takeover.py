"""A worker that is known to be gone holds nothing up; one that may live keeps its run until its lease is over."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from answerable.orchestrator.workers import is_gone, worker_name
from tests.crash.trials import Trial
from tests.support.forks import KILLED, ROOT, Forks
from tests.support.parcels import RUN
from tests.support.parcels_jobs import BUSY, DONE, WAITING
from tests.support.receiver import Receiver
from tests.support.waiting import until

NOW = {"ahead": 0.0}


def test_a_dead_workers_run_is_taken_over_at_once(trial: Callable[[str], Trial], undisturbed: dict[str, Any]) -> None:
    disturbed = trial("dead")
    assert disturbed.live({"verb": "run", "failpoint": "step:after-begin:3", **NOW}) == [KILLED]
    assert disturbed.live({"verb": "run", **NOW}) == [WAITING]
    assert disturbed.live({"verb": "decide", **NOW}) == [DONE]
    assert disturbed.live({"verb": "run", **NOW}) == [DONE]
    assert disturbed.form() == undisturbed


def test_a_living_workers_run_is_left_to_it(forks: Forks, receiver: Receiver, tmp_path: Path) -> None:
    place = f"honours-{tmp_path.name}"
    job = {"store": f"sqlite:///{tmp_path / 'a.db'}", "origin": receiver.origin(place), "run": RUN}
    assert [forks.run({**job, "verb": verb}) for verb in ("run", "decide")] == [[WAITING], [DONE]]
    receiver.hold(place)
    (living,) = forks.start({**job, "verb": "run"})
    until(lambda: receiver.arrivals(place), "a call came")
    assert forks.run({**job, "verb": "run"}) == [BUSY]
    receiver.release(place)
    assert forks.wait([living]) == [DONE]


def test_who_is_gone() -> None:
    program = "from answerable.orchestrator.workers import worker_name; print(worker_name())"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    name = ended.stdout.strip()
    assert is_gone(name)
    assert not is_gone(worker_name())  # this process
    host, process, place = name.rsplit(":", 2)
    assert not is_gone(f"another-{host}:{process}:{place}")
    assert not is_gone(f"{host}:{process}:0{place}")
    assert not is_gone(f"{host}:1:{place}")  # it is there, and perhaps somebody else's
    for other in ("", "a worker", f"{host}:{process}", f"{host}:{process}:"):
        assert not is_gone(other)
