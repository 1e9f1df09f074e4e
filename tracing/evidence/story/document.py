"""A story as JSON for programs; the guide says what each field means. Fields are added, never renamed.

Times are ISO 8601 in UTC. Texts are whole sentences without markup; persons appear in them by name, beside them by id.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from answerable.tracing.clock import Micros
from answerable.tracing.evidence.lineage.facts import Fact
from answerable.tracing.evidence.story.story import Story
from answerable.tracing.evidence.telling.labels import label_of, state_of
from answerable.tracing.evidence.telling.words import Line, as_plain
from answerable.tracing.ledger.records.deciding import Decided


def document_of(story: Story) -> dict[str, Any]:
    """A story as plain JSON values."""
    return {
        "question": story.question,
        "about": {
            "id": story.focus.id,
            "kind": story.focus.kind,
            "name": label_of(story.focus),
            "state": state_of(story.focus),
        },
        "run": story.run,
        "system": story.system,
        "title": as_plain(story.title),
        "answer": [as_plain(sentence) for sentence in story.answer],
        "partial": list(story.partial),
        "notes": [as_plain(note) for note in story.notes],
        "responsible": list(story.responsible),
        "persons": story.people.describe(),
        "story": [_line(line) for line in story.lines],
        "facts": [_fact(fact, story) for fact in story.path],
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "at": iso(line.at),
        "until": iso(line.until) if line.until else None,
        "count": line.count,
        "sort": line.sort,
        "text": as_plain(line.text),
        "more": [as_plain(more) for more in line.more],
        "table": [[as_plain(cell) for cell in row] for row in line.table],
        "about": line.fact,
        "responsible": line.responsible,
        "records": list(line.seqs),
    }


def _fact(fact: Fact, story: Story) -> dict[str, Any]:
    decided = fact.last(Decided)
    return {
        "id": fact.id,
        "kind": fact.kind,
        "name": label_of(fact),
        "state": state_of(fact),
        "at": iso(fact.at),
        "by": decided.by if decided is not None else "",
        "causes": list(fact.causes),
        "records": [one.seq for one in fact.placed],
        "commitment": fact.ref.commitment if fact.ref is not None else "",
        "payload": story.beside.payloads.get(fact.id),
    }


def iso(at: Micros) -> str:
    """A time, ISO 8601 in UTC."""
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat()
