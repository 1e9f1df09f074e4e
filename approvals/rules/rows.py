"""Stored rules: rows of one version each, with a MAC, and their bodies.

1. A body is canonical JSON (RFC 8785) of everything that a rule says, with the schema that it was checked against and
   whom its approval asks. Its digest is what people approve; the row's columns repeat it, and are checked against it.
2. The MAC is over digest, state, author, approvers and times: a row that somebody wrote or changed is no rule.
3. Active is one version of a name at a time: the highest that was ever approved and has begun. One that was revoked or
   has expired does not bring an older one back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from operator import attrgetter
from typing import Any

from sqlalchemy import bindparam, select, update

from answerable.approvals.sealing.keys import Key
from answerable.errors import StoreCorrupt, UnknownId
from answerable.tracing.people import listed
from answerable.tracing.storage.statements import Statement, inserting, named
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.people import systems
from answerable.tracing.storage.tables.rules import rules

_INSERT = inserting(rules)
_HEAD = tuple(column for column in rules.c if column.name != "body")
_columns_of = attrgetter(*(column.name for column in _HEAD))
_THIS = rules.c.id == bindparam("rule")
_GET = Statement(select(*rules.c).where(_THIS))
_GET_LOCKED = Statement(select(*rules.c).where(_THIS).with_for_update())
_HELD = Statement(select(*_HEAD).where(_THIS).with_for_update(read=True))
_ALL = Statement(select(*rules.c).order_by(rules.c.system, rules.c.approval, rules.c.name, rules.c.version))
_OF_NAME = Statement(
    select(*_HEAD)
    .where(rules.c.system == bindparam("system"), rules.c.name == bindparam("name"))
    .with_for_update(read=True)
)
_OF_APPROVAL = Statement(
    select(*rules.c)
    .where(rules.c.system == bindparam("system"), rules.c.approval == bindparam("approval"), rules.c.approvers != "[]")
    .order_by(rules.c.name, rules.c.version)
)
_GENERATION = Statement(select(systems.c.rules).where(systems.c.name == bindparam("system")))
_SET = Statement(
    update(rules)
    .where(_THIS)
    .values(state=bindparam("new_state"), approvers=bindparam("new_approvers"), mac=bindparam("new_mac"))
)


@dataclass(frozen=True, kw_only=True)
class RuleHead:
    """A stored rule without its body; `author` is a person's id, `approvers` a JSON list of some."""

    id: str
    system: str
    approval: str
    name: str
    version: int
    digest: str
    state: str  # proposed, approved, revoked
    author: str
    approvers: str
    not_before: int
    expires_at: int
    proposed_at: int
    mac: str

    @property
    def label(self) -> str:
        """NAME@VERSION."""
        return f"{self.name}@{self.version}"

    @property
    def approved_by(self) -> tuple[str, ...]:
        """The persons who approved it, by id."""
        return listed(self.approvers)

    @property
    def people(self) -> tuple[str, ...]:
        """The persons behind it, by id: who approved it, who wrote it."""
        return tuple(dict.fromkeys((*self.approved_by, self.author)))

    def genuine(self, key: Key) -> bool:
        """Whether it was written by this program with the store's key."""
        return key.holds(self.mac, "rule", *self._signed())

    def signed(self, key: Key) -> RuleHead:
        """The same with its MAC."""
        return replace(self, mac=key.mac("rule", *self._signed()))

    def stands(self, *, at: int) -> str:
        """How it stands at a time: proposed, revoked, waiting (for its time), active or expired."""
        if self.state != "approved":
            return self.state
        return "waiting" if at < self.not_before else "active" if at < self.expires_at else "expired"

    def _signed(self) -> tuple[object, ...]:
        return tuple(value for name, value in vars(self).items() if name != "mac")


@dataclass(frozen=True, kw_only=True)
class RuleRow:
    """A stored rule with its body."""

    head: RuleHead
    body: Mapping[str, Any]

    @cached_property
    def caps(self) -> tuple[tuple[str, int, str], ...]:
        """Each cap: of what, at most how much, per hour or day; in one order for everybody."""
        return tuple(sorted((cap["of"], cap["most"], cap["per"]) for cap in self.body["caps"]))


def insert_rule(tx: Tx, head: RuleHead, body: bytes) -> None:
    """Write a rule that is proposed."""
    tx.run(_INSERT, **vars(head), body=body)


def set_rule(tx: Tx, key: Key, head: RuleHead, *, state: str, approvers: Iterable[str] | None = None) -> RuleHead:
    """Move a rule to another state."""
    whom = head.approvers if approvers is None else json.dumps(list(approvers))
    moved = replace(head, state=state, approvers=whom).signed(key)
    tx.run(_SET, rule=moved.id, new_state=state, new_approvers=moved.approvers, new_mac=moved.mac)
    return moved


def find_rule(tx: Tx, reference: str, *, lock: bool = False) -> RuleRow:
    """The rule with this id, or NAME@VERSION where one system alone has that.

    Raises: UnknownId; StoreCorrupt if it is not what was proposed.
    """
    row = tx.one(_GET_LOCKED if lock else _GET, rule=reference)
    if row is None:
        name, _, version = reference.rpartition("@")
        found = [one for one in all_rules(tx) if (one.head.name, str(one.head.version)) == (name, version)]
        if len(found) != 1:
            trouble = f"several systems have a rule {reference}" if found else f"there is no rule {reference}"
            raise UnknownId(trouble, hint="`answerable rules list` lists them with their ids")
        return find_rule(tx, found[0].head.id, lock=True) if lock else found[0]
    return _read(named(rules, row))


def all_rules(tx: Tx) -> list[RuleRow]:
    """Every version of every rule. Raises: StoreCorrupt."""
    return [_read(named(rules, row)) for row in tx.all(_ALL)]


def heads_of(tx: Tx, system: str, name: str) -> list[RuleHead]:
    """Every version of a rule."""
    return [_head(row) for row in tx.all(_OF_NAME, system=system, name=name)]


def still_is(tx: Tx, head: RuleHead) -> bool:
    """Whether a rule's row is what it was; nobody revokes it before this transaction is over."""
    return tx.one(_HELD, rule=head.id) == _columns_of(head)


def rule_called(tx: Tx, system: str, label: str) -> RuleHead | None:
    """The rule NAME@VERSION of a system; nobody revokes it before this transaction is over."""
    name, _, version = label.rpartition("@")
    return next((head for head in heads_of(tx, system, name) if str(head.version) == version), None)


def generation(tx: Tx, system: str) -> int:
    """A number that is another one whenever a rule of the system was approved or revoked."""
    row = tx.one(_GENERATION, system=system)
    return int(row[0]) if row else 0


def approved_rules(tx: Tx, system: str, approval: str) -> list[RuleRow]:
    """Every rule of an approval that was ever approved, by name and version. Raises: StoreCorrupt."""
    return [_read(named(rules, row)) for row in tx.all(_OF_APPROVAL, system=system, approval=approval)]


def active_rules(approved: Iterable[RuleRow], *, at: int) -> tuple[RuleRow, ...]:
    """Those of the rules that were ever approved that have force at a time: one version of each name."""
    newest: dict[str, RuleRow] = {}
    for row in approved:  # of one name, the highest version comes last
        if row.head.not_before <= at:
            newest[row.head.name] = row
    return tuple(row for row in newest.values() if row.head.stands(at=at) == "active")


def read_rule_row(fields: Mapping[str, Any]) -> RuleRow:
    """A rule from its columns. Raises: StoreCorrupt."""
    return _read(dict(fields))


def _head(row: tuple[Any, ...]) -> RuleHead:
    return RuleHead(**dict(zip((column.name for column in _HEAD), row, strict=True)))


def _read(fields: dict[str, Any]) -> RuleRow:
    body = bytes(fields.pop("body"))
    head = RuleHead(**fields)
    return RuleRow(head=head, body=_checked(head, body))


def _checked(head: RuleHead, body: bytes) -> dict[str, Any]:
    if sha256(body).hexdigest() == head.digest:
        said: dict[str, Any] = json.loads(body)
        repeated = ("system", "approval", "name", "version", "author", "not_before", "expires_at")
        if all(said[name] == getattr(head, name) for name in repeated):
            return said
    raise StoreCorrupt(
        f"rule {head.label} is not what it was when it was proposed",
        hint="`answerable ledger verify` finds what was changed",
    )
