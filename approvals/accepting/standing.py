"""How the rules of deciding of approvals stand: in force, proposed, declined; told by sealed records alone.

1. The records are read in their order. One without this store's seal counts as nothing.
2. An acceptance counts once, at its place: it has its number, and the digest of what was in force before it. What was
   declared, and what was declined, counts until the next acceptance.
3. What was declined is still there: the Responsible Individual may accept it after all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from pydantic import ValidationError
from sqlalchemy import literal_column, select

from answerable.agents.people import RESPONSIBLE
from answerable.agents.texts import plain
from answerable.approvals.accepting.declared import RulesOfDeciding, changes, read_rules, to_ask
from answerable.approvals.rules.contexts import Place
from answerable.approvals.sealing.keys import Key
from answerable.approvals.sealing.seals import is_sealed
from answerable.tracing.clock import iso, to_the_second
from answerable.tracing.ledger.records.accepting import ApprovalAccepted, ApprovalDeclared, ApprovalDeclined
from answerable.tracing.ledger.records.every import read_record
from answerable.tracing.people import person_by_id
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.ledger import records

_Told: TypeAlias = ApprovalDeclared | ApprovalAccepted | ApprovalDeclined

_RECORDS: Final = Statement(
    select(records.c.body)
    .where(
        records.c.run == literal_column("''"),  # the words of its index
        records.c.kind.in_(["approval.declared", "approval.accepted", "approval.declined"]),
    )
    .order_by(records.c.id)
)


@dataclass(frozen=True, kw_only=True)
class Declined:
    """That the Responsible Individual said no to proposed rules; `by` is a person's id."""

    by: str
    at: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """Rules that wait to be accepted, or were declined: of which version of the app, and since when."""

    rules: RulesOfDeciding
    digest: str
    version: str
    at: int
    declined: Declined | None = None


@dataclass(kw_only=True)
class Standing:
    """How the rules of deciding of one approval stand. `by` is a person's id, "" for the first rules."""

    system: str
    approval: str
    number: int = 0  # of acceptances so far
    in_force: Proposed | None = None
    since: int = 0
    by: str = ""
    assurance: str = ""
    proposed: dict[str, Proposed] = field(default_factory=dict)  # by digest, in the order in which they came

    @property
    def roles(self) -> frozenset[str]:
        """Every role that is asked here, or would be."""
        known = [*self.proposed.values(), *([self.in_force] if self.in_force else [])]
        return frozenset(role for one in known for role in one.rules.roles)

    @property
    def waiting(self) -> list[Proposed]:
        """What is proposed and was not declined."""
        return [one for one in self.proposed.values() if one.declined is None]

    def take(self, record: _Told) -> None:
        """What a genuine record says, if this is its place."""
        if isinstance(record, ApprovalDeclared):
            said = read_rules(record.text)
            made = Proposed(rules=said, digest=record.digest, version=record.version, at=record.at)
            if said.digest != record.digest or record.number != self.number:
                return
            if record.first and self.in_force is None and self.number == 0:
                self.in_force, self.since = made, record.at
            elif self.in_force is None or self.in_force.digest != record.digest:
                self.proposed.setdefault(record.digest, made)
        elif isinstance(record, ApprovalDeclined):
            if record.number == self.number and record.digest in self.proposed:
                said_no = Declined(by=record.by, at=record.at, reason=record.reason)
                self.proposed[record.digest] = replace(self.proposed[record.digest], declined=said_no)
        elif (record.number, record.before) == (self.number + 1, self.digest) and record.digest in self.proposed:
            self.in_force = replace(self.proposed[record.digest], declined=None)
            self.number, self.since = record.number, record.at
            self.by, self.assurance, self.proposed = record.by, record.assurance, {}

    @property
    def digest(self) -> str:
        """Of the rules in force, "" where there are none."""
        return self.in_force.digest if self.in_force else ""


Standings = dict[tuple[str, str], Standing]


def standings(tx: Tx, key: Key) -> Standings:
    """How the rules of deciding of every approval of this store stand, by system and approval."""
    return _taken(record for record in _read(tx) if is_sealed(key, record))


def as_told(tx: Tx) -> Standings:
    """The same by records of which nobody checked the seals: for notices, which decide nothing."""
    return _taken(_read(tx))


def wrong_records(tx: Tx, key: Key) -> Iterator[str]:
    """Each record of rules of deciding that was not written by this program: "SYSTEM/APPROVAL"."""
    for record in _read(tx):
        if not is_sealed(key, record):
            yield f"{record.system}/{record.approval}"


def said_of(tx: Tx, standing: Standing, declared: RulesOfDeciding) -> str:
    """What is said where an approval does not ask as it is declared, who declined that and why, and what to type."""
    older, no = standing.in_force.rules if standing.in_force else None, standing.proposed[declared.digest].declined
    what = f"approval {standing.approval!r} is new to {standing.system!r}, which was connected without it before"
    if older is not None:
        changed = "; ".join(f"{name}: {was} → {now}" for name, was, now in changes(older, declared))
        what = f"approval {standing.approval!r} of {standing.system!r} is declared with other rules than those in force"
        what = f"{what} ({changed})"
    until, which = "until the Responsible Individual accepts that,", ""
    if no is not None:
        person = person_by_id(tx, no.by)
        by, which = person.handle if person else no.by, f" --digest {declared.digest[:12]}"
        why = plain(" ".join(no.reason.split()))
        until = f"{by} declined that on {to_the_second(iso(no.at))} UTC, with the reason “{why}”, so"
    accept = f"`answerable approvals accept {standing.approval}{which} --as PERSON`"
    return f"{what}: {until} it asks {asks_meanwhile(older, declared)}; {accept}"


def asks_meanwhile(in_force: RulesOfDeciding | None, proposed: RulesOfDeciding) -> str:
    """How an approval asks that declares other rules than those in force, in words."""
    return "as before" if to_ask(in_force, proposed) == in_force else "the Responsible Individual alone"


def place_in_force(found: Standings, place: Place) -> Place:
    """Where a standing rule decides, with whom its approval asks by the rules in force: they approve the rule.

    A system that was never connected has none in force yet.
    """
    if not any(system == place.system for system, _ in found):
        return place
    standing = found.get((place.system, place.approval))
    rules = standing.in_force.rules if standing and standing.in_force else None
    asked = dict(place.asked)
    if rules is not None:
        asked |= {"requires": rules.requires, "fresh_seconds": rules.fresh_seconds}
    known = rules is not None and set(place.effects) <= set(rules.releases)
    asked["by"] = (rules.strictest if rules is not None and known else RESPONSIBLE).as_json()
    return replace(place, asked=asked)


def _taken(read: Iterable[_Told]) -> Standings:
    found: Standings = {}
    for record in read:
        place = (record.system, record.approval)
        found.setdefault(place, Standing(system=place[0], approval=place[1])).take(record)
    return found


def _read(tx: Tx) -> Iterator[_Told]:
    for (body,) in tx.all(_RECORDS):
        try:
            record = read_record(bytes(body))
        except ValidationError:
            continue  # no record: `verify_ledger` says so
        if isinstance(record, _Told):
            yield record
