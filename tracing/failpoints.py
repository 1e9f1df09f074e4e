"""Failpoints: named places where a test kills the process, to prove that nothing is lost there.

`ANSWERABLE_FAILPOINT=name:n` kills it (SIGKILL, as a power cut would) when the place `name` is reached for the n-th time.
Without that variable a failpoint costs one comparison.
"""

from __future__ import annotations

import os
import signal

_armed = os.environ.get("ANSWERABLE_FAILPOINT", "")
_reached = 0

NAMES = (
    "run:before-commit",
    "run:after-commit",
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
    "effect:before-finish",
    "effect:after-finish",
    "gather:before-commit",
    "gather:after-commit",
    "end:before-commit",
    "end:after-commit",
)


def failpoint(name: str) -> None:
    """A place where `ANSWERABLE_FAILPOINT` may kill this process."""
    global _reached
    if not _armed:
        return
    wanted, _, count = _armed.rpartition(":")
    if wanted == name:
        _reached += 1
        if _reached == int(count):
            os.kill(os.getpid(), signal.SIGKILL)
