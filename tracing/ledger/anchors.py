"""Anchors: where checkpoints are kept outside the store, so that whoever can change it cannot change them, too.

1. An anchor is a plugin: an entry point in the group `answerable.anchors`, its name and a function that is given what
   it needs (`Place`) and returns an `Anchor`, or None where it is not configured.
2. Anchors work behind the ledger. One that fails keeps its error in the store and is tried again, with growing pauses,
   with the newest checkpoint, which covers all older ones; the others go on.
3. What an anchor does not have yet is the tail: whoever can change the store can change the tail unnoticed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from typing import Final, Protocol

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert  # with ON CONFLICT, which SQLite writes in the same way

from answerable.agents.texts import shortened
from answerable.errors import AnswerableError, InvalidInput, StoreUnavailable
from answerable.tracing.clock import Micros
from answerable.tracing.ledger.checkpoints import Checkpoint
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, Tx
from answerable.tracing.storage.tables.ledger import anchors

GROUP: Final = "answerable.anchors"
SETTING: Final = "ANSWERABLE_ANCHORS"
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 300.0
_ERROR_LETTERS: Final = 300

_log = logging.getLogger(__name__)

_COLUMNS = (
    anchors.c.name,
    anchors.c.size,
    anchors.c.receipt,
    anchors.c.at,
    anchors.c.tries,
    anchors.c.error,
    anchors.c.tried_at,
)
_ALL = Statement(select(*_COLUMNS).order_by(anchors.c.name))
_insert = insert(anchors)
_PUT = Statement(
    _insert.on_conflict_do_update(
        index_elements=[anchors.c.name],
        set_={column.name: _insert.excluded[column.name] for column in _COLUMNS[1:]},
    ).inline(),
    [column.name for column in _COLUMNS],
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """What an anchor may need: the store, its ledger's name in checkpoints, and the settings of this process."""

    store: Store
    origin: str
    environment: Mapping[str, str]


class Anchor(Protocol):
    """Keeps checkpoints of one ledger."""

    async def keep(self, checkpoint: Checkpoint, at: Micros) -> str:
        """Keep a checkpoint that was signed at that time; where it is kept, for people. May raise anything."""
        ...


@dataclass(frozen=True, kw_only=True)
class Anchored:
    """How far an anchor has come: `size` records of the ledger are in what it keeps."""

    name: str
    size: int = 0
    receipt: str = ""
    at: Micros = 0
    tries: int = 0  # that failed since
    error: str = ""
    tried_at: Micros = 0


def anchored(tx: Tx) -> list[Anchored]:
    """How far each anchor has come that was ever used for this store."""
    return [_anchored(row) for row in tx.all(_ALL)]


@cache
def _installed() -> EntryPoints:
    """What is installed does not change while a process runs, and finding it takes 10 ms."""
    return entry_points(group=GROUP)


def open_anchors(place: Place) -> dict[str, Anchor]:
    """The anchors that are installed and configured here, by name; `ANSWERABLE_ANCHORS` may name fewer.

    Raises: InvalidInput if it names one that is not installed; and what an anchor raises for a wrong setting.
    """
    found = {point.name: point for point in _installed()}
    named = place.environment.get(SETTING, "").replace(",", " ").split()
    if unknown := sorted(set(named) - set(found) - {"none"}):
        raise InvalidInput(
            f"{SETTING} names {', '.join(unknown)}, which is not installed",
            hint=f"installed: {', '.join(sorted(found))}; none keeps no checkpoints outside",
        )
    opened = {}
    for name in sorted(found):
        if not named or name in named:
            try:
                anchor: Anchor | None = found[name].load()(place)
            except StoreUnavailable:  # its library is not installed
                if name in named:
                    raise
                continue
            if anchor is not None:
                opened[name] = anchor
    return opened


class Anchoring:
    """Brings checkpoints to the anchors of one store."""

    def __init__(self, store: Store, opened: Mapping[str, Anchor]) -> None:
        self.names: Sequence[str] = tuple(opened)
        self._store = store
        self._anchors = dict(opened)

    async def keep(self, checkpoint: Checkpoint, at: Micros, *, again: bool = False) -> bool:
        """Bring a checkpoint to each anchor that lacks it; whether all have it now.

        One that failed a moment ago is left alone, unless it is to be tried `again` at once. Raises: StoreError.
        """
        known = {one.name: one for one in await self._store.read(anchored)}
        now = self._store.clock.now()
        changed = []
        for name, anchor in self._anchors.items():
            before = known.get(name, Anchored(name=name))
            wanted = before.size < checkpoint.head.size or before.error
            if wanted and (again or now >= before.tried_at + 1e6 * _pause_seconds(before.tries)):
                changed.append(await _kept(anchor, checkpoint, at, before, now))
        if changed:
            rows = [vars(one) for one in changed]
            await self._store.write(lambda tx: tx.many(_PUT, rows))
        known |= {one.name: one for one in changed}
        return all(name in known and known[name].size >= checkpoint.head.size for name in self._anchors)


async def _kept(anchor: Anchor, checkpoint: Checkpoint, at: Micros, before: Anchored, now: Micros) -> Anchored:
    try:
        receipt = await anchor.keep(checkpoint, at)
    except Exception as error:  # noqa: BLE001 - a plugin's own; it is kept, shown, and the work goes on
        said = error.message if isinstance(error, AnswerableError) else f"{type(error).__name__}: {error}"
        _log.warning("the anchor %s does not keep %s: %s", before.name, checkpoint, said)
        return replace(before, tries=before.tries + 1, error=shortened(said, _ERROR_LETTERS), tried_at=now)
    return Anchored(name=before.name, size=checkpoint.head.size, receipt=receipt, at=at, tried_at=now)


def _anchored(row: Sequence[object]) -> Anchored:
    return Anchored(**dict(zip((column.name for column in _COLUMNS), row, strict=True)))  # type: ignore[arg-type]  # by name


def _pause_seconds(tries: int) -> float:
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (tries - 1)) if tries else 0.0
