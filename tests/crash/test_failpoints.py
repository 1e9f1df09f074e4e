"""A process is killed at every named failpoint, each time that it comes there; the run ends as if it had not been."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from answerable.tracing.failpoints import NAMES, arm
from tests.crash.trials import Stages, kill_everywhere
from tests.support.forks import KILLED

ELSEWHERE = (
    *("doubt:before-commit", "doubt:after-commit"),  # no doubt about a receiver that honours keys: test_in_doubt
    *("anew:before-commit", "anew:after-commit"),  # nothing is taken back in an undisturbed run: test_revoking
)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ELSEWHERE])
def test_killed_at_failpoint(name: str, stages: Stages, undisturbed: dict[str, Any]) -> None:
    kill_everywhere(name, stages, undisturbed)


def test_killed_by_the_environment() -> None:
    program = (
        "from answerable.tracing.failpoints import failpoint as f; f('run:after-commit'); print('once', flush=True); "
    )
    program += "f('run:before-commit'); f('run:after-commit'); print('never')"
    killed = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "ANSWERABLE_FAILPOINT": "run:after-commit:2"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (killed.returncode, killed.stdout) == (KILLED, "once\n")


def test_an_unknown_failpoint_is_refused() -> None:
    with pytest.raises(ValueError, match="is no failpoint"):
        arm("nowhere:1")
