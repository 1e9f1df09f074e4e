"""Erasing payloads: what messages said, what requests showed, what calls sent. Records stay, and so does the tree.

1. Who answers for a system erases what its runs hold, and nobody else. A run that is not over, a call of which nobody
   knows, or a legal hold stands in the way of it.
2. What is erased is empty: a message has no payload and no salt, a request shows nothing, a call has no path and body.
   Its record says who did it and why, so that it can be told from what somebody removed by hand.
3. Retention: by default nothing younger than 183 days is pruned. Source: Regulation (EU) 2024/1689, Art. 26(6).
   Pruning also removes the rows that a run needed to go on, so it cannot be run anew in part.
4. Digests in records stay. That of a message is salted, and its salt goes with the message; those of a whole call, of
   its path and of a request are not, so whoever can guess all of it can still compare.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import BindParameter, bindparam, case, delete, exists, select, update

from answerable.errors import InvalidInput, NotEligible, NotErasable, UnknownId
from answerable.tracing.clock import micros
from answerable.tracing.evidence.keeping import holds
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.kept import ERASED, ERASED_TYPE, PayloadErased
from answerable.tracing.ledger.records.runs import ENDS
from answerable.tracing.people import authority, stamp
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import requests
from answerable.tracing.storage.tables.export import outbox, rejected_spans
from answerable.tracing.storage.tables.runs import (
    checkpoint_writes,
    checkpoints,
    crossings,
    effects,
    gathers,
    messages,
    runs,
    scatters,
    steps,
    subjects,
)

RETENTION_DAYS: Final = 183
DAY_SECONDS: Final = 24 * 3600
_WORDS: Final = ("reason", "text", "error")

_run: BindParameter[Any] = bindparam("run")
_id: BindParameter[Any] = bindparam("id")
_RUN = Statement(select(runs.c.system, runs.c.status, runs.c.ended_at).where(runs.c.id == _run).with_for_update())
_OPEN = Statement(select(effects.c.id).where(effects.c.run == _run, effects.c.state.in_(["sent", "in-doubt"])))
_RUN_OF = Statement(select(messages.c.run).where(messages.c.id == _id).order_by(messages.c.run))
_ABOUT = Statement(
    select(subjects.c.run, subjects.c.message)
    .where(subjects.c.subject == bindparam("given"))
    .order_by(subjects.c.run, subjects.c.message)
)
_ASKED = Statement(select(requests.c.id, requests.c.body).where(requests.c.run == _run))
_CALLS = Statement(select(effects.c.id).where(effects.c.run == _run, effects.c.message == _id))
_NO_PAYLOAD: Final[dict[Any, Any]] = {"payload": b"", "salt": b""}
_EMPTY_MESSAGE = Statement(update(messages).where(messages.c.run == _run, messages.c.id == _id).values(**_NO_PAYLOAD))
_EMPTY_MESSAGES = Statement(update(messages).where(messages.c.run == _run).values(**_NO_PAYLOAD))
_EMPTY_VIEW = Statement(update(requests).where(requests.c.id == _id).values(view=b""))
_EMPTY_VIEWS = Statement(update(requests).where(requests.c.run == _run).values(view=b""))
_NO_CALL: Final[dict[Any, Any]] = {
    "body": b"",
    "path": "",
    "content_type": ERASED_TYPE,
    "detail": case((effects.c.state == "done", ""), else_=effects.c.detail),  # a settled one has its result there
}
_EMPTY_CALL = Statement(update(effects).where(effects.c.id == _id).values(**_NO_CALL))
_EMPTY_CALLS = Statement(update(effects).where(effects.c.run == _run).values(**_NO_CALL))
_FORGET_SUBJECT = Statement(delete(subjects).where(subjects.c.run == _run, subjects.c.message == _id))
_GATHERS = Statement(select(gathers.c.id, gathers.c["items"]).where(gathers.c.run == _run))
_SET_ITEMS = Statement(update(gathers).where(gathers.c.id == _id).values({"items": bindparam("new_items")}))
_OTHERS = [Statement(delete(table).where(table.c.run == _run, table.c.ours == 0)) for table in (outbox, rejected_spans)]
_SUBJECTS = Statement(delete(subjects).where(subjects.c.run == _run))
_WORK = [
    *(Statement(delete(table).where(table.c.run == _run)) for table in (steps, crossings, scatters, gathers)),
    *(Statement(delete(table).where(table.c.thread == _run)) for table in (checkpoints, checkpoint_writes)),
]
_PRUNABLE = Statement(
    select(runs.c.id)
    .where(
        runs.c.ended_at < bindparam("before"),
        runs.c.id > bindparam("after"),
        exists(select(crossings.c.id).where(crossings.c.run == runs.c.id)),
    )
    .order_by(runs.c.id)
    .limit(bindparam("at_most"))
)


@dataclass(frozen=True, kw_only=True)
class ErasedPayloads:
    """What was erased of a run: everything, or these messages, what these requests showed, and these calls sent."""

    run: str
    whole: bool = False
    messages: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """The runs that were pruned, those that could not be and why, and where to go on ("" at the end)."""

    runs: tuple[str, ...]
    skipped: Mapping[str, str]
    goes_on: str


def erase_run(tx: Tx, run: str, *, by: str, reason: str, at: int, before: int = 0) -> ErasedPayloads:
    """Erase every payload of a run, for the person `by` (an id). Raises: UnknownId, NotEligible, NotErasable."""
    check_erasable(tx, run, by=by)
    for statement in (_EMPTY_MESSAGES, _EMPTY_VIEWS, _EMPTY_CALLS, _SUBJECTS, *_OTHERS):
        tx.run(statement, run=run)
    _empty_gathers(tx, run)
    if before:
        for statement in _WORK:
            tx.run(statement, run=run)
    done = ErasedPayloads(run=run, whole=True)
    _record(tx, done, "retention" if before else "run", by=by, reason=reason, at=at, before=before)
    return done


def erase_message(tx: Tx, message: str, *, by: str, reason: str, at: int) -> ErasedPayloads:
    """Erase one message, with what showed it and what was sent of it. Raises: UnknownId, NotEligible, NotErasable."""
    row = tx.one(_RUN_OF, id=message)
    if row is None:
        raise UnknownId(f"there is no message {message}", hint="`answerable why RUN --json` names a run's messages")
    return _erase(tx, str(row[0]), [message], "message", by=by, reason=reason, at=at)


def erase_subject(tx: Tx, subject: str, *, by: str, reason: str, at: int) -> list[ErasedPayloads]:
    """Erase every message that is about a subject, and forget its key. Raises: UnknownId, NotEligible, NotErasable."""
    found: dict[str, list[str]] = {}
    for run, message in tx.all(_ABOUT, given=subject):
        found.setdefault(str(run), []).append(str(message))
    if not found:
        raise UnknownId("no message is about this subject", hint="its key is what `subject=` names in the message")
    done = [_erase(tx, run, about, "subject", by=by, reason=reason, at=at) for run, about in found.items()]
    holds.forget_subject(tx, subject)
    return done


def prune(tx: Tx, *, before: int, after: str, at_most: int, by: str, reason: str, at: int) -> Pruned:
    """Erase runs that ended before a time (microseconds) and remove their work rows; at most so many runs at once.

    `after` is where the last call went on from, "" at first.
    Raises: NotErasable if that time is younger than the retention.
    """
    youngest = at - micros(retention_days() * DAY_SECONDS)
    if before > youngest:
        raise NotErasable(
            f"nothing younger than {retention_days()} days is pruned",
            hint="--older-than more days; ANSWERABLE_RETENTION_DAYS sets another retention",
        )
    holds.lock(tx)
    done, skipped = [], {}
    found = [str(row[0]) for row in tx.all(_PRUNABLE, before=before, after=after, at_most=at_most)]
    for run in found:
        try:
            erase_run(tx, run, by=by, reason=reason, at=at, before=before)
        except (NotEligible, NotErasable) as error:
            skipped[run] = error.message
        else:
            done.append(run)
    return Pruned(runs=tuple(done), skipped=skipped, goes_on=found[-1] if len(found) == at_most else "")


def retention_days() -> int:
    """How many days a run is kept whole after its end. Raises: InvalidInput if the setting is no such number."""
    text = os.environ.get("ANSWERABLE_RETENTION_DAYS", str(RETENTION_DAYS))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100_000:
        raise InvalidInput(f"ANSWERABLE_RETENTION_DAYS is {text!r}", hint="a whole number of days, at least 1")
    return int(text)


def check_erasable(tx: Tx, run: str, *, by: str = "") -> None:
    """Whether a run can be erased, and by the person `by` (an id), if one is given.

    Raises: UnknownId; NotEligible if they do not answer for its system; NotErasable if the run is not over, a call is
    not settled, or a legal hold stands.
    """
    holds.lock(tx)
    row = tx.one(_RUN, run=run)
    if row is None:
        raise UnknownId(f"there is no run {run}", hint="`answerable runs list` lists them")
    if by and authority(tx, row[0]).responsible != by:
        raise NotEligible(f"{run} is of {row[0]!r}, for which somebody else answers", hint="they erase it")
    if row[1] not in ENDS:
        raise NotErasable(f"{run} is not over: it is {row[1]}", hint="cancel it, or wait for its end")
    unsettled = tx.all(_OPEN, run=run)
    if unsettled:
        raise NotErasable(f"{unsettled[0][0]} of {run} is not settled", hint="`answerable effects settle` settles it")
    standing = holds.holds_on(tx, run)
    if standing:
        raise NotErasable(
            f"{run} is under legal hold ({standing[0].id})", hint="`answerable holds list` says by whom, and why"
        )


def without_words(items: str, *, of: str = "") -> str:
    """A gather's items without the words in its outcomes: those of one person (an id), or of all."""
    plain = json.loads(items)
    for _, _, outcome in plain:
        fields = outcome["fields"] if outcome else {}
        if not of or fields.get("by") == of:
            fields.update({name: ERASED for name in _WORDS if fields.get(name)})
    return json.dumps(plain)


def empty_message(tx: Tx, run: str, message: str) -> None:
    """Remove a message's payload and salt, and what it is about."""
    tx.run(_EMPTY_MESSAGE, run=run, id=message)
    tx.run(_FORGET_SUBJECT, run=run, id=message)


def _erase(
    tx: Tx,
    run: str,
    about: Iterable[str],
    asked: Literal["message", "subject"],
    *,
    by: str,
    reason: str,
    at: int,
) -> ErasedPayloads:
    check_erasable(tx, run, by=by)
    gone = tuple(about)
    shown = tuple(id for id, body in tx.all(_ASKED, run=run) if any(one.encode() in bytes(body) for one in gone))
    sent = tuple(str(row[0]) for one in gone for row in tx.all(_CALLS, run=run, id=one))
    for message in gone:
        empty_message(tx, run, message)
    for request in shown:
        tx.run(_EMPTY_VIEW, id=request)
    for effect in sent:
        tx.run(_EMPTY_CALL, id=effect)
    done = ErasedPayloads(run=run, messages=gone, requests=shown, effects=sent)
    _record(tx, done, asked, by=by, reason=reason, at=at)
    return done


def _record(
    tx: Tx,
    done: ErasedPayloads,
    asked: Literal["message", "run", "subject", "retention"],
    *,
    by: str,
    reason: str,
    at: int,
    before: int = 0,
) -> None:
    row = tx.one(_RUN, run=done.run)
    assert row is not None, done.run
    record = PayloadErased(
        **stamp(tx, row[0], at=at, through=(by,)) | vars(done),
        by=by,
        reason=reason,
        asked=asked,
        before=before,
    )
    append(tx, record)


def _empty_gathers(tx: Tx, run: str) -> None:
    for id, items in tx.all(_GATHERS, run=run):
        emptied = without_words(items)
        if emptied != items:
            tx.run(_SET_ITEMS, id=id, new_items=emptied)
