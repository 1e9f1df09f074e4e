"""A state machine over everything that authority is made of: nothing leaves that may not, in 100,000 steps.

It is invariants 2, 3, 4, 8, 10, 11, 12 and 14 of the architecture: the model stands for them, and looks on at the very
instant at which a call arrives outside. At the end of each play the records alone have to account for it (`account`).
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from answerable.tracing import failpoints
from tests.authority.machine import Authority
from tests.authority.play import WHERE, Play
from tests.authority.process import Died, make_empty

SHARES = 16
STEPS = 100_000
ACTS = 400  # of one play
LEAST = {  # so often, at least, it has to happen in each share
    "arrived": 50,
    "died": 20,
    "voted": 20,
    "expired": 20,
    "only by escalation": 10,
    "timers": 50,
    "beyond a threshold": 5,
    "glass: broken": 2,
    "glass: too often": 1,
    "glass: a review is overdue": 1,
    "rule approved": 10,
    "ruled": 5,
    "capped": 1,
    "an agent made another one act": 10,
}


@pytest.mark.parametrize("share", range(SHARES))
def test_nobody_gets_more_than_they_may(share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = hypothesis.settings(
        max_examples=5,
        stateful_step_count=ACTS,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    kill = os.kill

    def die(process: int, how: int) -> None:
        if (process, how) != (os.getpid(), signal.SIGKILL):
            kill(process, how)
            return
        Play.playing.life.dead = True
        raise Died("dead")

    monkeypatch.setattr(os, "kill", die)
    with tempfile.TemporaryDirectory(dir=WHERE) as folder, asyncio.Runner() as runner:
        runner.run(make_empty(Path(folder)))

        class Machine(Authority):
            loop = runner.get_loop()
            empty = Path(folder)

        Play.steps, seed = 0, 1000 * share
        Play.seen.clear()
        while Play.steps < STEPS // SHARES:
            run_state_machine_as_test(hypothesis.seed(seed)(Machine), settings=settings)
            seed += 1
        failpoints.arm("")
        assert Play.steps >= STEPS // SHARES
    rare = {what: Play.seen[what] for what, least in LEAST.items() if Play.seen[what] < least}
    assert not rare, "a test of what does not happen shows nothing"
