"""Workers and deciders are killed at random instants, alone and side by side, and the run ends as an undisturbed one.

`ANSWERABLE_CRASH_SEED` begins elsewhere; a failure names its trial, which is repeated by its number.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.crash.trials import Trial

TRIALS, CHUNKS = 200, 8
LIFE_SECONDS = (
    0.12  # about twice as long as a worker works on the run here; later kills come too late, and that is fine
)
SEED = int(os.environ.get("ANSWERABLE_CRASH_SEED", "1"))


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_killed_at_random_instants(chunk: int, trial: Callable[[str], Trial], undisturbed: dict[str, Any]) -> None:
    for number in range(chunk, TRIALS, CHUNKS):
        chance = random.Random(SEED * 1_000_000 + number)
        disturbed = trial(str(number))
        for _ in range(chance.randint(1, 3)):
            disturbed.live(*_jobs(chance))
        disturbed.complete()
        assert disturbed.form() == undisturbed, disturbed.story


def _jobs(chance: random.Random) -> list[dict[str, Any]]:
    """A worker that is killed, and perhaps a decider beside it, which may be killed as well."""
    jobs: list[dict[str, Any]] = [{"verb": "run", "kill_after": chance.uniform(0, LIFE_SECONDS)}]
    if chance.random() < 0.6:
        decider: dict[str, Any] = {"verb": "decide"}
        if chance.random() < 0.5:
            decider["kill_after"] = chance.uniform(0, LIFE_SECONDS)
        jobs.append(decider)
    return jobs
