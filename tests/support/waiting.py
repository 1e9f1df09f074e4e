"""Waiting for what other processes and threads do. What never comes fails its test, and says what it waited for."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 60.0  # many times as long as any of it takes on a busy machine


def until(holds: Callable[[], object], what: str) -> None:
    """Return as soon as something holds. Raises: AssertionError if it does not come to that."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited {SECONDS:.0f} s in vain: {what}"
        time.sleep(0.005)
