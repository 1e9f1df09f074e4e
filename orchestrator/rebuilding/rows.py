"""Rows as they are made anew, and what is told of that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, and_, delete, update

from answerable.approvals.gate import find_effect
from answerable.approvals.sealing.keys import Key
from answerable.tracing.ledger import agreement
from answerable.tracing.ledger.entries import records_of
from answerable.tracing.ledger.indexes.indexes import Columns
from answerable.tracing.ledger.records.effects import EffectSent
from answerable.tracing.storage.statements import Statement, named
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import exemptions
from answerable.tracing.storage.tables.people import systems
from answerable.tracing.storage.tables.stops import freezes


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What was made, changed and dropped, and what could not be made; each as "decision ID"."""

    made: tuple[str, ...]
    changed: tuple[str, ...]
    dropped: tuple[str, ...]
    not_made: tuple[str, ...]


@dataclass
class Rows:
    """The tables of a store that is rebuilt, at a time, for a person (an id)."""

    tx: Tx
    key: Key
    person: str
    at: int
    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    not_made: list[str] = field(default_factory=list)

    def plain(self, table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values as their columns hold them: lists as JSON."""
        plain = {name: json.dumps(value) if isinstance(value, list) else value for name, value in values.items()}
        if table is freezes and "in_flight" in values:
            plain["in_flight"] = json.dumps([[effect, self._attempt(effect, values)] for effect in values["in_flight"]])
        return plain

    def _attempt(self, effect: str, freeze: Mapping[str, Any]) -> int:
        """Which attempt of a call was in flight when a freeze was committed."""
        row = find_effect(self.tx, effect)
        sent = [entry.record for entry in records_of(self.tx, row.run)] if row else []
        mine = [one for one in sent if isinstance(one, EffectSent) and one.effect == effect]
        return max((one.attempt for one in mine if one.at <= freeze["at"]), default=1)

    def drop(self, table: Table, stored: Mapping[str, Columns], told: Mapping[str, Columns]) -> None:
        for id, row in stored.items():
            if id not in told:
                self.tx.run(Statement(delete(table).where(_this(table, id, row))))
                self.dropped.append(f"{agreement.SINGULAR[table.name]} {id}")

    def change(self, table: Table, id: str, values: Mapping[str, Any]) -> None:
        plain = self.plain(
            table, {name: value for name, value in values.items() if value is not None or name != "detail"}
        )
        if plain:
            self.tx.run(Statement(update(table).where(_this(table, id, {})).values(**plain)))
            self.changed.append(f"{agreement.SINGULAR[table.name]} {id}")

    def row(self, statement: Statement, table: Table, id: str) -> dict[str, Any]:
        row = self.tx.one(statement, id=id)
        assert row is not None, id
        return named(table, row)

    def report(self) -> Rebuilt:
        return Rebuilt(
            made=tuple(self.made),
            changed=tuple(self.changed),
            dropped=tuple(self.dropped),
            not_made=tuple(self.not_made),
        )


def without(columns: Mapping[str, Any], *names: str) -> Columns:
    """The columns but for these."""
    return {name: value for name, value in columns.items() if name not in names}


def _this(table: Table, id: str, row: Mapping[str, Any]) -> Any:
    if table is exemptions:
        return and_(*(table.c[column.name] == row[column.name] for column in table.primary_key))
    return (table.c.name if table is systems else table.c.id) == id
