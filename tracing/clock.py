"""Time, as it is written into records: whole microseconds since the Unix epoch."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final, Protocol

Micros = int

_SECONDS: Final = {"hour": 3600, "day": 86400}


class Clock(Protocol):
    """Where the time comes from; tests give their own."""

    def now(self) -> Micros:
        """Microseconds since the Unix epoch."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> Micros:
        return time.time_ns() // 1000


def micros(seconds: float) -> Micros:
    """Seconds as microseconds."""
    return round(seconds * 1_000_000)


def iso(at: Micros | None) -> str | None:
    """A time for programs: ISO 8601 in UTC."""
    return None if at is None else datetime.fromtimestamp(at / 1e6, UTC).isoformat()


def to_the_second(at: str | None) -> str:
    """A time for people, of one for programs: to the second, without its zone."""
    return (at or "")[:19].replace("T", " ")


def window_of(per: str, at: Micros) -> Micros:
    """When the hour or the day (of UTC) of a time began."""
    length = micros(_SECONDS[per])
    return at // length * length
