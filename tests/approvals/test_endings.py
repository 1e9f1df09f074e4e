"""What has ended is looked up by several threads at once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import pytest

from answerable.approvals.sealing.keys import Key
from answerable.approvals.who.endings import ended
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.access import TokenRevoked
from answerable.tracing.storage.store import Store, open_store

pytestmark = pytest.mark.anyio

ENDINGS = 950


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    """On SQLite a transaction runs on the thread of its caller."""
    opened = open_store(postgres_url)
    yield opened
    opened.close()


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads take turns a thousand times as often."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 5000)
    yield
    sys.setswitchinterval(usual)


async def test_many_who_look_while_things_end_see_each_of_them(store: Store, hurried: None) -> None:
    key, over = Key(b"of this test alone"), asyncio.Event()

    async def end() -> None:
        for number in range(ENDINGS):
            record = TokenRevoked(at=1, system="", token=f"tok_{number}", person="prs_1")
            await store.write(lambda tx, record=record: append(tx, record))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        over.set()

    async def look() -> None:
        while not over.is_set():
            await store.read(lambda tx: ended(tx, key))

    await asyncio.gather(end(), *(look() for _ in range(7)))
    assert await store.read(lambda tx: set(ended(tx, key))) == {f"tok_{number}" for number in range(ENDINGS)}
