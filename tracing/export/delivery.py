"""Delivery: from the outbox to the collector.

1. Oldest first, in batches. What the collector accepted is deleted; what it rejected is set aside with its error.
2. What it did not take is sent again, the same bytes, after a pause that doubles up to a limit (with jitter).
3. Sending blocks, so it happens in a thread of its own; one that hangs keeps neither a run from going on nor the
   process from ending.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, TypeVar

from answerable.tracing.clock import micros
from answerable.tracing.export.outbox import Parcel, claim, failed, is_empty, release, set_aside, settle
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.export.transport import Accepted, NotDeliveredError, Transport, open_transport
from answerable.tracing.spans.context import untraced
from answerable.tracing.spans.span import request
from answerable.tracing.storage.store import Store

T = TypeVar("T")
Result = Literal["idle", "sent", "busy", "failed"]

_log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # other processes put spans into the outbox, too
SLACK_SECONDS = 2.0  # a lease lasts so much longer than sending may


@dataclass(kw_only=True)
class Delivered:
    """What was done so far: spans accepted and rejected, failures in a row, and the last error."""

    accepted: int = 0
    rejected: int = 0
    failures: int = 0
    error: str = ""


class Delivery:
    """Delivers what lies in the outbox of a store."""

    def __init__(self, store: Store, settings: ExportSettings) -> None:
        self.so_far = Delivered()
        self._store = store
        self._settings = settings
        self._transport: Transport | None = None
        self._most = settings.most_spans
        self._one_at_a_time = asyncio.Lock()
        self._wake = asyncio.Event()

    def nudge(self) -> None:
        """There is something to send."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver for ever; ends by cancellation. Raises: StoreError."""
        while True:
            self._wake.clear()
            result = await self.deliver()
            if result == "failed":
                await asyncio.sleep(self.pause_seconds())
            elif result != "sent":
                await wait_for(self._wake, LOOK_SECONDS)

    async def deliver(self) -> Result:
        """Send one batch. Raises: StoreError."""
        async with self._one_at_a_time:
            if await self._store.read(is_empty):
                return "idle"
            now = self._store.clock.now()
            until = now + micros(self._settings.timeout_seconds + SLACK_SECONDS)
            parcels = await self._store.write(lambda tx: claim(tx, now=now, until=until, at_most=self._most))
            if not parcels:
                return "idle" if parcels is not None else "busy"
            return await self._send(parcels, until)

    def pause_seconds(self) -> float:
        """How long to wait before the next try."""
        doubled = self._settings.first_wait_seconds * 2.0 ** min(self.so_far.failures - 1, 30)
        return min(doubled, self._settings.longest_wait_seconds) * random.uniform(0.5, 1.0)

    async def _send(self, parcels: list[Parcel], until: int) -> Result:
        try:
            accepted = await in_own_thread(lambda: self._over_the_wire(parcels))
        except NotDeliveredError as error:
            return await self._not_delivered(parcels, until, error)
        self.so_far.failures = 0
        self._most = self._settings.most_spans
        if accepted.rejected:
            rejected = min(accepted.rejected, len(parcels))  # one may say that it rejected more than it was sent
            why = f"the collector rejected {rejected} of {len(parcels)} spans: {accepted.message}"
            _log.warning("%s; all of them are set aside", why)
            await self._set_aside(parcels, until, why, accepted=len(parcels) - rejected)
        else:
            now = self._store.clock.now()
            await self._store.write(lambda tx: settle(tx, parcels, until=until, now=now))
            self.so_far.accepted += len(parcels)
        return "sent"

    async def _not_delivered(self, parcels: list[Parcel], until: int, error: NotDeliveredError) -> Result:
        why = str(error)
        if error.final or (error.too_large and len(parcels) == 1):
            _log.warning("%s: %d spans are set aside and not sent again", error, len(parcels))
            await self._set_aside(parcels, until, why)
            return "sent"
        if error.too_large:
            await self._store.write(lambda tx: release(tx, until=until))
            self._most = max(1, len(parcels) // 2)
            return "sent"
        self.so_far.error = why
        now = self._store.clock.now()
        await self._store.write(lambda tx: failed(tx, until=until, now=now, error=why))
        self.so_far.failures += 1
        if self.so_far.failures == 1:
            _log.warning("spans wait in the outbox: %s", error)
        return "failed"

    async def _set_aside(self, parcels: list[Parcel], until: int, why: str, *, accepted: int = 0) -> None:
        now = self._store.clock.now()
        await self._store.write(lambda tx: set_aside(tx, parcels, until=until, now=now, error=why, accepted=accepted))
        self.so_far.error = why
        self.so_far.accepted += accepted
        self.so_far.rejected += len(parcels) - accepted

    def _over_the_wire(self, parcels: list[Parcel]) -> Accepted:
        if self._transport is None:
            self._transport = open_transport(self._settings)
        try:
            with untraced():
                return self._transport.send(request(parcel.data for parcel in parcels))
        except NotDeliveredError:
            self._transport.close()  # the next try makes a new connection: gRPC's own waits for up to two minutes
            self._transport = None
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Wait until `event` is set, or for `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


async def in_own_thread(work: Callable[[], T]) -> T:
    """Run `work` in a thread that does not keep the process from ending, as asyncio's own would."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # who waits for it may be cancelled; it may not

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001  # it is raised where it is awaited
            done.set_exception(error)

    threading.Thread(target=run, name="answerable-delivery", daemon=True).start()
    return await asyncio.wrap_future(done)
