"""Decisions, votes, reviews and grants, made anew from records that are sealed with this store's key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import bindparam, select

from answerable.approvals.asking.requests import RequestRow, get_request
from answerable.approvals.deciding.decisions import Decision, grant_columns
from answerable.approvals.deciding.reviews import Review
from answerable.approvals.gate import Grant
from answerable.approvals.sealing.seals import is_sealed
from answerable.approvals.voting.votes import Vote
from answerable.errors import StoreCorrupt, UnknownId
from answerable.orchestrator.rebuilding.rows import Rows, without
from answerable.tracing import ids
from answerable.tracing.clock import micros
from answerable.tracing.ledger.agreement import differing
from answerable.tracing.ledger.indexes.indexes import Columns, Indexes
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.kept import GONE, LOST
from answerable.tracing.ledger.records.votes import Voted
from answerable.tracing.storage.statements import Statement, inserting, named
from answerable.tracing.storage.tables.approvals import decisions, grants, reviews, votes

W = TypeVar("W", Decision, Vote)

_GRANT = Statement(select(*grants.c).where(grants.c.id == bindparam("id")))
_VOTE = Statement(select(*votes.c).where(votes.c.id == bindparam("id")))
_REVIEW = Statement(select(*reviews.c).where(reviews.c.id == bindparam("id")))
_DECISION = Statement(select(*decisions.c).where(decisions.c.id == bindparam("id")))


def remake_decision(rows: Rows, id: str, stored: Columns | None, told: Columns, record: Decided) -> None:
    """Make a decision say what its record says; one without a seal of this store is not made."""
    if not is_sealed(rows.key, record):
        if stored is None or differing("decisions", stored, told):
            rows.not_made.append(f"decision {id}")
        return
    columns = rows.plain(decisions, without(told, "commitment", "erased"))
    made = _worded(rows, Decision(id=id, **columns, reason="", mac=""), stored, record.commitment)
    if stored is None:
        rows.tx.run(inserting(decisions), **vars(made))
        rows.made.append(f"decision {id}")
    elif rows.row(_DECISION, decisions, id) != vars(made):
        rows.change(decisions, id, without(vars(made), "id"))


def remake_votes(rows: Rows, stored: Mapping[str, Columns], told: Indexes, found: Iterable[object]) -> None:
    """Make votes say what their records say, which are among those that were `found`."""
    records: dict[str, Voted] = {}
    for record in (one for one in found if isinstance(one, Voted)):
        records.setdefault(record.vote, record)
    for id, row in told.rows["votes"].items():
        _vote(rows, id, stored.get(id), row, records[id])


def _vote(rows: Rows, id: str, stored: Columns | None, told: Columns, record: Voted) -> None:
    if not is_sealed(rows.key, record):
        if stored is None or differing("votes", stored, told):
            rows.not_made.append(f"vote {id}")
        return
    columns = without(told, "commitment", "erased")
    made = _worded(rows, Vote(id=id, **columns, reason="", mac=""), stored, record.commitment).columns()
    if stored is None:
        rows.tx.run(inserting(votes), **made)
        rows.made.append(f"vote {id}")
    elif rows.row(_VOTE, votes, id) != made:
        rows.change(votes, id, without(made, "id"))


def _worded(rows: Rows, made: W, stored: Columns | None, commitment: str) -> W:
    """It with its MAC, and the reason that its row has, if that is the one that was given."""
    words = {"reason": stored["reason"], "salt": stored["salt"]} if stored else {"reason": ""}
    signed = replace(made, **words).signed(rows.key)
    if commitment and ids.commitment(bytes.fromhex(signed.mac), signed.reason.encode()) != commitment:
        erased = stored is not None and stored["reason"] in GONE
        return replace(signed, reason=stored["reason"] if stored and erased else LOST).signed(rows.key)
    return signed


def remake_review(rows: Rows, id: str, stored: Columns | None, made: Review | None) -> None:
    """Make a review say what the records say; None: they do not tell enough."""
    if made is None:
        rows.not_made.append(f"review {id}")
    elif stored is None:
        rows.tx.run(inserting(reviews), **vars(made))
        rows.made.append(f"review {id}")
    elif rows.row(_REVIEW, reviews, id) != vars(made):
        rows.change(reviews, id, without(vars(made), "id"))


def remake_grant(rows: Rows, id: str, stored: Columns | None, told: Columns, record: Decided) -> None:
    """Make a grant from its decision and the genuine bytes of the request, as far as it is not as it was."""
    if stored is not None and not differing("grants", stored, told):
        row = rows.row(_GRANT, grants, id)
        if Grant(**row).genuine(rows.key):
            return
    columns = _granted(rows, id, record)
    if columns is None:
        if stored is not None and Grant(**rows.row(_GRANT, grants, id)).genuine(rows.key):
            rows.change(grants, id, {"state": told["state"]})  # what it is bound to is as it was
        else:
            rows.not_made.append(f"grant {id}")
    elif stored is None:
        rows.tx.run(inserting(grants), **columns, state=told["state"])
        rows.made.append(f"grant {id}")
    else:
        rows.change(grants, id, columns | {"state": told["state"]})


def _granted(rows: Rows, id: str, record: Decided) -> dict[str, Any] | None:
    """The columns of a grant, from the decision's record and the bytes of the request that it was about."""
    request = _asked(rows, record.request)
    row = rows.tx.one(_DECISION, id=record.decision)
    if request is None or row is None or request.digest != record.digest or not is_sealed(rows.key, record):
        return None
    decision, option = Decision(**named(decisions, row)), request.option(record.option)
    expires_at = record.at + micros(request.body["execute_within_seconds"])
    for call in option["calls"] if option else ():
        columns = grant_columns(rows.key, decision, call, expires_at=expires_at)
        if columns["id"] == id:
            return columns
    return None


def _asked(rows: Rows, id: str) -> RequestRow | None:
    try:
        request = get_request(rows.tx, id)
    except (StoreCorrupt, UnknownId):
        return None
    return request if request.genuine(rows.key) else None
