"""The coordination graph of a run as a drawing, with the path of a story brought out: pure numbers and words.

1. A node is a place where the run was; an edge is one that was crossed, however often. Nothing that was only declared
   is drawn, and a step is not drawn for itself: the lines of the story tell of each.
2. What is on the path says more: who decided, how often, with what outcome.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from answerable.tracing.evidence.lineage.facts import Fact
from answerable.tracing.evidence.lineage.lineage import END, START
from answerable.tracing.evidence.story.layout import HEIGHT, WIDTH, Layout, Point, lay_out
from answerable.tracing.evidence.story.story import Story
from answerable.tracing.evidence.telling.labels import state_of
from answerable.tracing.ledger.records.deciding import Decided, RequestMade
from answerable.tracing.ledger.records.effects import EffectPrepared
from answerable.tracing.ledger.records.steps import Crossed, GatherClosed, StepFinished, StepStarted

MOST: Final = 18  # characters in a node
Sort = Literal["ends", "agent", "approval", "effect"]


@dataclass(frozen=True, kw_only=True)
class DrawnNode:
    """A node: its upper left corner, what stands in it, and whether the path goes through it or is about it."""

    name: str
    label: str
    below: str  # a second line
    sort: Sort
    x: float
    y: float
    on_path: bool
    focus: bool


@dataclass(frozen=True, kw_only=True)
class DrawnEdge:
    """An edge: its line as an SVG path, what it says when it is asked, and a mark where it was crossed often."""

    line: str
    title: str
    count: str
    at: Point
    on_path: bool


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A drawing and its size; `words` says what it shows to those who do not see it."""

    nodes: tuple[DrawnNode, ...]
    edges: tuple[DrawnEdge, ...]
    width: float
    height: float
    words: str
    node_width: float = WIDTH
    node_height: float = HEIGHT


def draw(story: Story) -> Drawing:
    """The run of a story, its path brought out."""
    facts = story.lineage.facts
    everything = _crossed(facts.values())
    path = _crossed(story.path)
    nodes = list(dict.fromkeys(name for sent in everything for name in (sent.source, sent.target)))
    nodes += [name for name in dict.fromkeys(_node_of(fact) for fact in facts.values()) if name and name not in nodes]
    nodes.sort(key=lambda name: name == END)
    pairs = list(dict.fromkeys((sent.source, sent.target) for sent in everything))
    layout = lay_out(nodes, pairs)
    on_path = {name for sent in path for name in (sent.source, sent.target)} | {_node_of(fact) for fact in story.path}
    below = _second_lines(story)
    sorts = _sorts(facts.values())
    about = _node_of(story.focus) if story.focus.kind != "run" else ""
    drawn = tuple(
        DrawnNode(
            name=name,
            label=_short(name),
            below=_short(below.get(name, "")),
            sort="ends" if name in (START, END) else sorts.get(name, "agent"),
            x=layout.corner(name).x,
            y=layout.corner(name).y,
            on_path=name in on_path,
            focus=name == about,
        )
        for name in nodes
    )
    crossed = {(sent.source, sent.target) for sent in path}
    edges = tuple(_edge(pair, layout, everything, on_path=pair in crossed) for pair in pairs)
    return Drawing(
        nodes=drawn,
        edges=tuple(sorted(edges, key=lambda one: one.on_path)),  # what is brought out lies on top
        width=layout.size(pairs).x,
        height=layout.size(pairs).y,
        words=_words(pairs, crossed),
    )


def _crossed(facts: Iterable[Fact]) -> list[Crossed]:
    return [sent for fact in facts if fact.kind == "crossing" for sent in fact.all(Crossed)]


def _edge(pair: tuple[str, str], layout: Layout, everything: Iterable[Crossed], *, on_path: bool) -> DrawnEdge:
    source, target = pair
    sent = [one for one in everything if (one.source, one.target) == pair]
    types = ", ".join(dict.fromkeys(one.message.type for one in sent))
    purposes = "; ".join(dict.fromkeys(one.purpose for one in sent if one.purpose))
    title = f"{source} → {target}: {types}, {len(sent)} times" if len(sent) > 1 else f"{source} → {target}: {types}"
    line, at = layout.line(source, target)
    return DrawnEdge(
        line=line,
        title=f"{title}; {purposes}" if purposes else title,
        count=f"×{len(sent)}" if len(sent) > 1 else "",
        at=at,
        on_path=on_path,
    )


def _second_lines(story: Story) -> dict[str, str]:
    """What each node on the path did, in a few words."""
    said: dict[str, Counter[str]] = defaultdict(Counter)
    owners: dict[str, str] = {}
    for fact in story.path:
        made = fact.last(Decided)
        if fact.kind == "decision" and made is not None:
            who = story.people.rows.get(made.by)
            name = who.handle if who is not None else made.by
            said[made.approval][f"{name}: {made.option or made.outcome}" if name else made.outcome] += 1
        elif fact.kind == "effect":
            said[_node_of(fact)][state_of(fact)] += 1
        elif fact.kind == "request" and fact.id not in story.lineage.caused:
            said[_node_of(fact)]["waits for a person"] += 1
        elif fact.kind == "step" and (done := fact.last(StepFinished)) is not None:
            if done.role == "agent" and done.outcome == "failed":
                said[done.node]["failed"] += 1
            elif done.owner:
                owners.setdefault(done.node, done.owner)
    lines = {node: ", ".join(_counted(what, count) for what, count in counts.items()) for node, counts in said.items()}
    return owners | lines


def _counted(what: str, count: int) -> str:
    return f"{count} {what}" if count > 1 else what


def _sorts(facts: Iterable[Fact]) -> dict[str, Sort]:
    found: dict[str, Sort] = {}
    for fact in facts:
        for one in fact.placed:
            match one.record:
                case StepFinished(node=node, role=role):
                    found[node] = role
                case StepStarted(node=node):
                    found.setdefault(node, "agent")
                case RequestMade(approval=node):
                    found[node] = "approval"
                case EffectPrepared(name=node):
                    found[node] = "effect"
    return found


def _node_of(fact: Fact) -> str:
    """The node that a fact is of, or ""."""
    for one in fact.placed:
        match one.record:
            case StepStarted(node=name) | StepFinished(node=name) | EffectPrepared(name=name):
                return name
            case RequestMade(approval=name) | Decided(approval=name):
                return name
            case Crossed(target=name) if fact.kind == "crossing":
                return name
            case GatherClosed(edge=edge):
                return edge.partition("→")[0]
    return ""


def _words(pairs: Iterable[tuple[str, str]], crossed: set[tuple[str, str]]) -> str:
    told = [f"{source} to {target}" for source, target in pairs if (source, target) in crossed]
    rest = sum(pair not in crossed for pair in pairs)
    return f"The path crosses {', '.join(told) or 'no edge'}. {rest} other edges of the run are drawn fainter."


def _short(text: str) -> str:
    return text if len(text) <= MOST else f"{text[: MOST - 1]}…"
