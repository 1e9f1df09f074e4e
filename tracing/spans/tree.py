"""The tree of a run in the terminal: what Jaeger would show, readable at 80 columns and without Jaeger.

1. It is made of the run's spans, as one trace however long it waited, so both tell the same story. Edges are not lines
   of their own: how long a message waited stands at the step that took it.
2. What is not over has no span yet; it is read from the history: attempts that run, requests and calls that wait.
3. Persons appear by the handles that the caller looked up; an id that nobody knows stays an id. Everything that was
   written by somebody is shown as plain text, control characters made visible.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from answerable.agents.texts import plain
from answerable.tracing.clock import Micros
from answerable.tracing.ledger.entries import Entry
from answerable.tracing.ledger.placed import as_placed
from answerable.tracing.ledger.records.effects import EffectRecord
from answerable.tracing.ledger.records.runs import RunStarted
from answerable.tracing.spans import attributes as key
from answerable.tracing.spans.common import span_of_request
from answerable.tracing.spans.history import RunHistory
from answerable.tracing.spans.projection import follow
from answerable.tracing.spans.span import ERROR, INSTANT, SpanData, Value

_STYLES = {
    **dict.fromkeys(("failed", "unfinished"), "red"),
    **dict.fromkeys(("refused", "paused", "waiting"), "yellow"),
    "in-doubt": "magenta",
}
_NODES = ("step", "attempt", "approval", "request", "effect", "withheld")  # what is shown by its node's name
_REVOKED: dict[object, str] = {"person": "taken back", "facts": "facts moved", "rule": "the rule was revoked"}
_SHORT = 12  # characters of an id


def run_tree(entries: Iterable[Entry], names: Mapping[str, str]) -> RenderableType:
    """The tree of one run from its records (`records_of`); `names` maps ids of persons to handles."""
    history: RunHistory | None = None
    spans: list[SpanData] = []
    for placed in as_placed(entries):
        history = history or RunHistory(placed.record.run, segments=False)
        spans += follow(placed, history)
    if history is None or history.start is None:
        return Text("nothing is recorded of this run")
    view = _View(history, spans, names)
    tree = Tree(view.title(), guide_style="dim")
    view.grow(tree, history.root)
    return Group(tree, view.summary())


class _View:
    """The spans of one run, by parent, and the words for them."""

    def __init__(self, history: RunHistory, spans: Sequence[SpanData], names: Mapping[str, str]) -> None:
        self.history = history
        self.names = names
        self.spans = spans
        self.edges = {span.span: span for span in spans if span.shows == "edge"}
        self.below: dict[int, list[SpanData]] = defaultdict(list)
        known = {span.span for span in spans} | {history.root}
        for span in spans:
            if span.span not in self.edges and span.span != history.root:
                self.below[span.parent if span.parent in known else history.root].append(span)

    def title(self) -> Text:
        start = self.history.start
        assert start is not None and isinstance(start.record, RunStarted)
        record = start.record
        text = Text.assemble((record.system, "bold"), "  ", (self.history.run, "dim"), "\n")
        text.append(f"started by {self.person(record.started_by)}, answered for by {self.person(record.responsible)}")
        return text

    def grow(self, tree: Tree, span: int) -> None:
        """Add what lies below a span. Instants that read the same, such as calls withdrawn together, are one line."""
        alike: dict[str, list[Text]] = {}
        for child in sorted(self.below[span], key=lambda one: (one.start, one.end, one.span)):
            line = self.line(child)
            if lasts(child) or self.below[child.span]:
                self.grow(tree.add(line), child.span)
                continue
            if line.plain not in alike:
                tree.add(line)
            alike.setdefault(line.plain, []).append(line)
        for first, *others in alike.values():
            if others:
                first.append(f"  × {len(others) + 1}", style="dim")
        for text in self.unfinished(span):
            tree.add(text)

    def line(self, span: SpanData) -> Text:
        said = dict(span.pairs)
        if span.shows in _NODES:
            text = Text(plain(span.name.partition(" ")[2]), style="bold")
            outcome = self.text(said.get(key.EFFECT_STATE) or said.get(key.OUTCOME))
        else:
            text = Text(plain(span.name))
            outcome = self.text(
                said.get(key.EFFECT_STATE) or said.get(key.DECISION_OUTCOME) or _REVOKED.get(said.get(key.REVOKED))
            )
        facts = [length(span.end - span.start)] if lasts(span) else []
        if waited := self.waited(span):
            facts.append(f"waited {waited}")
        if key.STATUS in said:
            facts.append(f"HTTP {said[key.STATUS]}")
        if said.get(key.INVERSIONS):
            facts.append(f"{said[key.INVERSIONS]} inversions")
        text.append(f"  {' · '.join(facts)}" if facts else "", style="dim")
        if outcome:
            shown = (
                f"{outcome} ({plain(str(said[key.OPTION]))})"
                if span.shows == "decision" and key.OPTION in said
                else outcome
            )
            text.append(f"  {shown}", style=_STYLES.get(outcome, "red" if span.status == ERROR else "green"))
        if key.DECIDED_BY in said and span.shows in ("decision", "revocation", "settlement", "reopened"):
            text.append(f" by {self.person(said[key.DECIDED_BY])}")
        if span.message:
            text.append(f"  {plain(span.message)}", style="red")
        return text

    def waited(self, span: SpanData) -> str:
        """How long the message waited that came last."""
        taken = [self.edges[link] for link in span.links if link in self.edges]
        return length(span.start - max(edge.start for edge in taken)) if taken else ""

    def unfinished(self, span: int) -> list[Text]:
        """What goes on below a span."""
        history = self.history
        lines = [
            self.open(running.record.node, f"attempt {running.record.attempt}, not finished")
            for running in history.running.values()
            if (running.above.parent or history.root) == span
        ]
        for request in history.open_requests:
            asked = history.requests[request]
            if span == span_of_request(asked, asked.step, history):
                lines.append(self.open("awaiting a decision", request))
        for placed in (*history.unanswered.values(), *history.in_doubt.values()):
            record = placed.record
            if isinstance(record, EffectRecord) and span == history.home_of(record.effect, record.step)[1]:
                lines.append(self.open(record.name, f"{history.states[record.effect]} {record.effect}"))
        return lines

    def open(self, name: str, what: str) -> Text:
        return Text.assemble((plain(name), "bold"), "  ", (plain(what), _STYLES["waiting"]))

    def summary(self) -> Text:
        leftover = [edge for edge in self.edges.values() if dict(edge.pairs).get(key.EDGE_LEFTOVER)]
        statuses = [value for span in self.spans for name, value in span.pairs if name == key.RUN_STATUS]
        status = str(statuses[-1]) if statuses else "running"
        parts = [status, f"{len(self.history.sent_at)} messages crossed an edge", f"{len(self.spans)} spans"]
        if self.history.waiting:
            parts.append(f"{len(self.history.waiting)} messages wait")
        if leftover:
            parts.append(f"{len(leftover)} left over")
        return Text(", ".join(parts), style="dim")

    def person(self, id: Value) -> str:
        known = self.names.get(str(id))
        return plain(known) if known else plain(str(id))[:_SHORT]

    def text(self, value: Value | None) -> str:
        return "" if value is None else plain(str(value))


def lasts(span: SpanData) -> bool:
    """Whether a span has a duration."""
    return span.end - span.start > INSTANT


def length(micros: Micros) -> str:
    """A duration for people: 15 ms, 2.4 s, 3 min 20 s, 5 h 7 min, 2 d 4 h."""
    seconds = max(0, micros) / 1_000_000
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
