"""What happens, as it happens: read from the store, since other processes work and decide, too.

1. It looks at the newest records every second, as long as somebody listens, once for all who do.
2. On PostgreSQL a record with a smaller id may be committed later: it looks back over the newest `WINDOW` ids. What
   came later still is not told; whoever listens reads the truth from the store, and is only told when to look.
3. It never tells what a record says, only its kind, its run and the request that it is about.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, bindparam, func, select

from answerable.errors import StoreError
from answerable.tracing.clock import iso
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, Tx
from answerable.tracing.storage.tables.ledger import records

_log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
WINDOW: Final = 2000
MOST_WAITING: Final = 1000  # happenings that one listener has not taken; who is slower is cut off, and comes again

_LAST = Statement(select(func.max(records.c.id)))
_NEWEST = Statement(
    select(records.c.id, records.c.run, records.c.kind, records.c.at, records.c.body)
    .where(records.c.id > bindparam("beyond", type_=BigInteger))
    .order_by(records.c.id)
    .limit(10 * WINDOW)
)


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One record, as far as it is told; `request` is "" where it is about none."""

    id: int
    run: str
    kind: str
    request: str
    at: int

    def as_event(self) -> str:
        """As a server-sent event."""
        said = {"run": self.run, "kind": self.kind, "request": self.request, "at": iso(self.at)}
        return f"id: {self.id}\nevent: record\ndata: {json.dumps(said)}\n\n"


class Feed:
    """The newest records of a store, for any number of listeners."""

    def __init__(self, store: Store, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._store = store
        self._look_seconds = look_seconds
        self._listeners: set[asyncio.Queue[Happening | None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._beginning = asyncio.Lock()

    async def listen(self) -> AsyncGenerator[Happening | None]:
        """What happens from now on, and None after each look, so that the listener can see to its own."""
        queue: asyncio.Queue[Happening | None] = asyncio.Queue(MOST_WAITING)
        self._listeners.add(queue)
        try:
            async with self._beginning:  # of two who begin at once, one looks: else each would be told everything twice
                if self._looking is None or self._looking.done():
                    self._looking = asyncio.create_task(self._look(await self._store.read(_last)))
            yield None  # listening has begun
            while not (queue.empty() and queue not in self._listeners):
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    async def close(self) -> None:
        """Stop looking, and end every listening."""
        ended, self._listeners = self._listeners, set()
        for queue in ended:
            with suppress(asyncio.QueueFull):
                queue.put_nowait(None)  # whoever waits for something wakes up, and sees that it is over
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self, last: int) -> None:
        seen = {*range(max(0, last - WINDOW), last + 1)}
        while self._listeners:
            await asyncio.sleep(self._look_seconds)
            beyond = last - WINDOW
            try:
                found = await self._store.read(lambda tx, beyond=beyond: tx.all(_NEWEST, beyond=beyond))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            except StoreError as error:
                _log.warning("the feed waits: %s", error)
                continue
            fresh = [_happening(row) for row in found if row[0] not in seen]
            seen = {row[0] for row in found}
            last = max(seen, default=last)
            self._tell(fresh)

    def _tell(self, fresh: list[Happening]) -> None:
        for queue in tuple(self._listeners):
            try:
                for one in (*fresh, None):
                    queue.put_nowait(one)
            except asyncio.QueueFull:
                self._listeners.discard(queue)


def _last(tx: Tx) -> int:
    row = tx.one(_LAST)
    return int(row[0] or 0) if row else 0


def _happening(row: tuple[Any, ...]) -> Happening:
    id, run, kind, at, body = row
    said = json.loads(bytes(body)) if kind in _ABOUT_REQUESTS else {}
    request = str(said.get("request", said.get("subject", "")))
    return Happening(id=id, run=run, kind=kind, request=request, at=at)


_ABOUT_REQUESTS: Final = frozenset({"request.made", "request.withdrawn", "voted", "decided"})
