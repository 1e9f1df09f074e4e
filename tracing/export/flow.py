"""The flow behind a service: committed records get their places, become spans, and leave.

1. It never slows a run: it works in small batches, gives the event loop back after each, and waits a moment after a
   commit so that several steps are taken together.
2. A span is written into the outbox in the transaction that moves the projection's cursor past its record: exactly
   once, however many processes share the store.
3. A process without an endpoint projects nothing and leaves the cursor where it is: the ledger itself is the queue, and
   a process that has an endpoint goes on from there. So a command without settings cannot swallow another one's spans.
4. Where the outbox is full, the projection stands still in the same way, and goes on when there is room (`room.py`).
5. What another process projected in between is read from the ledger, for the runs that are touched only.
6. The ledger is signed when that is due, and anchored beside the rest: an anchor that is slow or gone holds up nothing.
7. When all is quiet, the index of ids is fed (`naming.py`). A run pays nothing for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from sqlalchemy import select

from answerable.errors import AnswerableError
from answerable.tracing.export import tallies
from answerable.tracing.export.delivery import Delivered, Delivery, wait_for
from answerable.tracing.export.others import Others
from answerable.tracing.export.outbox import Outgoing, outgoing, put
from answerable.tracing.export.room import Room, room
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.ledger import cursors
from answerable.tracing.ledger.checkpointing import Checkpointing
from answerable.tracing.ledger.naming import feed, is_behind
from answerable.tracing.ledger.placed import placed_from, placed_of
from answerable.tracing.ledger.records.runs import RunEnded
from answerable.tracing.ledger.records.steps import StepFinished
from answerable.tracing.ledger.sequencer import sequence
from answerable.tracing.spans.history import RunHistory
from answerable.tracing.spans.projection import catch_up, follow
from answerable.tracing.spans.span import SpanData
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, Tx
from answerable.tracing.storage.tables.ledger import records

_log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2  # other processes write records, too
GATHER_SECONDS = 0.05  # after a nudge, until work begins
AGAIN_SECONDS = 1.0  # after the store failed
QUIET_SECONDS = 1.0  # without anything new, until the index of ids is fed
ANCHOR_SECONDS = 2.0  # until an anchor that failed is looked at again
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
        self._checkpointing = Checkpointing(store)
        self._signed = asyncio.Event()
        self._others = Others(self.settings)
        self._room: Room = "enough"
        self._said: set[Room] = set()
        self._one_at_a_time = asyncio.Lock()
        self._wake = asyncio.Event()
        self._worked_at = time.monotonic()  # when there was last something to place or to project
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_lock = Lock()

    @property
    def delivered(self) -> Delivered:
        """What was delivered so far, by this process."""
        return self._delivery.so_far if self._delivery is not None else Delivered()

    @property
    def dropped(self) -> int:
        """How many spans of other libraries this process dropped, because there was no room for them."""
        return self._others.dropped

    def nudge(self) -> None:
        """Something was committed. Cheap, and only to be called on the event loop of `run`."""
        self._wake.set()

    def hand_over(self, span: Outgoing) -> None:
        """A span of another library, from any thread. Without an endpoint it is dropped."""
        if self._delivery is None:
            return
        self._others.add(span)
        with self._loop_lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._wake.set)

    def close(self) -> None:
        """Other libraries' spans that end from now on come too late, and are dropped. `drain` what there is next."""
        self._others.close()

    async def run(self) -> None:
        """Follow the ledger until cancelled. What the store cannot do now is tried again later."""
        with self._loop_lock:
            self._loop = asyncio.get_running_loop()
        beside = [asyncio.create_task(self._anchor())]
        if self._delivery is not None:
            beside.append(asyncio.create_task(self._deliver()))
        try:
            while True:
                await wait_for(self._wake, LOOK_SECONDS)
                if self._wake.is_set():
                    await asyncio.sleep(GATHER_SECONDS)
                    self._wake.clear()
                await self._follow()
                await self._name()
        finally:
            with self._loop_lock:
                self._loop = None
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def drain(self, timeout_seconds: float, *, patience_seconds: float | None = None) -> bool:
        """Place, project, sign, anchor and deliver what is there; whether all of it left in time.

        It also gives up when nothing was done for `patience_seconds`, if that is given. Needs no `run` beside it.
        Without an endpoint there is nothing to deliver. Raises: StoreError.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_seconds), asyncio.timeout(patience_seconds) as patience:

                def goes_on() -> None:
                    if patience_seconds is not None and not patience.expired():
                        patience.reschedule(loop.time() + patience_seconds)

                while await self._advance():
                    goes_on()
                await self._checkpointing.sign(wait=True)
                await self._checkpointing.anchor(again=True)
                if self._delivery is None:
                    return True
                await self._deliver_all(self._delivery, goes_on)
                while await self._advance():  # there was no room for all of it, and now there is
                    await self._deliver_all(self._delivery, goes_on)
                return self._room != "full"  # of what was rejected: nothing more can be projected
        except TimeoutError:
            return False

    # -- checkpoints --------------------------------------------------------------------------------------------------

    async def _anchor(self) -> None:
        while True:
            kept = await self._checkpointing.anchor()
            await wait_for(self._signed, 60.0 if kept else ANCHOR_SECONDS)
            self._signed.clear()

    # -- delivery -----------------------------------------------------------------------------------------------------

    async def _deliver(self) -> None:
        assert self._delivery is not None
        while True:
            try:
                await self._delivery.run()
            except AnswerableError as error:
                _log.warning("spans wait: %s", error)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _deliver_all(self, delivery: Delivery, goes_on: Callable[[], None]) -> None:
        while (result := await delivery.deliver()) != "idle":
            if result == "sent":
                goes_on()
            elif result == "failed":
                await asyncio.sleep(delivery.pause_seconds())
            elif result == "busy":
                await asyncio.sleep(GATHER_SECONDS)

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

    async def _name(self) -> None:
        """While all is quiet, feed the index of ids, for whoever asks `why` later."""
        try:
            while self._is_quiet() and await self._store.read(is_behind):
                began = time.monotonic()
                await self._store.write(feed)
                await asyncio.sleep(SHARE * (time.monotonic() - began))
        except AnswerableError as error:
            _log.warning("the index of ids waits: %s", error)
            await asyncio.sleep(AGAIN_SECONDS)

    def _is_quiet(self) -> bool:
        return not self._wake.is_set() and time.monotonic() - self._worked_at > QUIET_SECONDS

    async def _advance(self) -> bool:
        """One batch; False if there was nothing to do."""
        async with self._one_at_a_time:
            unplaced, unread, taken, unsigned = await self._store.read(self._behind)
            self._look_at_room(taken)
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
            if unsigned and await self._checkpointing.sign() is not None:
                self._signed.set()
            if self._others:
                await self._others.write(self._store)
            if exporting and self._delivery is not None:
                self._delivery.nudge()
        if worked:
            self._worked_at = time.monotonic()
        return worked

    def _behind(self, tx: Tx) -> tuple[bool, bool, int, bool]:
        """Whether records wait for places, placed ones for spans, the ledger to be signed; and the outbox's bytes."""
        unread = cursors.position_of(tx, cursors.PROJECTION) < cursors.position_of(tx, cursors.SEQUENCER)
        return tx.one(_UNPLACED) is not None, unread, tallies.value(tx, tallies.BYTES), self._checkpointing.due(tx)

    def _look_at_room(self, taken: int) -> None:
        """Say it when the outbox gets short of room, and when it is full; again only after there was enough."""
        self._room = room(taken, self.settings)
        if self._delivery is None or self._room == "enough":
            self._said = set()
        elif self._room not in self._said:
            self._said |= {"short", self._room}
            what = "no record is projected until there is room, and the ledger keeps them"
            _log.warning(
                "the outbox has %s of %s bytes: %s",
                *(f"{taken:,}", f"{self.settings.most_bytes:,}"),
                what if self._room == "full" else "the collector takes less than comes, or rejected much",
            )

    def _project(self, tx: Tx) -> Projected | None:
        """Project the next records. It may be called again for the same ones, so histories are checked, not trusted."""
        if room(tallies.value(tx, tallies.BYTES), self.settings) == "full":
            return None
        start = cursors.position_of(tx, cursors.PROJECTION)
        batch, end = placed_from(tx, start, BATCH)
        if end == start or not cursors.advance(tx, cursors.PROJECTION, start, end):
            return None
        touched: dict[str, RunHistory] = {}
        spans: list[SpanData] = []
        steps: Counter[str] = Counter()
        for placed in batch:
            if isinstance(placed.record, StepFinished):
                steps[tallies.STEPS + placed.record.outcome] += 1
            run = placed.record.run
            if not run or not self.settings.samples(run):
                continue
            history = touched.get(run)
            if history is None:
                history = touched[run] = self._history(tx, run, start)
            spans += follow(placed, history)
            if isinstance(placed.record, RunEnded):
                self._histories.pop(run, None)
        put(tx, outgoing(spans), at=self._store.clock.now())
        tallies.add(tx, steps)
        return Projected(end, len(spans))

    def _history(self, tx: Tx, run: str, start: int) -> RunHistory:
        """The history of a run up to the place `start`."""
        history = self._histories.pop(run, None)
        if history is None or history.upto > start:  # never seen, or left behind by a transaction that was undone
            history = RunHistory(run)
        if start != self._came_to or history.upto == 0:
            for placed in placed_of(tx, run, start=history.upto, end=start):
                catch_up(placed, history)
        self._histories[run] = history  # the newest stands last
        while len(self._histories) > MOST_HISTORIES:
            del self._histories[next(iter(self._histories))]
        return history
