"""Taking a decision back from afar, and what a page says of one that was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, select

from answerable.approvals.decisions import YES, Decision
from answerable.approvals.requests import RequestRow
from answerable.approvals.resting import FactShown, facts_shown, why_anew
from answerable.approvals.revoking import may_revoke
from answerable.errors import NotEligible
from answerable.tracing.clock import micros
from answerable.tracing.ledger.afterwards import DecisionRevoked
from answerable.tracing.ledger.entries import records_of
from answerable.tracing.people import find_person
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables import effects, requests, runs

_ANEW = Statement(
    select(requests.c.id)
    .where(requests.c.run == bindparam("run"), requests.c.in_place_of == bindparam("request"))
    .order_by(requests.c.made_at.desc())
)
_OPEN = Statement(select(runs.c.ended_at).where(runs.c.id == bindparam("run")))
_STATE = Statement(select(effects.c.state).where(effects.c.id == bindparam("effect")))
_UNSENT: Final = ("prepared", "withdrawn")


@dataclass(frozen=True, kw_only=True)
class Aftermath:
    """What a request rests on, what it takes the place of, and what became of its decision since.

    `execute_by` is None while it is undecided, or after a no. `revocable`: the reader may take the decision back.
    """

    facts: tuple[FactShown, ...]
    before: str  # request id, or ""
    why_anew: str
    said_before: str  # the reason that was given, or ""
    execute_within: int  # microseconds
    execute_by: int | None
    revoked: str  # in words, or ""
    revoked_reason: str
    sent: int  # calls that had left before it was revoked
    anew: str  # the request that took its place, or ""
    revocable: bool


def aftermath(
    tx: Tx, row: RequestRow, decision: Decision | None, names: Mapping[str, str], *, reader: str, responsible: str
) -> Aftermath:
    """What a reader (a handle) is told of a request beside what it asks."""
    before: Mapping[str, Any] | None = row.view.get("before")
    within = micros(row.body["execute_within_seconds"])
    yes = decision is not None and decision.outcome in YES
    record = _record(tx, row) if decision is not None and decision.revoked else None
    anew = tx.one(_ANEW, run=row.run, request=row.id)
    return Aftermath(
        facts=facts_shown(row.view),
        before=row.in_place_of,
        why_anew=why_anew(before, names.get(before["by"], before["by"])) if before else "",
        said_before=before["reason"] if before else "",
        execute_within=within,
        execute_by=decision.at + within if decision is not None and yes else None,
        revoked=_in_words(record, names) if record else "",
        revoked_reason=record.reason if record else "",
        sent=len(record.sent) if record else 0,
        anew=anew[0] if anew else "",
        revocable=decision is not None and yes and _revocable(tx, row, decision, reader, responsible),
    )


def _revocable(tx: Tx, row: RequestRow, decision: Decision, reader: str, responsible: str) -> bool:
    """Whether something is left that this reader may take back."""
    person, run = find_person(tx, reader), tx.one(_OPEN, run=row.run)
    if decision.revoked or person is None or run is None or run[0] is not None:
        return False
    option = row.option(decision.option)
    calls = [tx.one(_STATE, effect=call["effect"]) for call in option["calls"]] if option else []
    if calls and not any(state is not None and state[0] in _UNSENT for state in calls):
        return False
    try:
        may_revoke(person, decision, row, responsible=responsible)
    except NotEligible:
        return False
    return True


def _record(tx: Tx, row: RequestRow) -> DecisionRevoked | None:
    found = [one.record for one in records_of(tx, row.run) if isinstance(one.record, DecisionRevoked)]
    return next((one for one in found if one.request == row.id), None)


def _in_words(record: DecisionRevoked, names: Mapping[str, str]) -> str:
    by = names.get(record.by, record.by)
    if record.cause == "facts":
        return f"What it rests on had changed before anything was sent: {', '.join(record.facts)}"
    return f"{by} took it back" if record.cause == "person" else f"{by} revoked the rule {record.rule}"
