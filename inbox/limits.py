"""How often one person, or one address that nobody vouches for, is answered.

1. A bucket for each name: it holds `burst` answers and fills up with `per_second`. It counts in this process only.
2. Many answers at once take as many, which may leave less than nothing: the next one waits until that is made up for.
3. It goes by the store's clock. What is refused is refused before it costs anything; but a bad credential costs a look,
   since no number of them keeps a good one out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from answerable.errors import TooManyRequests

MOST_NAMES: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How much of one kind: `burst` at once, `per_second` in the long run."""

    burst: int
    per_second: float


READING: Final = Rate(burst=200, per_second=20)
DECIDING: Final = Rate(burst=60, per_second=1)
GUESSING: Final = Rate(burst=20, per_second=0.2)  # failed attempts to come in


@dataclass
class Limits:
    """The buckets: what each name has left, and when that was."""

    _left: dict[tuple[str, Rate], tuple[float, int]] = field(default_factory=dict)

    def take(self, name: str, rate: Rate, *, now: int) -> None:
        """Take one answer. Raises: TooManyRequests."""
        self.check(name, rate, now=now)
        self.charge(name, rate, 1, now=now)

    def charge(self, name: str, rate: Rate, count: int, *, now: int) -> None:
        """Take so many answers, whether there are as many or not."""
        self._left[name, rate] = (self._filled(name, rate, now) - count, now)

    def check(self, name: str, rate: Rate, *, now: int) -> None:
        """Whether there is one to take. Raises: TooManyRequests."""
        if self._filled(name, rate, now) < 1:
            raise TooManyRequests("that was too often", hint="wait a little, and ask less often")
        if len(self._left) > MOST_NAMES:  # the names that have all they may have need no bucket
            empty = {known for known in self._left if self._filled(*known, now) < known[1].burst}
            self._left = {known: self._left[known] for known in empty}

    def _filled(self, name: str, rate: Rate, now: int) -> float:
        left, at = self._left.get((name, rate), (float(rate.burst), now))
        return min(rate.burst, left + rate.per_second * max(0, now - at) / 1e6)
