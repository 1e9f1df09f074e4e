"""Statements: written once with SQLAlchemy Core, compiled once for each dialect, then run as plain SQL.

Compiling costs a hundred times what running a small statement does, and a step runs about ten of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, insert
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

# Both take their parameters as one mapping, which keeps every call the same.
DIALECTS: dict[str, Dialect] = {
    "sqlite": SQLiteDialect_pysqlite(paramstyle="named"),
    "postgresql": PGDialect_psycopg(paramstyle="pyformat"),  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped
}


class Statement:
    """One statement, with named parameters (`bindparam`). `columns` names those of an INSERT, each a parameter.

    A list for `in_` is given in the statement itself; as a parameter it would change the text at each call.
    """

    __slots__ = ("_clause", "_columns", "_compiled")

    def __init__(self, clause: ClauseElement, columns: Sequence[str] | None = None) -> None:
        self._clause = clause
        self._columns = columns
        self._compiled: dict[str, tuple[str, dict[str, Any]]] = {}

    def compiled(self, dialect: str) -> tuple[str, dict[str, Any]]:
        """The text for "sqlite" or "postgresql", and the parameters that the statement itself gives a value."""
        known = self._compiled.get(dialect)
        if known is None:
            done = self._clause.compile(dialect=DIALECTS[dialect], column_keys=self._columns)
            assert isinstance(done, SQLCompiler)
            wanted = {name: bind for name, bind in done.binds.items() if bind.required}
            assert not any(bind.expanding for bind in wanted.values()), "a list must be given in the statement itself"
            state = done.construct_expanded_state(dict.fromkeys(wanted))  # writes the lists out
            fixed = {name: value for name, value in state.parameters.items() if name not in wanted}
            known = self._compiled[dialect] = (state.statement, fixed)
        return known


def inserting(table: Table, *, without: Sequence[str] = ()) -> Statement:
    """INSERT of one row, each column a parameter of its name, except those the database fills in."""
    columns = [column.name for column in table.columns if column.name not in without]
    return Statement(insert(table).inline(), columns)


def named(table: Table, row: Sequence[Any]) -> dict[str, Any]:
    """A row of all columns of `table`, by name."""
    return dict(zip(table.columns.keys(), row, strict=True))
