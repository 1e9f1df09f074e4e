"""The page: one file that loads nothing, says everything in words, and lets nobody's text be more than text."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from answerable.tracing.evidence.lineage.beside import Beside
from answerable.tracing.evidence.lineage.lineage import Lineage
from answerable.tracing.evidence.lineage.sources import Sources
from answerable.tracing.evidence.story.drawing import draw
from answerable.tracing.evidence.story.layout import WIDTH, lay_out
from answerable.tracing.evidence.story.page import page_of
from answerable.tracing.evidence.story.story import Story, tell
from answerable.tracing.evidence.telling.labels import Question
from answerable.tracing.evidence.telling.words import People
from answerable.tracing.ledger.records.effects import EffectSettled
from answerable.tracing.ledger.records.record import Record
from answerable.tracing.people import PersonRow
from tests.support.story import DESK, LEAD, RI, place, whole_run

EVIL = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\u202e\x1b"


def person(id: str, handle: str, name: str) -> PersonRow:
    return PersonRow(id=id, handle=handle, name=name, contact="", roles=(), teams=())


PEOPLE = [person(RI, "alice", "Alice A."), person(LEAD, "dora", EVIL), person(DESK, "nils", "")]


def story_of(records: list[Record], id: str, question: Question = "why", beside: Beside | None = None) -> Story:
    placed = place(records)
    lineage = Lineage(placed[0].record.run, placed)
    sources = Sources(run=lineage.run, placed=placed, around=[], damaged=0)
    return tell(
        question,
        lineage.facts[id],
        [id],
        lineage=lineage,
        sources=sources,
        beside=beside or Beside(),
        people=People(PEOPLE),
    )


def in_doubt() -> Story:
    """The call of the small run that a person settled; what that person is called and said is a trap."""
    records = [
        one.model_copy(update={"reason": EVIL}) if isinstance(one, EffectSettled) else one
        for one in whole_run().records
    ]
    (settled,) = [one for one in records if isinstance(one, EffectSettled)]
    return story_of(records, settled.effect)


class Elements(HTMLParser):
    """What is in a page: tags with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_it_loads_nothing_and_runs_nothing() -> None:
    page = page_of(in_doubt())
    elements = Elements(page)
    names = {name for name, _ in elements.found}
    assert names.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "form", "base", "a", "image", "use"})
    for tag, attributes in elements.found:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        assert attributes.keys().isdisjoint({"style", "src", "href", "xlink:href", "srcset", "action"})
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert "url(" not in style and "@import" not in style
    (policy,) = [one["content"] for one in elements.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_what_somebody_wrote_stays_text() -> None:
    elements = Elements(page_of(in_doubt()))
    said = "".join(elements.text)
    assert said.count("<script>alert(1)</script>") >= 2  # the name and the reason, as text
    assert "\\u202e\\u001b" in said and "\u202e" not in said and "\x1b" not in said


def test_it_can_be_read_by_those_who_do_not_see_it() -> None:
    elements = Elements(page_of(in_doubt()))
    assert elements.all("html") == [{"lang": "en"}]
    headings = [name for name, _ in elements.found if re.fullmatch(r"h\d", name)]
    assert headings[0] == "h1" and headings.count("h1") == 1 and set(headings) == {"h1", "h2"}
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = [one for _, attributes in elements.found for one in (attributes.get("aria-labelledby") or "").split()]
    assert set(labelled) <= set(ids)
    (drawing,) = elements.all("svg")
    assert drawing["role"] == "img" and drawing["aria-labelledby"] == "drawn shows"
    assert "The path crosses START to forecast" in "".join(elements.text)
    assert len(elements.all("time")) == len(in_doubt().lines)


def test_the_same_story_gives_the_same_bytes() -> None:
    assert page_of(in_doubt()) == page_of(in_doubt())


def test_the_path_is_brought_out() -> None:
    drawing = draw(in_doubt())
    on_path = {node.name for node in drawing.nodes if node.on_path}
    assert {"START", "forecast", "plan", "review", "sign-off", "carrier.dispatch"} == on_path
    assert [node.name for node in drawing.nodes if node.focus] == ["carrier.dispatch"]
    (approval,) = [node for node in drawing.nodes if node.sort == "approval"]
    assert approval.below == "dora: as-proposed"
    crossed = {edge.title.partition(":")[0] for edge in drawing.edges if edge.on_path}
    assert "review → plan" in crossed and "carrier.dispatch → report" not in crossed
    for node in drawing.nodes:
        assert 0 <= node.x <= drawing.width - drawing.node_width
        assert 0 <= node.y <= drawing.height - drawing.node_height


@pytest.mark.parametrize(
    "edges",
    [
        [],
        [("a", "b")],
        [("a", "b"), ("b", "a")],
        [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("a", "d"), ("d", "b")],
        [(f"n{at}", f"n{at + 1}") for at in range(60)] + [("n0", "n60"), ("n60", "n1")],
        [("s", f"n{at}") for at in range(30)] + [(f"n{at}", "e") for at in range(30)],
    ],
)
def test_nothing_is_drawn_on_top_of_another(edges: list[tuple[str, str]]) -> None:
    nodes = list(dict.fromkeys(name for edge in edges for name in edge)) or ["a"]
    layout = lay_out(nodes, edges)
    rows: dict[float, list[float]] = {}
    for point in layout.nodes.values():
        rows.setdefault(point.y, []).append(point.x)
    for row in rows.values():
        row.sort()
        assert all(right - left >= WIDTH for left, right in pairwise(row))
    for source, target in edges:
        down = layout.nodes[source].y < layout.nodes[target].y
        assert down != ((source, target) in layout.upward)
