"""A process is killed at every named failpoint, each time that it comes there; the run ends as if it had not been."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from answerable.tracing.failpoints import NAMES
from tests.crash.trials import Trial
from tests.support.forks import KILLED

STAGES = ("run", "decide", "run")  # the processes of an undisturbed run, one after another
ELSEWHERE = ("doubt:before-commit", "doubt:after-commit")  # no doubt about a receiver that honours keys: test_in_doubt


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ELSEWHERE])
def test_killed_at_failpoint(name: str, trial: Callable[[str], Trial], undisturbed: dict[str, Any]) -> None:
    reached = 0
    for stage, verb in enumerate(STAGES):
        for count in itertools.count(1):
            disturbed = trial(f"{name.replace(':', '-')}-{stage}-{count}")
            for before in STAGES[:stage]:
                disturbed.live({"verb": before})
            if disturbed.live({"verb": verb, "failpoint": f"{name}:{count}"}) != [KILLED]:
                break
            reached += 1
            disturbed.complete()
            assert disturbed.form() == undisturbed, disturbed.story
    assert reached, f"{name} is never reached"
