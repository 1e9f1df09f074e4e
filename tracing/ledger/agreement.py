"""Agreement: whether the tables say what the records say, both ways.

1. Each row of votes, decisions, grants, effects, requests, runs, freezes, exemptions, rules, delegations, systems and
   people has its record, each such record its row, and the row says what its records say (`indexes` tells in which
   columns).
2. What lies beside the ledger is compared with the digests in the records: what was asked, what was shown, paths,
   reasons. What a record says was erased is not missed.
3. It reads some hundred runs at a time, each table once, and keeps nothing of them.
4. It needs no key. Whoever can write rows can write records too, so it finds what was changed carelessly; MACs
   (`approvals.forgeries`) and a checkpoint that is kept elsewhere find the rest.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import ColumnElement, Integer, Select, Table, bindparam, case, func, select

from answerable.tracing import ids
from answerable.tracing.ledger.indexes.indexes import Columns, Indexes, Use, exemption_key, newest_uses
from answerable.tracing.ledger.indexes.taking import KINDS, finish, take
from answerable.tracing.ledger.records.kept import ERASED, ERASED_TYPE, GONE
from answerable.tracing.ledger.records.runs import ENDS
from answerable.tracing.ledger.verify import FAULTS_LISTED, Fault, LedgerReport
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import (
    decisions,
    delegations,
    exemptions,
    grants,
    requests,
    reviews,
    votes,
)
from answerable.tracing.storage.tables.ledger import records
from answerable.tracing.storage.tables.people import people, systems
from answerable.tracing.storage.tables.rules import rule_uses, rules
from answerable.tracing.storage.tables.runs import effects, messages, runs
from answerable.tracing.storage.tables.stops import freezes

RUNS_AT_ONCE: Final = 200
APART: Final = 30_000_000  # microseconds between a row and its record, where older programs looked at the clock twice
OF_RUNS: Final = (runs, requests, votes, decisions, reviews, grants, effects)
OF_THE_STORE: Final = (people, systems, exemptions, rules, delegations, freezes)
SINGULAR: Final = {
    "runs": "run",
    "requests": "request",
    "votes": "vote",
    "decisions": "decision",
    "reviews": "review",
    "grants": "grant",
    "effects": "effect",
    "people": "person",
    "systems": "system",
    "exemptions": "exemption",
    "rules": "rule",
    "rule_uses": "used of the rule",
    "delegations": "delegation",
    "freezes": "freeze",
}
_COLUMNS: Final = {  # all but payloads, leases, and MACs that nothing here needs
    table: names.split()
    for table, names in {
        "runs": "id system version status started_by input result detail started_at ended_at rested segment"
        " segment_after",
        "requests": "id run system approval step message digest state routed edited_from edited_by"
        " capped in_place_of stage escalates_at expires_at erased",
        "votes": "id run system subject number answer option by for_person delegation assurance reason digest mac at"
        " signature salt erased",
        "decisions": "id run request outcome option message by assurance reason digest mac at revoked for_person"
        " delegation voters signature salt code broke_glass erased",
        "reviews": "id run system approval of decision made_at due_at verdict by at",
        "grants": "id run effect decision call_digest expires_at state",
        "effects": "id run system name receiver guarantee step message origin method path call_digest"
        " idempotency_key state attempt sent_at detail erased",
        "people": "id roles teams",
        "systems": "name responsible successor frozen",
        "exemptions": "system approval name version accepted_by",
        "rules": "id system approval name version digest state author approvers not_before expires_at proposed_at",
        "delegations": "id giver taker system approval until reason at ended_at mac",
        "freezes": "id system target by reason state at in_flight",
    }.items()
}
_ENDS_OF_STEPS: Final = ("step.finished",)
_CROSSINGS: Final = ("crossed",)
# What their bytes hold where something follows from them for rows: most need not be read.
_OF_EFFECTS, _OF_DECISIONS = b'"role":"effect"', f'"{ids.DECISION}_'.encode()

_NEXT_RUNS = Statement(
    select(records.c.run)
    .where(records.c.run > bindparam("after"))
    .group_by(records.c.run)
    .order_by(records.c.run)
    .limit(bindparam("at_most", type_=Integer))
)


class Span:
    """The runs with after < id <= last; all after `after` if `last` is None."""

    def __init__(self, after: str, last: str | None) -> None:
        self.after = after
        self.last = last

    def rows(self, tx: Tx, table: Table) -> Iterator[tuple[str, Columns]]:
        """The rows of these runs in a table of `OF_RUNS`, by id."""
        found = tx.all(_OF_SPAN[table.name, self.last is None], **self._parameters())
        return ((row["id"], row) for row in _named(table, found))

    def records(self, tx: Tx, kinds: tuple[str, ...]) -> list[tuple[str, Any]]:
        """Kind and bytes of their records of these kinds, in the order in which they were written in each run."""
        found = tx.all(_RECORDS[kinds, self.last is None], **self._parameters())
        return [(kind, body) for kind, body in found]

    def without_payload(self, tx: Tx) -> list[tuple[str, str]]:
        """Run and id of their messages of which nothing is left."""
        found = tx.all(_NO_PAYLOAD[self.last is None], **self._parameters())
        return [(str(run), str(id)) for run, id in found]

    def _parameters(self) -> dict[str, str]:
        return {"after": self.after} if self.last is None else {"after": self.after, "last": self.last}


def spans(tx: Tx) -> Iterator[Span]:
    """Every run of the store, some hundred at a time."""
    after = ""
    while found := tx.all(_NEXT_RUNS, after=after, at_most=RUNS_AT_ONCE):
        last = str(found[-1][0])
        yield Span(after, last)
        after = last
    yield Span(after, None)  # rows of runs that no record knows


def indexes_of_the_store(tx: Tx) -> Indexes:
    """What the records of no run tell."""
    made = Indexes()
    _take(made, tx.all(_OF_NO_RUN))
    finish(made)
    return made


def indexes_of(tx: Tx, span: Span, of_store: Indexes, *, routed: bool = False) -> Indexes:
    """What the records of some runs tell; `of_store` is what those of no run do.

    `routed` asks also which decisions crossings came from.
    """
    made = Indexes(of_store.suspended, of_store.erased)
    _take(made, span.records(tx, KINDS))
    if made.rows["effects"]:
        ended = span.records(tx, _ENDS_OF_STEPS)
        _take(made, ((kind, body) for kind, body in ended if _OF_EFFECTS in bytes(body)))
    if routed and made.rows["decisions"]:
        crossed = span.records(tx, _CROSSINGS)
        _take(made, ((kind, body) for kind, body in crossed if _OF_DECISIONS in bytes(body)))
    finish(made)
    return made


def stored_of_the_store(tx: Tx, table: Table) -> Iterator[tuple[str, Columns]]:
    """All rows of a table of `OF_THE_STORE`, by id."""
    for row in _named(table, tx.all(_ALL[table.name])):
        if table is exemptions:
            yield exemption_key(row["system"], row["approval"], row["name"], row["version"]), row
        else:
            yield row["name" if table is systems else "id"], row


def uses_of_rules(tx: Tx) -> dict[str, Columns]:
    """What the rows say that was used of the caps of rules, in their newest window."""
    return newest_uses({(system, name, cap, window): used for system, name, cap, window, used in tx.all(_USES)})


def stored_of_no_run(tx: Tx, table: Table) -> Iterator[tuple[str, Columns]]:
    """The rows of a table of `OF_RUNS` that belong to no run, by id: some votes, and what somebody wrote by hand."""
    return ((row["id"], row) for row in _named(table, tx.all(_OF_NOTHING[table.name])))


def disagreements(tx: Tx) -> Iterator[Fault]:
    """Everything that tables and records do not agree about."""
    of_store = indexes_of_the_store(tx)
    for table in OF_THE_STORE:
        yield from compared(table.name, dict(stored_of_the_store(tx, table)), of_store.rows[table.name])
    spent: Counter[Use] = Counter()
    for span in spans(tx):
        told = indexes_of(tx, span, of_store)
        spent.update(told.spent)
        for name, id in told.twice:
            yield Fault(where=f"{SINGULAR[name]} {id}", what="is recorded more than once")
        for run, message in span.without_payload(tx):
            if not {run, message} & told.erased:
                yield Fault(where=f"message {message}", what="has no payload, and no record says that it was erased")
        for table in OF_RUNS:
            yield from compared(table.name, dict(span.rows(tx, table)), told.rows[table.name])
    for table in OF_RUNS:
        yield from compared(table.name, dict(stored_of_no_run(tx, table)), of_store.rows[table.name])
    yield from compared("rule_uses", uses_of_rules(tx), newest_uses(spent))


def with_faults(report: LedgerReport, more: Iterable[Fault]) -> LedgerReport:
    """What was found in the ledger, and `more` that was found beside it."""
    found = list(more)
    listed = (*report.faults, *found)[:FAULTS_LISTED]
    return replace(report, faults=listed, faults_found=report.faults_found + len(found))


def compared(table: str, stored: Mapping[str, Columns], told: Mapping[str, Columns]) -> Iterator[Fault]:
    """What the rows of one table do not say as their records do."""
    for id, row in stored.items():
        where = f"{SINGULAR[table]} {id}"
        if id not in told:
            yield Fault(where=where, what="has a row and no record")
        elif wrong := differing(table, row, told[id]):
            yield Fault(where=where, what=f"its row and its records differ in {', '.join(wrong)}")
    for id in sorted(told.keys() - stored.keys()):
        yield Fault(where=f"{SINGULAR[table]} {id}", what="has a record and no row")


def differing(table: str, row: Columns, told: Columns) -> list[str]:
    """The columns in which a row is not what its records say."""
    special = _SPECIAL.get(table, {})
    wrong = []
    for column, value in told.items():
        check = special.get(column)
        if not (check(row, value) if check else row[column] == value):
            wrong.append(column)
    return wrong


# -- what is not compared as it stands --------------------------------------------------------------------------------


def _same_status(row: Columns, told: Any) -> bool:
    return bool(row["status"] == told if told in ENDS else row["status"] in ("running", "waiting", "frozen"))


def _same_words(column: str) -> Any:
    return lambda row, told: told is None or row[column] == told


def _about(column: str) -> Any:
    def same(row: Columns, told: Any) -> bool:
        if told is None or row[column] is None:
            return told is row[column]
        return bool(abs(row[column] - told) <= APART)

    return same


def _same_list(column: str) -> Any:
    def same(row: Columns, told: Any) -> bool:
        try:
            return bool(json.loads(row[column]) == told)
        except (TypeError, ValueError):
            return False

    return same


def _same_flights(row: Columns, told: Any) -> bool:
    try:
        return bool([effect for effect, _ in json.loads(row["in_flight"])] == told)
    except (TypeError, ValueError):
        return False


def _same_reason(row: Columns, told: Any) -> bool:
    if not told:
        return not row["reason"]
    if row["reason"] in GONE:
        return True  # `erased` is compared for itself
    try:
        return bool(ids.commitment(bytes.fromhex(row["mac"]), row["reason"].encode()) == told)
    except (TypeError, ValueError, AttributeError):
        return False


def _same_erased(row: Columns, told: Any) -> bool:
    return bool(row["erased"]) is told


def _same_path(row: Columns, told: Any) -> bool:
    if row["erased"]:
        return not row["path"]
    path = row["path"]
    return bool(told == (sha256(path.encode()).hexdigest() if path else ""))


_SPECIAL: Final[dict[str, dict[str, Any]]] = {
    "runs": {
        "status": _same_status,
        "detail": _same_words("detail"),
        "started_at": _about("started_at"),
        "ended_at": _about("ended_at"),
    },
    "requests": {"erased": _same_erased},
    "votes": {"commitment": _same_reason, "erased": _same_erased},
    "decisions": {"commitment": _same_reason, "voters": _same_list("voters"), "erased": _same_erased},
    "effects": {"path_digest": _same_path, "detail": _same_words("detail"), "erased": _same_erased},
    "people": {"roles": _same_list("roles"), "teams": _same_list("teams")},
    "systems": {"frozen": _same_list("frozen")},
    "rules": {"approvers": _same_list("approvers")},
    "freezes": {"in_flight": _same_flights},
}


# -- statements -------------------------------------------------------------------------------------------------------


def _of(table: Table) -> ColumnElement[Any]:
    return table.c.id if table is runs else table.c.run


def _between(column: ColumnElement[Any], *, is_open: bool) -> list[ColumnElement[bool]]:
    after = column > bindparam("after")
    return [after] if is_open else [after, column <= bindparam("last")]


_ERASED: Final[dict[str, ColumnElement[Any]]] = {
    "requests": case((func.length(requests.c.view) == 0, 1), else_=0),
    "votes": case((votes.c.reason == ERASED, 1), else_=0),
    "decisions": case((decisions.c.reason == ERASED, 1), else_=0),
    "effects": case((effects.c.content_type == ERASED_TYPE, 1), else_=0),
}
_NO_PAYLOAD: Final = {
    is_open: Statement(
        select(messages.c.run, messages.c.id).where(
            *_between(messages.c.run, is_open=is_open), func.length(messages.c.payload) == 0
        )
    )
    for is_open in (False, True)
}


def _reading(table: Table) -> Select[Any]:
    gone = _ERASED.get(table.name)
    return select(*(gone if name == "erased" else table.c[name] for name in _COLUMNS[table.name]))  # type: ignore[arg-type]  # where a table has none, its columns have no such name


_OF_SPAN: Final = {
    (table.name, is_open): Statement(_reading(table).where(*_between(_of(table), is_open=is_open)))
    for table in OF_RUNS
    for is_open in (False, True)
}
_OF_NOTHING: Final = {table.name: Statement(_reading(table).where(_of(table) == "")) for table in OF_RUNS}
_RECORDS: Final = {
    (kinds, is_open): Statement(
        select(records.c.kind, records.c.body)
        .where(*_between(records.c.run, is_open=is_open), records.c.kind.in_(kinds))
        .order_by(records.c.run, records.c.id)
    )
    for kinds in (KINDS, _ENDS_OF_STEPS, _CROSSINGS)
    for is_open in (False, True)
}
_OF_NO_RUN = Statement(
    select(records.c.kind, records.c.body).where(records.c.run == "", records.c.kind.in_(KINDS)).order_by(records.c.id)
)
_USES = Statement(select(*rule_uses.c))
_ALL: Final = {table.name: Statement(_reading(table)) for table in OF_THE_STORE}


def _named(table: Table, found: Iterable[tuple[Any, ...]]) -> Iterator[Columns]:
    names = _COLUMNS[table.name]
    return (dict(zip(names, values, strict=True)) for values in found)


def _take(made: Indexes, found: Iterable[tuple[Any, ...]]) -> None:
    for kind, body in found:
        try:
            take(made, kind, json.loads(body))
        except (ValueError, LookupError, TypeError, AttributeError):
            continue  # not a record: `verify_ledger` says so
