"""Room: how full the outbox may get, and what happens before it is.

1. From `ALARM` of the bound on, it is said: in the log, in the metrics, by `answerable traces status`.
2. From `FULL` on, records are no longer projected. The ledger is the queue then, and the projection goes on from where
   it stands when there is room again: nothing of ours is lost, and no run waits.
3. The rest is for other libraries' spans, which nothing else has. At the bound they are dropped and counted.

One batch of records is projected as a whole, so the outbox may come past `FULL` by its spans.
"""

from __future__ import annotations

from typing import Final, Literal

from answerable.tracing.export.settings import ExportSettings

Room = Literal["enough", "short", "full"]

ALARM: Final = 0.5  # of the bound
FULL: Final = 0.9


def room(taken: int, settings: ExportSettings) -> Room:
    """How much room is left where spans take `taken` bytes."""
    if taken >= FULL * settings.most_bytes:
        return "full"
    return "short" if taken >= ALARM * settings.most_bytes else "enough"
