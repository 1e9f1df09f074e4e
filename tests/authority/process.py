"""Processes of a play: each may die, and another opens what it left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import httpx

from answerable.errors import (
    StoreUnavailable,
)
from answerable.orchestrator.service import Service
from answerable.tracing.storage.store import Tx
from tests.authority.desk import CARRIER, ORIGIN, Carrier, build
from tests.authority.model import Person

APP = build()
PEOPLE = ("alice", "dora", "emil", "pia", "nils", "walt", "zoe")
BEGINNING = 1_800_000_000_000_000


class Died(StoreUnavailable):
    """This process is dead: it does nothing any more."""


class Life:
    """A process: once it is dead it stays that, whatever of it goes on."""

    def __init__(self) -> None:
        self.dead = False

    def check(self) -> None:
        """Raises: Died."""
        if self.dead:
            raise Died("dead")


class Clock:
    """A clock that is set by hand, forwards and back."""

    def __init__(self) -> None:
        self.time = BEGINNING

    def now(self) -> int:
        """Microseconds since the Unix epoch."""
        return self.time


def registry() -> dict[str, Person]:
    """Everybody, as a play begins."""
    roles = {
        "dora": {"lead"},
        "emil": {"lead", "pharmacist"},
        "walt": {"lead"},
        "nils": {"lead"},
        "pia": {"duty"},
        "zoe": {"pharmacist", "duty"},
    }
    return {who: Person(set(roles.get(who, ())), {"writers"} if who == "walt" else set()) for who in PEOPLE}


async def make_empty(folder: Path) -> None:
    """A store with everybody in it, and nothing that happened."""
    async with APP.connect(f"sqlite:///{folder / 'desk.db'}", origins={CARRIER: ORIGIN}, clock=Clock()) as service:
        for who, person in registry().items():
            await service.people.aadd(who, roles=sorted(person.roles), teams=sorted(person.teams))


class Mortal(Protocol):
    """What a process is part of."""

    folder: Path
    clock: Clock
    carrier: Carrier
    life: Life


async def opened(play: Mortal) -> Service[Any, Any]:
    """A process of the play, that dies when it is told to."""
    url = f"sqlite:///{play.folder / 'desk.db'}"
    service = APP.connect(url, origins={CARRIER: ORIGIN}, clock=play.clock)
    await service.aopen()
    client: Any = service.runtime.client
    await client.close()
    client._client = httpx.AsyncClient(transport=play.carrier.transport(), trust_env=False)
    store: Any = service.store
    write, read, life = store.write, store.read, play.life

    async def mortal_write(work: Callable[[Tx], Any], *, durable: bool = False) -> Any:
        life.check()
        return await write(work, durable=durable)

    async def mortal_read(work: Callable[[Tx], Any]) -> Any:
        life.check()
        return await read(work)

    store.write, store.read = mortal_write, mortal_read
    return service
