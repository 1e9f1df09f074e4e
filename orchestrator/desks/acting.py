"""What a desk needs of the office that it stands in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from answerable.approvals.sealing.keys import Key
from answerable.approvals.who.identity import By, Identity
from answerable.tracing.storage.store import Store, Tx

T = TypeVar("T")


class Acting(Protocol):
    """What runs the acts of people: an office."""

    store: Store
    key: Key
    committed: Callable[[], None]

    async def act(self, work: Callable[[Tx, int], T], *, who: Identity | None = None) -> T:
        """Run a durable transaction of a named person."""
        ...

    async def act_as(self, by: By, reason: str, work: Callable[[Tx, int], T]) -> T:
        """The same, of a person who says why."""
        ...
