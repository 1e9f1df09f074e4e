"""Legal holds: a run, a system or a subject of which nothing may be erased while the hold stands.

1. Placing and lifting are records, by a registered person, with a reason.
2. A hold that is placed and an erasing cannot pass each other: both take one lock.
3. A subject's key may name a person, so its record has a salted digest of it. The salt lies in the hold's
   row, and goes with the key.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, select, update

from answerable.errors import InvalidInput, UnknownId
from answerable.tracing import ids
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.kept import ERASED, HoldLifted, HoldPlaced
from answerable.tracing.people import get_person
from answerable.tracing.storage import locks
from answerable.tracing.storage.statements import Statement, inserting, named
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.people import systems
from answerable.tracing.storage.tables.runs import runs, subjects
from answerable.tracing.storage.tables.stops import holds

COVERS: Final = ("run", "system", "subject")
STANDING: Final = "standing"

_INSERT = inserting(holds)
_GET = Statement(select(*holds.c).where(holds.c.id == bindparam("hold")))
_ALL = Statement(select(*holds.c).order_by(holds.c.at, holds.c.id))
_STANDING = Statement(select(*holds.c).where(holds.c.state == STANDING).order_by(holds.c.at, holds.c.id))
_LIFT = Statement(update(holds).where(holds.c.id == bindparam("hold")).values(state="lifted"))
_FORGET = Statement(
    update(holds)
    .where(holds.c.covers == "subject", holds.c.of == bindparam("subject"), holds.c.state != STANDING)
    .values({"of": ERASED, "salt": ""})
)
_RUN = Statement(select(runs.c.system).where(runs.c.id == bindparam("run")))
_SYSTEM = Statement(select(systems.c.name).where(systems.c.name == bindparam("system")))
_SUBJECTS_OF = Statement(select(subjects.c.subject).where(subjects.c.run == bindparam("run")).distinct())


@dataclass(frozen=True, kw_only=True)
class Hold:
    """A legal hold: on a run, a system or a subject (`of` is its id, name or key); standing or lifted."""

    id: str
    covers: str
    of: str
    by: str  # person id
    reason: str
    state: str
    at: int
    salt: str = ""  # of a subject's key in the record


def place_hold(tx: Tx, covers: str, of: str, *, by: str, reason: str, at: int) -> Hold:
    """Put something under legal hold, for the person `by` (a handle).

    Raises: InvalidInput, UnknownId. A subject may be one that no message is about yet.
    """
    if covers not in COVERS or not of:
        raise InvalidInput(f"{covers!r} is nothing to hold", hint="a run, a system, or a subject")
    lock(tx)
    person = get_person(tx, by)
    found = tx.one(_RUN, run=of) if covers == "run" else tx.one(_SYSTEM, system=of) if covers == "system" else ("",)
    if found is None:
        raise UnknownId(f"there is no {covers} {of}", hint="`answerable runs list` lists runs and their systems")
    made = Hold(
        id=ids.fresh(ids.HOLD),
        covers=covers,
        of=of,
        by=person.id,
        reason=reason,
        state=STANDING,
        at=at,
        salt=secrets.token_hex(16) if covers == "subject" else "",
    )
    tx.run(_INSERT, **vars(made))
    record = HoldPlaced(
        at=at,
        system=of if covers == "system" else str(found[0]),
        chain=(person.id,),
        hold=made.id,
        covers=made.covers,  # type: ignore[arg-type]  # it was looked for among them above
        of=named_in_records(made),
        by=person.id,
        reason=reason,
    )
    append(tx, record)
    return made


def lift_hold(tx: Tx, id: str, *, by: str, reason: str, at: int) -> Hold:
    """Lift a hold. Raises: UnknownId; InvalidInput if it was lifted already."""
    lock(tx)
    person, row = get_person(tx, by), tx.one(_GET, hold=id)
    if row is None:
        raise UnknownId(f"there is no hold {id}", hint="`answerable holds list` lists them")
    found = Hold(**named(holds, row))
    if found.state != STANDING:
        raise InvalidInput(f"{id} was lifted already")
    tx.run(_LIFT, hold=id)
    append(tx, HoldLifted(at=at, system="", chain=(person.id,), hold=id, by=person.id, reason=reason))
    return found


def all_holds(tx: Tx) -> list[Hold]:
    """All holds, lifted ones included, oldest first."""
    return [Hold(**named(holds, row)) for row in tx.all(_ALL)]


def holds_on(tx: Tx, run: str) -> list[Hold]:
    """The holds that stand in the way of erasing anything of a run."""
    row = tx.one(_RUN, run=run)
    standing = [Hold(**named(holds, found)) for found in tx.all(_STANDING)]
    about = {str(found[0]) for found in tx.all(_SUBJECTS_OF, run=run)} if standing else set()
    mine = {"run": {run}, "system": {str(row[0])} if row else set(), "subject": about}
    return [hold for hold in standing if hold.of in mine[hold.covers]]


def forget_subject(tx: Tx, subject: str) -> None:
    """Take a subject's key out of the rows of holds that were lifted."""
    tx.run(_FORGET, subject=subject)


def named_in_records(hold: Hold) -> str:
    """What the record of a hold says that it is on."""
    return ids.commitment(bytes.fromhex(hold.salt), hold.of.encode()) if hold.covers == "subject" else hold.of


def lock(tx: Tx) -> None:
    """Keep holds as they are until the transaction ends. On SQLite a transaction that writes is alone anyway."""
    if tx.dialect == "postgresql":
        tx.one(locks.TAKE, lock=locks.HOLDS)
