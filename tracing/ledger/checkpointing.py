"""Checkpointing: the ledger of one store, signed and anchored while it grows, by one process.

1. A checkpoint is due at once when something durable was recorded (a person's decision, an effect's state, a freeze),
   and else some seconds after the last one (`ANSWERABLE_CHECKPOINT_SECONDS`), if the ledger has grown. What passed by a
   rule or an exemption nobody was told yet: it is signed with what follows it (docs/decisions/0046-passing.md).
2. A checkpoint leaves the store, and so waits for the disk, with all that it covers: a power cut takes nothing of what
   was signed, else the ledger would look cut off.
3. It works behind the ledger and never stops it: what cannot be signed or anchored now is said once, and tried again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Mapping
from typing import Final, get_args

from sqlalchemy import bindparam, select

from answerable.errors import AnswerableError, InvalidInput, StoreCorrupt, StoreReadOnly
from answerable.tracing.ledger import cursors
from answerable.tracing.ledger.anchors import Anchoring, Place, open_anchors
from answerable.tracing.ledger.checkpoints import Checkpoint
from answerable.tracing.ledger.notes import Signer
from answerable.tracing.ledger.records.deciding import PASSED, Decided
from answerable.tracing.ledger.records.every import AnyRecord
from answerable.tracing.ledger.sequencer import count_unplaced, sequence_all
from answerable.tracing.ledger.signing import newest_checkpoint, open_signer, sign_ledger, signing_keys_of
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, Tx
from answerable.tracing.storage.tables.ledger import heads, records

SECONDS: Final = 5.0  # between two checkpoints while nothing durable is recorded
AGAIN_SECONDS: Final = 30.0  # after signing failed

_DURABLE: Final = tuple(
    sorted(kind.model_fields["kind"].default for kind in get_args(get_args(AnyRecord)[0]) if kind.durable)
)
_DECIDED: Final = Decided.model_fields["kind"].default
_LAST = Statement(select(heads.c.size, heads.c.at).order_by(heads.c.size.desc()).limit(1))
_DURABLE_SINCE = Statement(
    select(records.c.kind, records.c.body).where(records.c.seq >= bindparam("since"), records.c.kind.in_(_DURABLE))
)

_log = logging.getLogger(__name__)


class Checkpointing:
    """Signs and anchors the ledger of a store."""

    def __init__(self, store: Store, environment: Mapping[str, str] = os.environ) -> None:
        self.seconds = _seconds(environment)
        self._store = store
        self._environment = environment
        self._signer: Signer | None = None
        self._anchoring: Anchoring | None = None
        self._one_at_a_time = asyncio.Lock()
        self._working: asyncio.Task[None] | None = None
        self._nudged = False
        self._looked_to = 0  # nothing that was placed before was durable, or it is signed
        self._not_before = 0.0
        self._said = ""

    def due(self, tx: Tx) -> bool:
        """Whether the ledger is to be signed now."""
        size = cursors.position_of(tx, cursors.SEQUENCER)
        old, at = tx.one(_LAST) or (0, 0)
        if size <= old or time.monotonic() < self._not_before:
            return False
        waited = self._store.clock.now() - at
        return not 0 <= waited < 1e6 * self.seconds or self._durable(tx, old, size)

    def _durable(self, tx: Tx, signed: int, size: int) -> bool:
        """Whether something durable was recorded since; each record is looked at once."""
        found = tx.all(_DURABLE_SINCE, since=max(signed, self._looked_to))
        if not all(kind == _DECIDED and _passed(body) for kind, body in found):
            return True
        self._looked_to = size
        return False

    async def sign(self, *, wait: bool = False) -> Checkpoint | None:
        """Sign what has its place; None if there is nothing new, or if it cannot be signed, which is said once.

        None, too, while another process gives places or signs, unless that is to be waited for.
        """
        try:
            for _ in range(2):  # the key may have been replaced since this process read it
                if self._signer is None:
                    self._signer = await open_signer(self._store)
                made = await self._store.write(lambda tx: self._sign(tx, wait=wait), durable=True)
                if made is not None or await self._store.read(self._may_sign):
                    return made
                self._signer = None
        except AnswerableError as error:
            self._not_before = time.monotonic() + AGAIN_SECONDS
            if self._said != error.message:
                self._said = error.message
                say = _log.error if isinstance(error, StoreCorrupt) else _log.warning
                say("the ledger is not signed: %s", error)
        return None

    async def anchor(self, *, again: bool = False) -> bool:
        """Bring the newest checkpoint to each anchor; whether all have it. `again`: also to those that just failed."""
        async with self._one_at_a_time:
            try:
                newest = await self._store.read(newest_checkpoint)
                return newest is None or await (await self._anchors()).keep(*newest, again=again)
            except AnswerableError as error:
                _log.warning("checkpoints are not anchored: %s", error)
                return False

    def nudge(self) -> None:
        """Something durable was committed: sign and anchor it, beside what goes on. Only called on an event loop."""
        self._nudged = True
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())

    async def finish(self) -> None:
        """Sign and anchor what was written here, before the process ends."""
        if self._working is not None:
            await self._working
        if self._working is not None or await self._store.read(count_unplaced) > 0:
            await self.at_once()

    async def at_once(self, *, again: bool = True) -> None:
        """Give every record its place, sign, and anchor; what cannot be done is said, and done by another process."""
        try:
            await sequence_all(self._store)
        except StoreReadOnly:
            return
        except AnswerableError as error:
            _log.warning("records wait for their places: %s", error)
            return
        await self.sign(wait=True)
        await self.anchor(again=again)

    async def _work(self) -> None:
        while self._nudged:
            self._nudged = False
            await self.at_once(again=False)

    async def _anchors(self) -> Anchoring:
        if self._anchoring is None:
            origin = (await self._store.read(signing_keys_of)).origin
            place = Place(store=self._store, origin=origin, environment=self._environment)
            opened = await asyncio.to_thread(open_anchors, place)  # looks through what is installed
            self._anchoring = Anchoring(self._store, opened)
        return self._anchoring

    def _sign(self, tx: Tx, *, wait: bool) -> Checkpoint | None:
        assert self._signer is not None
        return sign_ledger(tx, self._signer, at=self._store.clock.now(), wait=wait)

    def _may_sign(self, tx: Tx) -> bool:
        return self._signer is not None and signing_keys_of(tx).in_force == self._signer.public


def _passed(body: bytes) -> bool:
    """Whether a decision is one that passed without anybody being asked; one that is none any more did not."""
    try:
        return json.loads(body)["outcome"] in PASSED
    except (ValueError, LookupError, TypeError):
        return False


def _seconds(environment: Mapping[str, str]) -> float:
    said = environment.get("ANSWERABLE_CHECKPOINT_SECONDS", "")
    try:
        seconds = float(said or SECONDS)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise InvalidInput(f"ANSWERABLE_CHECKPOINT_SECONDS is {said!r}", hint="a number of seconds, for example 5")
    return seconds
