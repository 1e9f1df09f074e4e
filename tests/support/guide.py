"""The guide's generated tables, written from the code that they describe: `make guide`."""

from __future__ import annotations

from pathlib import Path

from answerable.tracing.spans import attributes

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "tracing.md"


def with_table(text: str, table: str) -> str:
    """The text of a page, whose table with the same first column is replaced."""
    first_column = table.split("|")[1]
    lines = text.splitlines(keepends=True)
    start = next(place for place, line in enumerate(lines) if line.startswith(f"|{first_column}|"))
    end = next((place for place, line in enumerate(lines) if place > start and not line.startswith("|")), len(lines))
    return "".join([*lines[:start], table, *lines[end:]])


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), attributes.table()), encoding="utf-8")
