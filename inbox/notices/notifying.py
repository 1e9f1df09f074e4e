"""Notifying: making notices behind the ledger, and delivering them through `apprise`.

1. Each target is delivered to by itself, in a thread of its own: one that is slow or away holds up no other one. What
   it did not take is sent again after a pause that doubles up to a limit. So each notice arrives at least once.
2. Many notices of one kind that wait for a target become one message: a flood of requests is no flood of messages.
3. What the library says goes nowhere but into the target's own error, cleaned of the parts of its address.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType

from answerable.agents.texts import plain, shortened
from answerable.errors import AnswerableError, InvalidInput
from answerable.inbox.notices.targets import Target
from answerable.inbox.notices.waiting import (
    Waiting,
    begin,
    behind,
    claim,
    failures_of,
    make,
    make_expiring,
    next_of,
    refused,
    release,
    took,
)
from answerable.tracing.clock import micros
from answerable.tracing.export.delivery import in_own_thread
from answerable.tracing.ledger.sequencer import sequence
from answerable.tracing.storage.store import Store, Tx

_log = logging.getLogger(__name__)
_THEIRS: Final = ("apprise", "requests", "urllib3")  # what they log names addresses; nobody hears it

LOOK_SECONDS: Final = 1.0
LEASE_SECONDS: Final = 120.0  # longer than a target may take for everything that is sent to it at once
AT_ONCE: Final = 500  # notices of one target
ALIKE: Final = 5  # of one kind; more of them are told as one
FIRST_PAUSE_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 300.0
LONGEST_ERROR: Final = 300


class Notifying:
    """Notices of one store, for some targets; `origin` is the address that their links begin with."""

    def __init__(self, store: Store, targets: Sequence[Target], *, origin: str) -> None:
        self._store = store
        self._targets = targets
        self._origin = origin
        self._senders = {target.name: sender_of(target) for target in targets}

    async def run(self) -> None:
        """Make and deliver notices until cancelled. What the store cannot do now is tried again later."""
        await self._again(self.begin)
        while True:
            await self._again(self.look)
            await asyncio.sleep(LOOK_SECONDS)

    async def begin(self) -> None:
        """Begin with what comes next, if this store never had notices. Raises: StoreError."""
        await self._store.write(sequence)
        await self._store.write(begin)

    async def look(self) -> None:
        """Make the notices that are due, and deliver what waits. Raises: StoreError."""
        now = self._store.clock.now()
        await self._store.write(sequence)
        while await self._store.read(behind):  # durable: what anybody is told of has reached the disk
            await self._store.write(lambda tx: make(tx, self._targets, origin=self._origin, at=now), durable=True)
        await self._store.write(lambda tx: make_expiring(tx, self._targets, origin=self._origin, at=now))
        until = now + micros(LEASE_SECONDS)
        if await self._store.write(lambda tx: claim(tx, now=now, until=until)):
            try:
                await asyncio.gather(*(self._deliver(target) for target in self._targets))
            finally:
                await self._store.write(lambda tx: release(tx, until=until))

    async def _deliver(self, target: Target) -> None:
        now = self._store.clock.now()
        waiting = await self._store.read(lambda tx: next_of(tx, target.name, now=now, at_most=AT_ONCE))
        for title, text, told in messages(waiting, self._origin):
            error = await in_own_thread(lambda title=title, text=text: self._send(target, title, text))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            at = self._store.clock.now()
            if error:
                await self._store.write(lambda tx, error=error, at=at: _refuse(tx, target, error, at))  # type: ignore[misc]  # as above
                return
            await self._store.write(lambda tx, told=told, at=at: took(tx, target.name, told, at=at))  # type: ignore[misc]  # as above

    def _send(self, target: Target, title: str, text: str) -> str:
        return send(self._senders[target.name], target, title, text)

    @staticmethod
    async def _again(work: object) -> None:
        assert callable(work)
        try:
            await work()
        except AnswerableError as error:
            _log.warning("notices wait: %s", error)


def sender_of(target: Target) -> Apprise:
    """What sends to a target. Raises: InvalidInput if its address is none that the library knows."""
    for name in _THEIRS:
        logging.getLogger(name).propagate = False
    sender = Apprise(asset=AppriseAsset(async_mode=False, secure_logging=True))
    if not sender.add(target.url):
        raise InvalidInput(
            f"the address of target {target.name!r} is none that apprise knows",
            hint="for example mailto:// or slack://",
        )
    return sender


def send(sender: Apprise, target: Target, title: str, text: str) -> str:
    """Send one message; why it was not taken, or "". It blocks."""
    try:
        told = sender.notify(body=text, title=title, notify_type=NotifyType.INFO, body_format=NotifyFormat.TEXT)
        if told:
            return ""
        said = " ".join(entry.message for entry in told.logs() if entry.level in ("WARNING", "ERROR"))
    except Exception as error:  # noqa: BLE001 - whatever a plugin of the library does: it was not delivered
        said = f"{type(error).__name__}: {error}"
    return shortened(target.cleaned(plain(said)), LONGEST_ERROR) or "it was not taken"


def messages(waiting: Sequence[Waiting], origin: str) -> list[tuple[str, str, list[Waiting]]]:
    """Title, text and notices of each message: one for each notice, or one for many of a kind."""
    by_kind: dict[tuple[str, str], list[Waiting]] = {}
    for one in waiting:
        by_kind.setdefault((one.kind, one.system), []).append(one)
    made = []
    for (kind, system), group in by_kind.items():
        if len(group) <= ALIKE:
            made += [(one.title, one.text, [one]) for one in group]
            continue
        text = "\n".join(
            [*(one.title for one in group[:ALIKE]), f"and {len(group) - ALIKE} more", f"{origin}/requests"]
        )
        made.append((f"{len(group)} of {plain(system)}: {kind}", text, group))
    return made


def _refuse(tx: Tx, target: Target, error: str, at: int) -> None:
    pause = min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures_of(tx, target.name), 30), LONGEST_PAUSE_SECONDS)
    refused(tx, target.name, error=error, next_at=at + micros(pause))
