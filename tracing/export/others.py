"""Other libraries' spans on their way to the outbox: handed over by whatever thread ended them, written by the flow.

1. What waits in memory is bounded, and what waits in the outbox is. What finds no room is dropped and counted, since
   nothing else has it; it is said once, until there is room again.
2. Handing over never waits for the database.
"""

from __future__ import annotations

import logging
from collections import deque
from threading import Lock
from typing import Final

from answerable.tracing.export import tallies
from answerable.tracing.export.outbox import Outgoing, put
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.storage.store import Store, Tx

_log = logging.getLogger(__name__)

MOST_BYTES: Final = 16_000_000  # in memory: some seconds of ten thousand spans each


class Others:
    """The queue of one process. Any thread may add to it; one task writes what it holds."""

    def __init__(self, settings: ExportSettings) -> None:
        self.dropped = 0  # spans, by this process
        self._most_bytes = settings.most_bytes
        self._spans: deque[Outgoing] = deque()
        self._bytes = 0
        self._uncounted = 0  # dropped, and not in the store's tally yet
        self._closed = False
        self._said = False
        self._lock = Lock()

    def __bool__(self) -> bool:
        """Whether there is something to write."""
        return bool(self._spans or self._uncounted)

    def add(self, span: Outgoing) -> None:
        """Take a span, or drop it where there is no room."""
        with self._lock:
            fits = not self._closed and self._bytes + span.size <= MOST_BYTES
            if fits:
                self._spans.append(span)
                self._bytes += span.size
            else:
                self._uncounted += 1
                self.dropped += 1
            say = not fits and not self._said
            self._said = self._said or not fits
        if say:
            _log.warning("spans of other libraries are dropped: %s", "closed" if self._closed else "too many at once")

    def close(self) -> None:
        """Take no more."""
        self._closed = True

    async def write(self, store: Store) -> None:
        """Put what waits into the outbox, as far as there is room. Raises: StoreError, with all of it still waiting."""
        with self._lock:
            waiting, uncounted = list(self._spans), self._uncounted

        def work(tx: Tx) -> int:
            left = self._most_bytes - tallies.value(tx, tallies.BYTES)
            fitting = 0
            for span in waiting:
                left -= span.size
                if left < 0:
                    break
                fitting += 1
            put(tx, waiting[:fitting], at=store.clock.now())
            refused = len(waiting) - fitting
            tallies.add(tx, {tallies.DROPPED: uncounted + refused})
            return refused

        refused = await store.write(work)
        with self._lock:
            for span in waiting:
                self._spans.popleft()
                self._bytes -= span.size
            self._uncounted -= uncounted
            self.dropped += refused
            say, self._said = refused > 0 and not self._said, refused > 0
        if say:
            _log.warning("spans of other libraries are dropped: the outbox is full")
