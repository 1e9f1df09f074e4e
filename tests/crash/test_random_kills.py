"""Workers and deciders are killed at random instants, alone and side by side, and the run ends as an undisturbed one.

`ANSWERABLE_CRASH_SEED` begins elsewhere; a failure names its trial, which is repeated by its number.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.crash.trials import Trial, kill_at_random

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
        kill_at_random(chance, disturbed, LIFE_SECONDS)
        assert disturbed.form() == undisturbed, disturbed.story
