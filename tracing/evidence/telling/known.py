"""What is known when a story is told: facts, what lies beside them, persons; and words that several tellers use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from answerable.tracing.evidence.lineage.beside import Beside
from answerable.tracing.evidence.lineage.lineage import Lineage
from answerable.tracing.evidence.telling.words import Kind as PieceKind
from answerable.tracing.evidence.telling.words import People, Piece, Text, join, plural, text
from answerable.tracing.ledger.records.deciding import RequestMade
from answerable.tracing.ledger.records.steps import Crossed


class Told(NamedTuple):
    """What a record comes to: its sort, the words, further texts, and a table (its first row is the head)."""

    sort: str
    words: Text
    more: tuple[Text, ...] = ()
    table: tuple[tuple[Text, ...], ...] = ()


Tally = Mapping[str, tuple[int, int]]


class Known:
    """Everything that a teller may look at."""

    def __init__(self, lineage: Lineage, beside: Beside, people: People) -> None:
        self.facts: Final = lineage.facts
        self.caused: Final = lineage.caused
        self.beside: Final = beside
        self.people: Final = people
        self.tallies: Final[dict[str, tuple[Tally, int | None]]] = {}
        for fact in lineage.facts.values():
            counted: list[Crossed | RequestMade] = [*fact.all(Crossed), *fact.all(RequestMade)]
            for one in counted:
                if one.tally is not None:
                    self.tallies[one.message.id] = (one.tally, one.inversions)

    def sums(self, *messages: str) -> tuple[Text, ...]:
        """What the prioritizations among these messages serve, as it was counted when they crossed."""
        return tuple(served(*self.tallies[one]) for one in messages if one in self.tallies)


def served(tally: Tally, inversions: int | None) -> Text:
    """What a prioritization serves of each tier, and how many items pass a more critical one."""
    parts = [text(f"{tier} ", share) for tier, share in zip(tally, shares(tally), strict=True)]
    if not inversions:
        return join(parts, ", ")
    passed = f"; {plural(inversions, 'item')} {'passes' if inversions == 1 else 'pass'} a more critical one"
    return text(join(parts, ", "), Piece(passed, "bad"))


def shares(tally: Tally) -> list[Text]:
    """What a prioritization serves of each tier."""
    return [text(Piece(f"{given} of {demand}", _tone(demand, given))) for demand, given in tally.values()]


def _tone(demand: int, given: int) -> PieceKind:
    return "good" if given >= demand else "bad" if given == 0 else "open"


def purpose_of(sent: Crossed) -> Text:
    """What an edge is for, as it was declared."""
    return text(" ", Piece(sent.purpose, "purpose")) if sent.purpose else ()
