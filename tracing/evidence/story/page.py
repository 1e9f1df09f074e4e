"""A story as one HTML file that loads nothing and runs nothing.

1. No script, no font, no picture from elsewhere: a strict policy says so to the browser.
2. Everything that somebody wrote is escaped, and its control and bidirectional characters are made visible.
3. The same story gives the same bytes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from answerable.agents.texts import plain, plain_lines
from answerable.tracing.clock import Micros
from answerable.tracing.evidence.lineage.facts import Fact
from answerable.tracing.evidence.story.document import iso
from answerable.tracing.evidence.story.drawing import draw
from answerable.tracing.evidence.story.layout import number
from answerable.tracing.evidence.story.story import Story
from answerable.tracing.evidence.story.terminal import MARKS
from answerable.tracing.evidence.telling.labels import label_of, state_of
from answerable.tracing.evidence.telling.words import as_plain
from answerable.tracing.ledger.records.deciding import Decided, RequestMade
from answerable.tracing.ledger.records.runs import RunStarted
from answerable.tracing.ledger.records.steps import Crossed, StepFinished
from answerable.tracing.ledger.records.votes import Voted

MOST_CHARACTERS: Final = 6000  # of one payload
MOST_PAYLOADS: Final = 40
HERE: Final = Path(__file__).parent
TEMPLATES: Final = FileSystemLoader(HERE)  # other pages show a story's texts by its words.html.jinja


def page_of(story: Story) -> str:
    """A story as an HTML document."""
    style = _style()
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    days = [_day(line.at) for line in story.lines]
    return _template().render(
        story=story,
        title=as_plain(story.title),
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        style=Markup(style),  # noqa: S704 - a file of ours
        drawing=draw(story),
        days=[day if day != before else "" for day, before in zip(days, ["", *days], strict=False)],
        marks={sort: mark for sort, (mark, _) in MARKS.items()},
        persons=list(_persons(story)),
        said=list(_said(story)),
        facts=[_fact(fact) for fact in story.path],
        records=len({one.seq for fact in story.path for one in fact.placed}),
    )


@dataclass(frozen=True, kw_only=True)
class _Person:
    name: str
    part: str
    id: str


@dataclass(frozen=True, kw_only=True)
class _Said:
    type: str
    source: str
    whose: str
    text: str


def _persons(story: Story) -> Iterator[_Person]:
    started = {one.started_by for fact in story.path for one in fact.all(RunStarted)}
    decided = {one.by for fact in story.path for one in fact.all(Decided)}
    voted = {one.by for fact in story.path for one in fact.all(Voted)}
    for person in story.people.describe():
        parts = {
            "answered for the system": person["id"] in story.responsible,
            "decided": person["id"] in decided,
            "voted": person["id"] in voted,
            "started the run": person["id"] in started,
        }
        part = ", ".join(name for name, so in parts.items() if so) or "is named"
        handle = f" ({person['handle']})" if person["name"] else person["handle"]
        yield _Person(name=f"{person['name']}{handle}" or "not in the registry", part=part, id=person["id"])


def _said(story: Story) -> Iterator[_Said]:
    """The payloads of the path, and whose words they are."""
    known = [fact for fact in story.path if fact.id in story.beside.payloads]
    for fact in known[:MOST_PAYLOADS]:
        source, whose = _author(fact, story)
        text = json.dumps(story.beside.payloads[fact.id], indent=1, ensure_ascii=False)
        if len(text) > MOST_CHARACTERS:
            text = f"{text[:MOST_CHARACTERS]}\n… {len(text) - MOST_CHARACTERS} more characters"
        yield _Said(type=label_of(fact), source=source, whose=whose, text=text)


def _author(fact: Fact, story: Story) -> tuple[str, str]:
    """Where a message came from, and whose words it has."""
    for one in fact.placed:
        match one.record:
            case RunStarted():
                return "the input", "whoever started the run"
            case StepFinished(node=node, role="agent"):
                return node, "an agent’s own words"
            case StepFinished(node=node, role="effect"):
                return node, "the receiver’s answer"
            case StepFinished(node=node):
                return node, "an option"
            case RequestMade(approval=node):
                return node, "a person’s edit"
            case Crossed(source=node, port=port):
                return node, "a person’s answer" if port else "an item of a list"
    return story.run, "not recorded"


def _fact(fact: Fact) -> dict[str, Any]:
    records = sorted(one.seq for one in fact.placed)
    return {
        "kind": fact.kind,
        "name": label_of(fact),
        "state": state_of(fact),
        "id": fact.id,
        "records": ", ".join(map(str, records)),
    }


def _day(at: Micros) -> str:
    day = datetime.fromtimestamp(at / 1e6, UTC)
    return f"{day.day} {day:%B %Y}"


def _clock(at: Micros) -> str:
    return f"{datetime.fromtimestamp(at / 1e6, UTC):%H:%M:%S}"


@cache
def _style() -> str:
    return (HERE / "page.css").read_text(encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        loader=TEMPLATES, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"plain": plain, "lines": plain_lines, "number": number, "iso": iso, "clock": _clock}
    return environment.get_template("page.html.jinja")
