"""Answers: from what somebody types to a story, in one reading of the store.

1. What is typed is an id, the beginning of one, a run's id, or what messages are about (a shipment's number). A run's
   id comes before a subject, since runs may be called anything.
2. Of several messages about one subject, all of the newest run are told of; a note names the other runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Integer, bindparam, func, select

from answerable.errors import UnknownId
from answerable.tracing.evidence.lineage.beside import read_beside
from answerable.tracing.evidence.lineage.facts import Fact
from answerable.tracing.evidence.lineage.lineage import Lineage
from answerable.tracing.evidence.lineage.sources import read_sources
from answerable.tracing.evidence.story.story import Story, tell
from answerable.tracing.evidence.telling.effects import answers_to
from answerable.tracing.evidence.telling.labels import Question
from answerable.tracing.evidence.telling.words import People, Text, plural, text
from answerable.tracing.ledger.naming import MOST, find_ids, looks_like_id
from answerable.tracing.ledger.records.effects import EffectPrepared
from answerable.tracing.people import all_people
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.ledger import records
from answerable.tracing.storage.tables.runs import runs, subjects

_RUN: Final = Statement(select(runs.c.id).where(runs.c.id == bindparam("given")))
_RECORDED: Final = Statement(select(records.c.run).where(records.c.run == bindparam("given")).limit(1))
_RUNS: Final = Statement(
    select(runs.c.id)
    .where(func.substr(runs.c.id, 1, bindparam("length", type_=Integer)) == bindparam("given"))
    .order_by(runs.c.id)
    .limit(MOST)
)
_SUBJECT: Final = Statement(
    select(subjects.c.run, subjects.c.message)
    .join_from(subjects, runs, runs.c.id == subjects.c.run)
    .where(subjects.c.subject == bindparam("given"))
    .order_by(runs.c.started_at.desc(), subjects.c.run, subjects.c.message)
    .limit(1000)
)
_NO_STORY: Final = {
    "frz": "a freeze has no story of its own: `answerable freezes` lists them",
    "grt": "ask about the effect that the grant was for: `answerable effects list`",
    "prs": "ask about something that they did: `answerable runs list`",
}


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is meant: a run, and ids of facts in it (none: the run itself); messages `about` something: their calls."""

    run: str
    ids: tuple[str, ...] = ()
    about: bool = False
    notes: tuple[Text, ...] = ()


def explain(
    tx: Tx,
    given: str,
    question: Question = "why",
    *,
    upto: int | None = None,
    with_names: bool = True,
    with_payloads: bool = True,
) -> Story:
    """The story of what was typed; with `upto`, from the records below that place only.

    Raises: UnknownId if this store has nothing of that name, or several.
    """
    target = find_target(tx, given)
    sources = read_sources(tx, target.run, upto=upto)
    lineage = Lineage(target.run, sources.placed)
    focus, roots = _focus(lineage, target, question)
    if focus is None:
        raise UnknownId(
            f"the record that names {given} is not there any more" if upto is None else f"{given} is newer than that",
            hint="the ledger was changed: `answerable ledger verify` says where" if upto is None else "",
        )
    path = lineage.back(*roots) if question == "why" else lineage.forward(*roots)
    return tell(
        question,
        focus,
        roots,
        lineage=lineage,
        sources=sources,
        beside=read_beside(tx, target.run, [*path, *_answers(lineage, path)] if with_payloads else ()),
        people=People(all_people(tx) if with_names else ()),
        notes=target.notes,
    )


def find_target(tx: Tx, given: str) -> Target:
    """What `given` means. Raises: UnknownId."""
    if looks_like_id(given):
        found = find_ids(tx, given)
        exact = [one for one in found if one.id == given]
        if len(found) == 1 or exact:
            one = (exact or found)[0]
            return Target(run=one.run, ids=(one.id,))
        if found:
            raise _several("id", given, [one.id for one in found])
    if given and (tx.one(_RUN, given=given) or tx.one(_RECORDED, given=given)):
        return Target(run=given)
    about = tx.all(_SUBJECT, given=given)
    if about:
        return _of_subject(given, [(str(run), str(message)) for run, message in about])
    begun = [str(row[0]) for row in tx.all(_RUNS, given=given, length=len(given))] if given else []
    if len(begun) == 1:
        return Target(run=begun[0])
    if begun:
        raise _several("run", given, begun)
    raise UnknownId(
        f"this store has nothing of the id {given}, and no message is about it",
        hint=_NO_STORY.get(given.partition("_")[0], "`answerable runs list` lists its runs; is it of another store?"),
    )


def _of_subject(given: str, about: Sequence[tuple[str, str]]) -> Target:
    newest = about[0][0]
    others = list(dict.fromkeys(run for run, _ in about if run != newest))
    notes: tuple[Text, ...] = ()
    if others:
        named = ", ".join(others[:MOST]) + (", …" if len(others) > MOST else "")
        notes = (
            text(
                f"{plural(len(others) + 1, 'run')} speak of {given}; this is the newest. The others: {named}. "
                "Ask for one of their messages by its id."
            ),
        )
    return Target(run=newest, ids=tuple(message for run, message in about if run == newest), about=True, notes=notes)


def _focus(lineage: Lineage, target: Target, question: Question) -> tuple[Fact | None, list[str]]:
    """What the story is about, and where the walk begins."""
    if not target.ids:
        focus = lineage.facts.get(target.run) or next(iter(lineage.facts.values()), None)
        return focus, [*lineage.ends(), target.run] if question == "why" else [target.run]
    known = [lineage.facts[one] for one in target.ids if one in lineage.facts]
    if not known:
        return None, []
    messages = {fact.id for fact in known} if target.about else set()
    calls = [
        fact
        for fact in lineage.facts.values()
        if fact.kind == "effect"
        and not messages.isdisjoint(
            [*(one.message for one in fact.all(EffectPrepared)), *answers_to(fact.id, lineage.facts, lineage.caused)]
        )
    ]
    focus = max(calls or known, key=lambda fact: fact.seq)
    return focus, [fact.id for fact in (*known, *calls)]


def _answers(lineage: Lineage, path: Sequence[Fact]) -> list[Fact]:
    """What receivers answered to the calls of a path."""
    found = [id for fact in path if fact.kind == "effect" for id in answers_to(fact.id, lineage.facts, lineage.caused)]
    return [lineage.facts[id] for id in dict.fromkeys(found) if id in lineage.facts]


def _several(what: str, given: str, found: Sequence[str]) -> UnknownId:
    more = ", …" if len(found) >= MOST else ""
    return UnknownId(
        f"more than one {what} begins with {given}: {', '.join(found[: MOST - 1])}{more}", hint="give more of it"
    )
