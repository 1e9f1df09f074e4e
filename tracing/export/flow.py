"""The flow behind a service: committed records get their places, become spans, and leave.

1. It never slows a run: it works in small batches, gives the event loop back after each, and waits a moment after a
   commit so that several steps are taken together.
2. A span is written into the outbox in the transaction that moves the projection's cursor past its record: exactly
   once, however many processes share the store.
3. A process without an endpoint projects nothing and leaves the cursor where it is: the ledger itself is the queue, and
   a process that has an endpoint goes on from there. So a command without settings cannot swallow another one's spans.
4. What another process projected in between is read from the ledger, for the runs that are touched only.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from threading import Lock
from typing import NamedTuple

from sqlalchemy import select

from answerable.errors import AnswerableError
from answerable.tracing.export.delivery import Delivered, Delivery, wait_for
from answerable.tracing.export.outbox import Outgoing, outgoing, put
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.ledger import cursors
from answerable.tracing.ledger.placed import placed_from, placed_of
from answerable.tracing.ledger.records import RunEnded
from answerable.tracing.ledger.sequencer import sequence
from answerable.tracing.spans.history import RunHistory
from answerable.tracing.spans.projection import project
from answerable.tracing.spans.span import SpanData
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, Tx
from answerable.tracing.storage.tables import records

_log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2  # other processes write records, too
GATHER_SECONDS = 0.05  # after a nudge, until work begins
AGAIN_SECONDS = 1.0  # after the store failed
BATCH = 64  # records
SHARE = 3  # it rests so many times as long as it works
MOST_HISTORIES = 256

_UNPLACED = Statement(select(records.c.id).where(records.c.seq.is_(None)).limit(1))


class Projected(NamedTuple):
    """One batch: the place after its last record, and how many spans it has."""

    came_to: int
    spans: int


class Flow:
    """What follows the ledger of one store, in one process. All of it runs on one event loop."""

    def __init__(self, store: Store, settings: ExportSettings | None = None) -> None:
        self.settings = ExportSettings.from_environment() if settings is None else settings
        self.projected = 0  # spans, by this process
        self._store = store
        self._delivery = Delivery(store, self.settings) if self.settings.endpoint else None
        self._histories: dict[str, RunHistory] = {}
        self._came_to = -1  # the place that this process projected up to
        self._others: deque[Outgoing] = deque()
        self._one_at_a_time = asyncio.Lock()
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_lock = Lock()

    @property
    def delivered(self) -> Delivered:
        """What was delivered so far, by this process."""
        return self._delivery.so_far if self._delivery is not None else Delivered()

    def nudge(self) -> None:
        """Something was committed. Cheap, and only to be called on the event loop of `run`."""
        self._wake.set()

    def hand_over(self, span: Outgoing) -> None:
        """A span of another library, from any thread. Without an endpoint it is dropped."""
        if self._delivery is None:
            return
        self._others.append(span)
        with self._loop_lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Follow the ledger until cancelled. What the store cannot do now is tried again later."""
        with self._loop_lock:
            self._loop = asyncio.get_running_loop()
        delivering = asyncio.create_task(self._deliver()) if self._delivery is not None else None
        try:
            while True:
                await wait_for(self._wake, LOOK_SECONDS)
                if self._wake.is_set():
                    await asyncio.sleep(GATHER_SECONDS)
                    self._wake.clear()
                await self._follow()
        finally:
            with self._loop_lock:
                self._loop = None
            if delivering is not None:
                delivering.cancel()
                await asyncio.gather(delivering, return_exceptions=True)

    async def drain(self, timeout_seconds: float) -> bool:
        """Place, project and deliver what is there; whether all of it left in time. Needs no `run` beside it.

        Without an endpoint there is nothing to deliver. Raises: StoreError.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                while await self._advance():
                    pass
                return self._delivery is None or await self._deliver_all(self._delivery)
        except TimeoutError:
            return False

    # -- delivery -----------------------------------------------------------------------------------------------------

    async def _deliver(self) -> None:
        assert self._delivery is not None
        while True:
            try:
                await self._delivery.run()
            except AnswerableError as error:
                _log.warning("spans wait: %s", error)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _deliver_all(self, delivery: Delivery) -> bool:
        while (result := await delivery.deliver()) != "idle":
            if result == "failed":
                await asyncio.sleep(delivery.pause_seconds())
            elif result == "busy":
                await asyncio.sleep(GATHER_SECONDS)
        return True

    # -- places and spans ---------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        try:
            while True:
                began = time.monotonic()
                if not await self._advance():
                    return
                await asyncio.sleep(SHARE * (time.monotonic() - began))
        except AnswerableError as error:
            _log.warning("the ledger's followers wait: %s", error)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _advance(self) -> bool:
        """One batch; False if there was nothing to do."""
        async with self._one_at_a_time:
            unplaced, unread = await self._store.read(self._behind)
            if unplaced:
                await self._store.write(sequence)
            exporting = self._delivery is not None
            worked = unplaced
            if exporting and (unplaced or unread):
                done = await self._store.write(self._project)
                if done is not None:
                    worked = True
                    self._came_to = done.came_to
                    self.projected += done.spans
            if self._others:
                await self._put_others()
            if exporting and self._delivery is not None:
                self._delivery.nudge()
        return worked

    def _behind(self, tx: Tx) -> tuple[bool, bool]:
        """Whether records wait for their places, and whether placed ones wait to be projected."""
        unread = cursors.position_of(tx, cursors.PROJECTION) < cursors.position_of(tx, cursors.SEQUENCER)
        return tx.one(_UNPLACED) is not None, unread

    def _project(self, tx: Tx) -> Projected | None:
        """Project the next records. It may be called again for the same ones, so histories are checked, not trusted."""
        start = cursors.position_of(tx, cursors.PROJECTION)
        batch, end = placed_from(tx, start, BATCH)
        if end == start or not cursors.advance(tx, cursors.PROJECTION, start, end):
            return None
        touched: dict[str, RunHistory] = {}
        spans: list[SpanData] = []
        for placed in batch:
            run = placed.record.run
            if not run or not self.settings.samples(run):
                continue
            history = touched.get(run)
            if history is None:
                history = touched[run] = self._history(tx, run, start)
            spans += project(placed, history)
            history.add(placed)
            if isinstance(placed.record, RunEnded):
                self._histories.pop(run, None)
        put(tx, outgoing(spans), at=self._store.clock.now())
        return Projected(end, len(spans))

    def _history(self, tx: Tx, run: str, start: int) -> RunHistory:
        """The history of a run up to the place `start`."""
        history = self._histories.pop(run, None)
        if history is None or history.upto > start:  # never seen, or left behind by a transaction that was undone
            history = RunHistory(run)
        if start != self._came_to or history.upto == 0:
            for placed in placed_of(tx, run, start=history.upto, end=start):
                history.add(placed)
        self._histories[run] = history  # the newest stands last
        while len(self._histories) > MOST_HISTORIES:
            del self._histories[next(iter(self._histories))]
        return history

    async def _put_others(self) -> None:
        waiting = list(self._others)
        await self._store.write(lambda tx: put(tx, waiting, at=self._store.clock.now()))
        for _ in waiting:
            self._others.popleft()
