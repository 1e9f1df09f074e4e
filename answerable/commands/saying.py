"""How commands speak: text for people, JSON for programs, errors on stderr.

1. What somebody else wrote (an agent, a person, a receiver) is shown as plain text: never as markup, and with its
   control and bidirectional characters made visible.
2. JSON goes to stdout alone; everything else of such a command goes to stderr.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from answerable.agents.texts import plain, plain_lines, shortened
from answerable.commands.options import DEFAULT_STORE
from answerable.errors import AnswerableError
from answerable.tracing.clock import Micros

WIDTH_OF_A_PIPE: Final = 500  # cells: nothing is folded for a program that reads it
LONGEST_ERROR: Final = 4000  # characters: an error may repeat what was given, and nobody reads more
SHORT_ID: Final = 16  # characters, which is 48 bits of it; commands take the beginning of an id


def to_stdout() -> Console:
    """A console on the present stdout."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else WIDTH_OF_A_PIPE, highlight=False)


def to_stderr() -> Console:
    """A console on the present stderr."""
    return Console(file=sys.stderr, width=None if sys.stderr.isatty() else WIDTH_OF_A_PIPE, highlight=False)


def say(*parts: RenderableType) -> None:
    """Print for people. A plain string is shown as it is, without markup and safe for a terminal."""
    to_stdout().print(Group(*(Text(plain_lines(part)) if isinstance(part, str) else part for part in parts)))


def say_command(line: str, what: str) -> None:
    """Print a command that may be next, and what it does: never folded, so that it can be copied from any terminal."""
    console = to_stdout()
    one_line = Text.assemble("  ", line, "   ", (f"# {what}", "dim"))
    two_lines = Text.assemble("  ", line, "\n      ", (f"# {what}", "dim"))
    console.print(one_line if one_line.cell_len <= console.width else two_lines, soft_wrap=True)


def say_json(document: Any) -> None:
    """Print for programs: one JSON document."""
    print(json.dumps(document, indent=2, ensure_ascii=True))


def say_error(error: AnswerableError) -> None:
    """Print an error: its code, what was wrong, and what to do."""
    message = plain_lines(shortened(error.message, LONGEST_ERROR))
    text = Text.assemble(("error", "bold red"), f" [{error.code}] ", message)
    if error.hint:
        text.append(f"\n  → {plain_lines(error.hint)}", "cyan")
    to_stderr().print(text, soft_wrap=True)


def table(*columns: str, rows: Sequence[Sequence[str | Text]], right: Sequence[str] = ()) -> Table:
    """A table without frames; the columns in `right` are aligned there. Strings are shown as they are."""
    made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(plain(cell)) if isinstance(cell, str) else cell for cell in row))
    return made


def command_line(*words: str, store: str) -> str:
    """A command of ours on this store, as it can be typed here."""
    where = () if store == os.environ.get("ANSWERABLE_STORE", DEFAULT_STORE) else ("--store", store)
    return shlex.join((_program(), *words, *where))


def _program() -> str:
    """What this program is called here: as it was typed, where it was named by a path like `.venv/bin/answerable`."""
    typed = Path(sys.argv[0])
    return (
        str(typed) if typed.name == "answerable" and len(typed.parts) > 1 and not typed.is_absolute() else "answerable"
    )


def short(id: str) -> str:
    """An id in a table: its beginning on a terminal, all of it elsewhere."""
    return id[:SHORT_ID] if sys.stdout.isatty() else id


def when(at: Micros | None) -> str:
    """A time, in the local time zone, which is said."""
    return "" if at is None else datetime.fromtimestamp(at / 1e6, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
