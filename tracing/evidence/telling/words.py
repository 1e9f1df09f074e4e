"""The words of a story: pieces of text that know what they are, so that a terminal and a page can each show them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from answerable.tracing.people import PersonRow

Kind = Literal[
    "", "person", "node", "type", "strong", "good", "bad", "open", "quiet", "purpose", "agent", "said", "payload"
]
"""What a piece is. Others' words: `purpose` (the declaration's), `agent` (an agent's), `said` (anybody else's), and
`payload` (what a message says, which lies beside the records)."""


class Piece(NamedTuple):
    """A piece of text."""

    text: str
    kind: Kind = ""


Text = tuple[Piece, ...]
MOST_FIELDS: Final = 7  # of a message in short
MOST_CHARACTERS: Final = 60  # of one of its values


@dataclass(frozen=True, kw_only=True)
class Line:
    """One thing that happened: when, what it is about (the id of a fact), in words, and the places of its records.

    `count` such things happened alike, up to `until`. `more` are further texts that belong to it, and `table` is one of
    rows, the first of them its head.
    """

    at: int
    fact: str
    sort: str
    text: Text
    seqs: tuple[int, ...]
    responsible: str
    more: tuple[Text, ...] = ()
    table: tuple[tuple[Text, ...], ...] = ()
    count: int = 1
    until: int = 0


class People:
    """Persons, as they are to be called. The registry may have forgotten one."""

    def __init__(self, rows: Iterable[PersonRow]) -> None:
        self.rows: Mapping[str, PersonRow] = {row.id: row for row in rows}
        self.met: dict[str, None] = {}  # ids of those who were named, in that order

    def name(self, id: str) -> Piece:
        """A person's registered name, else their handle, else the beginning of their id."""
        if not id:
            return Piece("nobody", "person")
        self.met[id] = None
        row = self.rows.get(id)
        return Piece((row.name or row.handle) if row is not None else f"somebody ({id[:12]}…)", "person")

    def describe(self) -> list[dict[str, str]]:
        """Those who were named, for programs."""
        found = []
        for id in self.met:
            row = self.rows.get(id)
            found.append({"id": id, "handle": row.handle if row else "", "name": row.name if row else ""})
        return found


def join(parts: Sequence[Text], last: str = " and ", between: str = ", ") -> Text:
    """Several texts as one: a, b and c."""
    joined: list[Piece] = []
    for place, part in enumerate(parts):
        if place:
            joined.append(Piece(last if place == len(parts) - 1 else between))
        joined += part
    return tuple(joined)


def text(*parts: str | Piece | Text) -> Text:
    """One text from strings, pieces and texts."""
    made: list[Piece] = []
    for part in parts:
        if isinstance(part, Piece):
            made.append(part)
        elif isinstance(part, str):
            made.append(Piece(part))
        else:
            made += part
    return tuple(made)


def as_plain(words: Text) -> str:
    """A text without what its pieces are. What somebody said stands in quotation marks, an agent's words are marked."""
    return "".join(spelled(piece) for piece in words)


def spelled(piece: Piece) -> str:
    """A piece as it stands in a sentence."""
    if piece.kind == "agent":
        return f"“{piece.text}” (its own words)"
    return f"“{piece.text}”" if piece.kind in ("said", "purpose") else piece.text


def summary(payload: Any) -> Text:
    """What a message says, in short: its first few plain values, and how long its lists are."""
    if not isinstance(payload, dict):
        return ()
    parts = []
    for name, value in list(payload.items())[:MOST_FIELDS]:
        if isinstance(value, list):
            parts.append(text(Piece(f"{len(value)} {name}", "payload")))
        elif value not in ("", None) and not isinstance(value, dict):
            said = value if isinstance(value, str) else json.dumps(value)
            short = said if len(said) <= MOST_CHARACTERS else f"{said[:MOST_CHARACTERS]}…"
            parts.append(text(Piece(f"{name} {short}", "payload")))
    return join(parts, ", ")


def plural(count: int, one: str, many: str = "") -> str:
    """1 call, 2 calls."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def sentence(words: Text) -> Text:
    """A text as a sentence: with a capital, unless it begins with a name of the system, and a full stop."""
    first, *rest = words
    if first.kind not in ("node", "type", "person"):
        first = first._replace(text=first.text[:1].upper() + first.text[1:])
    return text(first, tuple(rest), ".")
