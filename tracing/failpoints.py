"""Failpoints: named places where a test kills the process, to prove that nothing is lost there.

`ANSWERABLE_FAILPOINT=name:n` kills it (SIGKILL, as a power cut would) when the place `name` is reached for the n-th time.
Without that variable a failpoint costs one comparison.
"""

from __future__ import annotations

import os
import signal

_armed = ""
_left = 0

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
    "rest:before-commit",
    "rest:after-commit",
    "end:before-commit",
    "end:after-commit",
    "release:before-commit",
    "release:after-commit",
)


def arm(point: str) -> None:
    """Kill this process at `point`, "name:n", counted from now; "" for never. Raises: ValueError for an unknown name."""
    global _armed, _left
    name, _, count = point.rpartition(":")
    if point and name not in NAMES:
        raise ValueError(f"{point!r} is no failpoint: name:n with one of {', '.join(NAMES)}")
    _armed, _left = name, int(count or 0)


def failpoint(name: str) -> None:
    """A place where the process is killed if it is armed for it."""
    global _left
    if not _armed or _armed != name:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


arm(os.environ.get("ANSWERABLE_FAILPOINT", ""))
