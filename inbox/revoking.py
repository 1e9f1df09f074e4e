"""Taking a decision back from afar, and what a page says of one that was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select

from answerable.approvals.asking.requests import RequestRow
from answerable.approvals.asking.resting import FactShown, facts_shown, why_anew
from answerable.approvals.deciding.breaking import check_may_break, glass_of
from answerable.approvals.deciding.decisions import YES, Decision
from answerable.approvals.deciding.reviews import review_of
from answerable.approvals.revoking import held_by, may_revoke, revocation_of
from answerable.approvals.sealing.keys import Key
from answerable.errors import NotEligible, NotOpen
from answerable.inbox.rights import why_not
from answerable.tracing.clock import iso, micros, to_the_second
from answerable.tracing.ledger.records.afterwards import DecisionRevoked
from answerable.tracing.people import find_person
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import requests

_ANEW = Statement(
    select(requests.c.id)
    .where(requests.c.run == bindparam("run"), requests.c.in_place_of == bindparam("request"))
    .order_by(requests.c.made_at.desc())
)


@dataclass(frozen=True, kw_only=True)
class StageShown:
    """When (microseconds) and to whom a request escalates, and whether it has."""

    at: int
    to: str
    stands: bool


@dataclass(frozen=True, kw_only=True)
class GlassShown:
    """What the glass may be broken for, and why the reader may not ("" if they may); or not for some options."""

    at_most: int | None
    per_day: int
    not_you: str
    not_these: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Aftermath:
    """What a request rests on, what it takes the place of, and what became of its decision since.

    `execute_by` is None while it is undecided, or after a no. `revocable`: the reader may take the decision back.
    """

    facts: tuple[FactShown, ...]
    before: str  # request id, or ""
    why_anew: str
    said_before: str  # the reason that was given, or ""
    stages: tuple[StageShown, ...]
    execute_within: int  # microseconds
    execute_by: int | None
    revoked: str  # in words, or ""
    revoked_reason: str
    sent: int  # calls that had left before it was revoked
    anew: str  # the request that took its place, or ""
    revocable: bool
    glass: GlassShown | None  # None where there is none, or nothing is to be decided any more
    review: str  # how the review of its decision stands, in words; "" without one


def aftermath(
    tx: Tx,
    row: RequestRow,
    decision: Decision | None,
    names: Mapping[str, str],
    *,
    reader: str,
    responsible: str,
    key: Key,
    at: int,
) -> Aftermath:
    """What a reader (a handle) is told of a request beside what it asks."""
    before: Mapping[str, Any] | None = row.view.get("before")
    within = micros(row.body["execute_within_seconds"])
    yes = decision is not None and decision.outcome in YES
    record = revocation_of(tx, row) if decision is not None and decision.revoked else None
    anew = tx.one(_ANEW, run=row.run, request=row.id)
    return Aftermath(
        facts=facts_shown(row.view),
        before=row.in_place_of,
        why_anew=why_anew(before, names.get(before["by"], before["by"])) if before else "",
        said_before=before["reason"] if before else "",
        stages=tuple(
            StageShown(at=one.at, to=str(one.to), stands=one.stage <= row.stage and one.at <= at)
            for one in row.escalations
        ),
        execute_within=within,
        execute_by=decision.at + within if decision is not None and yes else None,
        revoked=_in_words(record, names) if record else "",
        revoked_reason=record.reason if record else "",
        sent=len(record.sent) if record else 0,
        anew=anew[0] if anew else "",
        glass=_glass(tx, key, row, reader, at) if row.state == "open" else None,
        review=_review(tx, decision.id, names, at) if decision is not None else "",
        revocable=decision is not None and _revocable(tx, row, decision, reader, responsible, at),
    )


def _revocable(tx: Tx, row: RequestRow, decision: Decision, reader: str, responsible: str, at: int) -> bool:
    """Whether something is left that this reader may take back."""
    person = find_person(tx, reader)
    if decision.revoked or person is None:
        return False
    try:
        held_by(tx, decision)
        may_revoke(person, decision, row, responsible=responsible, at=at)
    except (NotEligible, NotOpen):
        return False
    return True


def _glass(tx: Tx, key: Key, row: RequestRow, reader: str, at: int) -> GlassShown | None:
    glass = glass_of(row)
    if glass is None:
        return None

    def against(option: str) -> str:
        return why_not(tx, reader, lambda person: check_may_break(tx, key, row, person, option, at=at, lock=False))

    not_you = against("")
    found = {} if not_you else {option: against(option) for option in row.options}
    not_these = {option: why for option, why in found.items() if why}
    return GlassShown(at_most=glass.at_most, per_day=glass.per_day, not_you=not_you, not_these=not_these)


def _review(tx: Tx, decision: str, names: Mapping[str, str], at: int) -> str:
    found = review_of(tx, decision)
    if found is None:
        return ""
    if found.verdict:
        return f"{names.get(found.by, found.by)} reviewed it: it was {found.verdict}"
    late = "is overdue since" if at >= found.due_at else "is due by"
    return f"Its review {late} {to_the_second(iso(found.due_at))} UTC"


def _in_words(record: DecisionRevoked, names: Mapping[str, str]) -> str:
    by = names.get(record.by, record.by)
    if record.cause == "facts":
        return (
            f"What it rests on had changed before anything was sent: {', '.join(f'“{name}”' for name in record.facts)}"
        )
    return f"{by} took it back" if record.cause == "person" else f"{by} revoked the rule {record.rule}"
