"""The timeline of a run: all that happened in it, line by line, as its story tells it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, func, select

from answerable.tracing.evidence.lineage.beside import read_beside
from answerable.tracing.evidence.lineage.lineage import Lineage
from answerable.tracing.evidence.lineage.sources import read_sources
from answerable.tracing.evidence.lineage.surroundings import touching
from answerable.tracing.evidence.telling.known import Known
from answerable.tracing.evidence.telling.lines import lines_of
from answerable.tracing.evidence.telling.words import Line, People
from answerable.tracing.people import all_people
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.ledger import records

MOST_RECORDS: Final = 3000  # that are told each time that somebody looks; a quarter of a second
_COUNT: Final = Statement(select(func.count()).where(records.c.run == bindparam("run")))


def timeline(tx: Tx, run: str) -> list[Line] | None:
    """What happened in a run so far; None if it has more records than are told while somebody waits."""
    row = tx.one(_COUNT, run=run)
    if row is not None and row[0] > MOST_RECORDS:
        return None
    sources = read_sources(tx, run)
    lineage = Lineage(run, sources.placed)
    facts = list(lineage.facts.values())
    known = Known(lineage, read_beside(tx, run, facts), People(all_people(tx)))
    return lines_of(facts, touching(facts, sources.around), known, whole=True)
