"""The story: the answer to "why?" or "what followed?", in a few sentences, then line by line.

1. The answer says what became of what was asked about, who decided on the way (or that nobody was asked), who started
   the run, and who answered for the system at each of these moments.
2. An answer that rests on a part of the records says that it is partial, and why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from answerable.tracing.evidence.lineage.beside import Beside
from answerable.tracing.evidence.lineage.facts import Fact, Kind
from answerable.tracing.evidence.lineage.lineage import END, Lineage
from answerable.tracing.evidence.lineage.sources import Sources
from answerable.tracing.evidence.lineage.surroundings import touching
from answerable.tracing.evidence.telling.approvals import decides, reason_of, taken_back
from answerable.tracing.evidence.telling.known import Known
from answerable.tracing.evidence.telling.labels import Question, label_of, state_of, title_of, tone_of
from answerable.tracing.evidence.telling.lines import lines_of
from answerable.tracing.evidence.telling.words import Line, People, Piece, Text, join, plural, sentence, text
from answerable.tracing.ledger.records.afterwards import DecisionRevoked
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.runs import RunStarted
from answerable.tracing.ledger.records.steps import Crossed

MOST_DECISIONS: Final = 4
_COUNTED: Final[dict[Kind, str]] = {"step": "step", "request": "request", "decision": "decision", "effect": "call"}


@dataclass(frozen=True, kw_only=True)
class Story:
    """An answer in words. `path` are the facts that it tells of; `partial` says why it is not the whole truth."""

    question: Question
    run: str
    system: str
    focus: Fact
    title: Text
    answer: tuple[Text, ...]
    lines: tuple[Line, ...]
    path: Sequence[Fact]
    lineage: Lineage
    sources: Sources
    beside: Beside
    people: People
    responsible: tuple[str, ...]  # ids of persons, in turn
    partial: tuple[str, ...]
    notes: tuple[Text, ...]


def tell(
    question: Question,
    focus: Fact,
    roots: Sequence[str],
    *,
    lineage: Lineage,
    sources: Sources,
    beside: Beside,
    people: People,
    notes: Iterable[Text] = (),
) -> Story:
    """The story of what led to `roots`, or of what followed from them; `focus` is what was asked about."""
    path = lineage.back(*roots) if question == "why" else lineage.forward(*roots)
    known = Known(lineage, beside, people)
    around = touching(path, sources.around)
    lines = lines_of(path, around, known, whole=focus.kind == "run" or question == "impact")
    answer = _Answer(lineage, known, path, lines)
    responsible = _in_turn(path)
    system = next((one.record.system for one in focus.placed if one.record.system), "")
    return Story(
        question=question,
        run=lineage.run,
        system=system,
        focus=focus,
        title=title_of(question, focus),
        answer=(
            *(answer.why(focus) if question == "why" else answer.impact(focus)),
            _answered_for(responsible, system, people),
        ),
        lines=tuple(lines),
        path=path,
        lineage=lineage,
        sources=sources,
        beside=beside,
        people=people,
        responsible=responsible,
        partial=tuple(_partial(lineage, path, sources, beside)),
        notes=tuple(notes),
    )


class _Answer:
    """The sentences that a story begins with."""

    def __init__(self, lineage: Lineage, known: Known, path: Sequence[Fact], lines: Sequence[Line]) -> None:
        self.lineage = lineage
        self.known = known
        self.path = path
        self.lines = lines

    def why(self, focus: Fact) -> list[Text]:
        return [self._what(focus), *self._decisions(focus), *self._start()]

    def impact(self, focus: Fact) -> list[Text]:
        followed = [fact for fact in self.path if fact.id != focus.id]
        counts = Counter(fact.kind for fact in followed)
        parts = [text(plural(counts[kind], noun)) for kind, noun in _COUNTED.items() if counts[kind]]
        if not parts:
            return [text("Nothing followed from it, or nobody has taken it up yet.")]
        sentences = [text("From it followed ", join(parts), ".")]
        states = Counter(state_of(fact) for fact in followed if fact.kind == "effect")
        if states:
            each = [text(f"{count} ", Piece(state, tone_of(state))) for state, count in sorted(states.items())]
            sentences.append(text("Of the calls: ", join(each), "."))
        if any(sent.target == END for fact in followed for sent in fact.all(Crossed)):
            sentences.append(text("It reached the result of the run."))
        return [*sentences, *self._decisions(focus)]

    def _what(self, focus: Fact) -> Text:
        told = [line for line in self.lines if line.fact == focus.id and line.sort not in ("died", "start")]
        if told and focus.kind != "run":
            more = told[-1].more if focus.kind == "effect" else ()
            return text(sentence(told[-1].text), *(text(" ", sentence(one)) for one in more))
        state = Piece(state_of(focus), tone_of(state_of(focus)))
        if focus.kind == "message":
            return self._message(focus)
        if focus.kind == "run":
            ended = [line for line in told if line.sort == "end"]
            return sentence(ended[-1].text) if ended else text("The run ", state, ".")
        sent = focus.last(Crossed)
        if sent is not None:
            went = text("from ", Piece(sent.source, "node"), " to ", Piece(sent.target, "node"), ": ")
            return text(Piece(sent.message.type, "type"), " went ", went, Piece(sent.purpose, "purpose"), ".")
        return text(Piece(label_of(focus), "node"), " is ", state, ".")

    def _message(self, focus: Fact) -> Text:
        kind = Piece(label_of(focus), "type")
        cause = next((self.lineage.facts[one] for one in focus.causes if one in self.lineage.facts), None)
        if cause is None:
            return text("Where this ", kind, " came from is not recorded.")
        made = cause.last(Decided)
        if made is not None:
            return text("This ", kind, " is what came of a decision: ", decides(made, self.known), ".")
        label = label_of(cause)
        match cause.kind:
            case "run":
                return text("This ", kind, " is the input of the run.")
            case "message":
                return text("This ", kind, " is an item of the ", Piece(label, "type"), " that was taken apart.")
            case "request":
                return text("This ", kind, " was planned by ", Piece(label, "node"), " for one of its options.")
            case _:
                return text("This ", kind, " was made by ", Piece(label, "node"), ".")

    def _decisions(self, focus: Fact) -> list[Text]:
        made = [(fact, one) for fact in self.path if fact.id != focus.id for one in fact.all(Decided)]
        if not made and focus.kind != "decision":
            return [text("Nobody was asked to decide on the way.")]
        told = [self._decided(fact, one) for fact, one in made]
        left = len(told) - MOST_DECISIONS
        before = [text(f"{plural(left, 'decision')} came before; they are below.")] if left > 0 else []
        return [*before, *told[-MOST_DECISIONS:]]

    def _decided(self, fact: Fact, made: Decided) -> Text:
        """A decision in a few sentences: who, what that serves, why, and whether it was taken back."""
        serves = self.known.sums(made.message.id) if made.message is not None else ()
        parts = [*serves, *([reason] if (reason := reason_of(made, self.known)) else [])]
        words = decides(made, self.known)
        said = sentence(text(words, ": " if serves else "; ", join(parts, "; ", "; ")) if parts else words)
        void = fact.last(DecisionRevoked)
        return text(said, " Then ", taken_back(void, self.known), ".") if void else said

    def _start(self) -> list[Text]:
        run = self.lineage.facts.get(self.lineage.run)
        start = run.last(RunStarted) if run is not None else None
        if start is None:
            return []
        by, kind = self.known.people.name(start.started_by), Piece(start.message.type, "type")
        return [text(by, " started the run with a ", kind, ".")]


def _in_turn(path: Iterable[Fact]) -> tuple[str, ...]:
    """Who answered, at each record of the path; one after the other."""
    records = sorted((one for fact in path for one in fact.placed), key=lambda one: one.seq)
    found: list[str] = []
    for one in records:
        if one.record.responsible and one.record.responsible not in found[-1:]:
            found.append(one.record.responsible)
    return tuple(found)


def _answered_for(responsible: Sequence[str], system: str, people: People) -> Text:
    name = Piece(system, "strong")
    if not responsible:
        return text("Who answered for ", name, " is not recorded.")
    if len(responsible) == 1:
        return text(people.name(responsible[0]), " answered for ", name, " at each of these moments.")
    return text("For ", name, " answered, in turn, ", join([(people.name(one),) for one in responsible]), ".")


def _partial(lineage: Lineage, path: Sequence[Fact], sources: Sources, beside: Beside) -> Iterator[str]:
    if sources.damaged:
        yield f"{plural(sources.damaged, 'record')} cannot be read as it was written; see `answerable ledger verify`"
    missing = lineage.missing(path)
    if missing:
        named = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        yield f"what led here is not all recorded: {named} is missing"
    run = lineage.facts.get(lineage.run)
    if run is None or run.last(RunStarted) is None:
        yield "the beginning of the run is not recorded"
    if beside.changed:
        yield f"what lies beside {', '.join(beside.changed[:3])} is not what was recorded; it is left out"
