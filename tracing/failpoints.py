"""Failpoints: named places where a test kills the process, to prove that nothing is lost there.

1. `ANSWERABLE_FAILPOINT=name:n` kills it with SIGKILL when the place `name` is reached for the n-th
   time. Without it a failpoint costs one look-up.
2. There is one before and one after each commit of a run, before and after each call, and around its answer.
"""

from __future__ import annotations

import os
import signal

_armed: dict[str, int] = {}  # how often the place will be reached until the process is killed there

NAMES = (
    "connect:before-commit",
    "connect:after-commit",
    "run:before-commit",
    "run:after-commit",
    "lease:before-commit",
    "lease:after-commit",
    "step:before-begin",
    "step:after-begin",
    "step:before-finish",
    "step:after-finish",
    "request:before-commit",
    "request:after-commit",
    "decision:before-commit",
    "decision:after-commit",
    "route:before-commit",
    "route:after-commit",
    "send:before-commit",
    "send:after-commit",
    "send:after-response",
    "doubt:before-commit",
    "doubt:after-commit",
    "intervention:before-commit",
    "intervention:after-commit",
    "effect:before-finish",
    "effect:after-finish",
    "gather:before-commit",
    "gather:after-commit",
    "anew:before-commit",
    "anew:after-commit",
    "rest:before-commit",
    "rest:after-commit",
    "end:before-commit",
    "end:after-commit",
    "release:before-commit",
    "release:after-commit",
)


def arm(point: str) -> None:
    """Kill this process at `point` ("name:n"), counted from now; "" disarms.

    Raises: ValueError for an unknown place.
    """
    _armed.clear()
    if point:
        name, _, count = point.rpartition(":")
        if name not in NAMES:
            raise ValueError(f"{point!r} is no failpoint: name:n, with one of {', '.join(NAMES)}")
        _armed[name] = int(count)


def failpoint(name: str) -> None:
    """A place where the process is killed if it is armed for it."""
    if name in _armed:
        _armed[name] -= 1
        if _armed[name] == 0:
            os.kill(os.getpid(), signal.SIGKILL)


arm(os.environ.get("ANSWERABLE_FAILPOINT", ""))
