"""The schema of a store, compared with this program's: what would have to be made.

1. What is missing is found by comparing tables, columns and indexes, so a new one has to be declared in `tables` only.
2. A column that is added to a table of an older schema is null, or has a default of the database (`server_default`).
3. Nothing is dropped or changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

from sqlalchemy import Index, MetaData, Table, text
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from answerable.tracing.storage.statements import DIALECTS, Statement

COLUMNS: Final = {
    "sqlite": Statement(
        text("SELECT m.name, p.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS p WHERE m.type = 'table'")
    ),
    "postgresql": Statement(
        text(
            "SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid"
            " WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND pg_table_is_visible(c.oid)"
        )
    ),
}
"""The (table, column) that there are, by dialect."""

INDEXES: Final = {
    "sqlite": Statement(text("SELECT name FROM sqlite_master WHERE type = 'index'")),
    "postgresql": Statement(text("SELECT relname FROM pg_class WHERE relkind = 'i' AND pg_table_is_visible(oid)")),
}
"""The indexes that there are, by dialect."""


def missing(metadata: MetaData, dialect: str, columns: Iterable[tuple[str, str]], indexes: set[str]) -> Iterator[str]:
    """The statements that make what a database does not have yet; `columns` and `indexes` are what it has."""
    there: dict[str, set[str]] = {}
    for table_name, column_name in columns:
        there.setdefault(table_name, set()).add(column_name)
    compiler = DIALECTS[dialect]
    for table in metadata.sorted_tables:
        known = there.get(table.name)
        if known is None:
            yield _creation(table, dialect)
        else:
            for column in table.columns:
                if column.name not in known:
                    name = compiler.identifier_preparer.format_table(table)
                    yield f"ALTER TABLE {name} ADD COLUMN {CreateColumn(column).compile(dialect=compiler)}"
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            if index.name not in indexes:
                yield _creation(index, dialect)


@cache
def _creation(made: Table | Index, dialect: str) -> str:
    """The statement that makes it; written once in a process, for it is slow."""
    statement = CreateTable(made) if isinstance(made, Table) else CreateIndex(made)
    return str(statement.compile(dialect=DIALECTS[dialect]))
