"""Accepting: which rules of deciding of an approval are in force, and how others come to be.

1. The first that a system is connected with are in force at once. Whatever is declared later, of an approval that is
   new to the system too, is proposed: in force when the Responsible Individual has accepted it, and not before.
2. All of it is told by sealed records alone, read in their order. A record without this store's seal counts as nothing.
   An acceptance counts once, at its place: it has its number, and the digest of what was in force before it.
3. An acceptance puts aside what else was proposed, and what was in force: whoever declares it still, or again, proposes
   it anew. So an older, looser version that comes back is accepted anew, too.
4. Whoever accepts is as sure as the rules in force ask of those who decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pydantic import ValidationError
from sqlalchemy import literal_column, select

from answerable.agents.people import RESPONSIBLE
from answerable.approvals.accepting.declared import RulesOfDeciding, changes, read_rules, to_ask
from answerable.approvals.rules.contexts import Place
from answerable.approvals.sealing.keys import Key
from answerable.approvals.sealing.seals import is_sealed, sealed
from answerable.approvals.who.identity import Identity, check_sure
from answerable.approvals.who.signatures import Meant, signed_by
from answerable.errors import InvalidInput, NotAsShown, UnknownId
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.accepting import ApprovalAccepted, ApprovalDeclared
from answerable.tracing.ledger.records.every import read_record
from answerable.tracing.people import check_responsible, get_person, lock_system, read_rules_anew, stamp
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.ledger import records

ACCEPT: Final = "accept"  # what is signed, so that it is never taken for an answer to a request

_RECORDS: Final = Statement(
    select(records.c.body)
    .where(
        records.c.run == literal_column("''"),  # the words of its index
        records.c.kind.in_(["approval.declared", "approval.accepted"]),
    )
    .order_by(records.c.id)
)


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """Rules that wait to be accepted: of which version of the app, and since when."""

    rules: RulesOfDeciding
    digest: str
    version: str
    at: int


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

    def take(self, record: ApprovalDeclared | ApprovalAccepted) -> None:
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
        elif (record.number, record.before) == (self.number + 1, self._digest) and record.digest in self.proposed:
            self.number, self.in_force, self.since = record.number, self.proposed[record.digest], record.at
            self.by, self.assurance, self.proposed = record.by, record.assurance, {}

    @property
    def _digest(self) -> str:
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


def declare(
    tx: Tx, key: Key, system: str, declared: Mapping[str, RulesOfDeciding], *, version: str, at: int
) -> list[Standing]:
    """A version of the app was connected: the approvals that do not ask as it declares, each as it stands.

    What it declares is written down where that was not done before: nothing is, however often it is connected.
    """
    found = standings(tx, key)
    if _news(found, system, declared):
        lock_system(tx, system)  # of two that are connected at once, the second sees what the first wrote
        found = standings(tx, key)
        known = any(of == system for of, _ in found)
        for approval in _news(found, system, declared):
            standing = found.setdefault((system, approval), Standing(system=system, approval=approval))
            record = ApprovalDeclared(
                **stamp(tx, system, at=at),
                approval=approval,
                version=version,
                digest=declared[approval].digest,
                text=declared[approval].text,
                number=standing.number,
                first=not known,
            )
            append(tx, sealed(key, record))
            standing.take(record)
    standing_now = (found[system, approval] for approval in declared)
    return [one for one in standing_now if one.proposed.get(declared[one.approval].digest)]


def accept_rules(tx: Tx, key: Key, system: str, approval: str, *, who: Identity, at: int, digest: str = "") -> Standing:
    """The RI puts what is proposed for an approval in force; of several, those with this `digest` (or its beginning).

    Raises: UnknownId; NotEligible if they are not the RI; NotSureEnough, NotAuthenticated; InvalidInput if nothing is
    proposed, or several are and none is named; NotAsShown if what is named is not proposed.
    """
    read_rules_anew(tx, system)  # whoever asks just now is waited for, and reads them anew
    standing = standings(tx, key).get((system, approval))
    if standing is None:
        raise UnknownId(f"{system!r} has no approval {approval!r} here", hint="`answerable approvals list` lists them")
    person = get_person(tx, who.handle)
    check_responsible(tx, system, person, what="the rules of deciding of an approval")
    chosen = _chosen(standing, digest)
    asks = (standing.in_force or chosen).rules
    meant = Meant(
        system=system,
        subject=approval,
        digest=chosen.digest,
        answer=ACCEPT,
        option="",
        person=person.id,
        for_person="",
    )
    who, _, signature = signed_by(tx, key, who, meant, None, at=at)
    tx.assurance = who.assurance
    check_sure(who, requires=asks.requires, fresh_seconds=asks.fresh_seconds, at=at)
    record = ApprovalAccepted(
        **stamp(tx, system, at=at),
        approval=approval,
        digest=chosen.digest,
        before=standing.in_force.digest if standing.in_force else "",
        number=standing.number + 1,
        by=person.id,
        assurance=tx.assurance,
        signature=signature,
    )
    append(tx, sealed(key, record))
    standing.take(record)
    return standing


def said_of(standing: Standing, declared: RulesOfDeciding) -> str:
    """What is said where an approval does not ask as it is declared, and what to type."""
    older = standing.in_force.rules if standing.in_force else None
    accept = f"`answerable approvals accept {standing.approval} --as PERSON`"
    if older is None:
        what = f"approval {standing.approval!r} is new to {standing.system!r}, which was connected without it before"
        return f"{what}: until the Responsible Individual accepts it, nobody else decides what it asks; {accept}"
    changed = "; ".join(f"{name}: {was} → {now}" for name, was, now in changes(older, declared))
    how = asks_meanwhile(older, declared)
    what = f"approval {standing.approval!r} of {standing.system!r} is declared with other rules than those in force"
    return f"{what} ({changed}): until the Responsible Individual accepts them, it asks {how}; {accept}"


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


def _chosen(standing: Standing, digest: str) -> Proposed:
    found = [one for one in standing.proposed.values() if one.digest.startswith(digest)]
    if not standing.proposed:
        raise InvalidInput(f"nothing waits to be accepted at {standing.approval}", hint="it asks as it is declared")
    if not found:
        raise NotAsShown(
            f"no rules with the digest {digest} are proposed for {standing.approval}",
            hint="`answerable approvals list` shows what is proposed now",
        )
    if len(found) > 1:
        raise InvalidInput(
            f"{len(found)} different rules are proposed for {standing.approval}",
            hint=f"say which by its digest: {', '.join(one.digest[:12] for one in found)}",
        )
    return found[0]


def _news(found: Standings, system: str, declared: Mapping[str, RulesOfDeciding]) -> list[str]:
    """The approvals of which what is declared is neither in force nor proposed."""
    news = []
    for approval, rules in declared.items():
        standing = found.get((system, approval))
        if standing is None or rules.digest not in (standing._digest, *standing.proposed):
            news.append(approval)
    return news


def _taken(read: Iterable[ApprovalDeclared | ApprovalAccepted]) -> Standings:
    found: Standings = {}
    for record in read:
        place = (record.system, record.approval)
        found.setdefault(place, Standing(system=place[0], approval=place[1])).take(record)
    return found


def _read(tx: Tx) -> Iterator[ApprovalDeclared | ApprovalAccepted]:
    for (body,) in tx.all(_RECORDS):
        try:
            record = read_record(bytes(body))
        except ValidationError:
            continue  # no record: `verify_ledger` says so
        if isinstance(record, ApprovalDeclared | ApprovalAccepted):
            yield record
