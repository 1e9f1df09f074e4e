"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime

from answerable.tracing.clock import Micros, micros

_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """Give it to `connect(clock=…)`: deadlines then pass when the test says so, and never by themselves.

    `at` is where it begins. Pauses between tries are real seconds: declare short ones in tests.
    """

    def __init__(self, at: datetime = _BEGINNING) -> None:
        self._now = micros(at.timestamp())

    def now(self) -> Micros:
        """Microseconds since the Unix epoch."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move it forward. Raises: ValueError for a step back, which recorded times never make."""
        if seconds < 0:
            raise ValueError(f"a clock does not go back, and {seconds} is less than 0")
        self._now += micros(seconds)
