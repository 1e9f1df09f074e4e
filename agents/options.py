"""Small frozen option objects and the units of time."""

from __future__ import annotations

from dataclasses import dataclass

SECOND = 1.0
MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How often a step or a call is tried: `attempts` in all, the first pause in seconds, and what each pause is
    multiplied by.
    """

    attempts: int = 1
    pause_seconds: float = 0.5
    factor: float = 2.0

    def pause_after(self, attempt: int) -> float:
        """Seconds to wait after the given attempt (counted from 1)."""
        return self.pause_seconds * self.factor ** (attempt - 1)
