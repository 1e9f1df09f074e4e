"""Forgeries: rows that this system did not make.

1. Requests, votes, decisions, reviews, grants, accepted exemptions, standing rules, delegations and credentials have a
   MAC whose key lies outside of the database. One that is wrong was not written by this program, or was changed since.
2. A request's bytes are those of its digest, and a call's those that its digest is made of.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Integer, Table, bindparam, select

from answerable.approvals.accepting.exemptions import all_accepted
from answerable.approvals.accepting.standing import wrong_records
from answerable.approvals.asking.requests import call_digest, read_request
from answerable.approvals.deciding.decisions import Decision
from answerable.approvals.deciding.reviews import Review
from answerable.approvals.gate import EffectRow, Grant
from answerable.approvals.rules.rows import read_rule_row
from answerable.approvals.sealing.keys import Key
from answerable.approvals.voting.delegations import all_delegations
from answerable.approvals.voting.votes import read_vote
from answerable.approvals.who.ended import wrong_credentials
from answerable.errors import StoreCorrupt
from answerable.tracing.ledger.agreement import disagreements
from answerable.tracing.ledger.records.kept import ERASED_TYPE
from answerable.tracing.ledger.verify import Fault
from answerable.tracing.storage.statements import Statement, named
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import decisions, grants, requests, reviews, votes
from answerable.tracing.storage.tables.rules import rules
from answerable.tracing.storage.tables.runs import effects

ROWS_AT_ONCE: Final = 500
_WRONG: Final = "its MAC is wrong: it was not made by this system, or was changed"

_PAGES: Final = {
    table.name: Statement(
        select(*table.c)
        .where(table.c.id > bindparam("after"))
        .order_by(table.c.id)
        .limit(bindparam("at_most", type_=Integer))
    )
    for table in (requests, votes, decisions, reviews, grants, effects, rules)
}


def faults_of_tables(tx: Tx, key: Key) -> Iterator[Fault]:
    """Everything in the tables that is not as it was recorded, or was not made by this system."""
    yield from disagreements(tx)
    yield from forgeries(tx, key)


def forgeries(tx: Tx, key: Key) -> Iterator[Fault]:
    """Every row that was not made by this system, or is not what it was when it was made."""
    for fields in _rows(tx, requests):
        try:
            genuine = read_request(fields).genuine(key)
        except StoreCorrupt:
            yield Fault(where=f"request {fields['id']}", what="its bytes are not those of its digest")
        else:
            if not genuine:
                yield Fault(where=f"request {fields['id']}", what=_WRONG)
    for fields in _rows(tx, votes):
        if not read_vote(fields).genuine(key):
            yield Fault(where=f"vote {fields['id']}", what=_WRONG)
    for fields in _rows(tx, decisions):
        if not Decision(**fields).genuine(key):
            yield Fault(where=f"decision {fields['id']}", what=_WRONG)
    for fields in _rows(tx, reviews):
        if not Review(**fields).genuine(key):
            yield Fault(where=f"review {fields['id']}", what=_WRONG)
    for fields in _rows(tx, grants):
        if not Grant(**fields).genuine(key):
            yield Fault(where=f"grant {fields['id']}", what=_WRONG)
    for fields in _rows(tx, effects):
        row = EffectRow(**fields)
        if row.content_type != ERASED_TYPE and call_digest(row) != row.call_digest:
            yield Fault(where=f"effect {row.id}", what="its bytes are not those of its digest")
    for fields in _rows(tx, rules):
        try:
            genuine = read_rule_row(fields).head.genuine(key)
        except StoreCorrupt:
            yield Fault(where=f"rule {fields['id']}", what="its bytes are not those of its digest")
        else:
            if not genuine:
                yield Fault(where=f"rule {fields['id']}", what=_WRONG)
    for one in all_delegations(tx):
        if not one.genuine(key):
            yield Fault(where=f"delegation {one.id}", what=_WRONG)
    for id, what in wrong_credentials(tx, key):
        yield Fault(where=f"credential {id}", what=what)
    for accepted in all_accepted(tx):
        if not accepted.genuine(key):
            yield Fault(where=f"exemption {accepted.label} of {accepted.approval}", what=_WRONG)
    for approval in wrong_records(tx, key):
        yield Fault(where=f"approval {approval}", what="a record of its rules of deciding was not made by this system")


def _rows(tx: Tx, table: Table) -> Iterator[dict[str, Any]]:
    after = ""
    while found := tx.all(_PAGES[table.name], after=after, at_most=ROWS_AT_ONCE):
        for row in found:
            yield named(table, row)
        after = str(found[-1][0])
