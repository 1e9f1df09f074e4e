"""Times as people type them: how long ago, or when."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from answerable.errors import InvalidInput
from answerable.tracing.clock import Micros, micros

_AGO: Final = re.compile(r"(\d+)([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def since(text: str, now: Micros) -> Micros:
    """The time that is meant by `90m`, `6h`, `2d` (ago), a date, or a time. Without a zone it is UTC.

    Raises: InvalidInput.
    """
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now - micros(int(ago[1]) * _SECONDS[ago[2]])
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(
            f"{text!r} is no time", hint="90m, 6h, 2d, 2026-11-26 or 2026-11-26T08:00:00+01:00"
        ) from error
    return micros((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
