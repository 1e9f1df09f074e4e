"""The rows of a store that belong to no run, made anew from its records."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Table, and_, update

from answerable.approvals.rules.remaking import is_genuine, remake_rule
from answerable.approvals.sealing.seals import is_sealed
from answerable.approvals.voting.delegations import Delegation
from answerable.approvals.who.credentials import end_credential
from answerable.approvals.who.ended import revived
from answerable.orchestrator.rebuilding.decided import remake_votes
from answerable.orchestrator.rebuilding.rows import Rows, without
from answerable.tracing.ledger import agreement
from answerable.tracing.ledger.agreement import OF_RUNS, OF_THE_STORE, differing
from answerable.tracing.ledger.entries import records_of
from answerable.tracing.ledger.indexes.indexes import Columns, Indexes, exemption_key
from answerable.tracing.ledger.records.accepting import ExemptionAccepted
from answerable.tracing.ledger.records.votes import DelegationMade
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.tables.approvals import delegations, exemptions, votes
from answerable.tracing.storage.tables.people import people, systems
from answerable.tracing.storage.tables.rules import rules
from answerable.tracing.storage.tables.stops import freezes


def remake_store_rows(rows: Rows, told: Indexes) -> None:
    """Make the rows that belong to no run say what was `told`."""
    records = [entry.record for entry in records_of(rows.tx, "")]
    exempt = _accepted(rows, records)
    for table in OF_THE_STORE:
        stored = dict(agreement.stored_of_the_store(rows.tx, table))
        rows.drop(table, stored, told.rows[table.name])
        for id, row in told.rows[table.name].items():
            if table is exemptions:
                _exemption(rows, id, stored.get(id), exempt.get(id))
            elif table is delegations:
                _delegation(rows, id, stored.get(id), row, records)
            elif table is rules:
                _rule(rows, id, stored.get(id), row)
            elif id not in stored:
                _make(rows, table, id, row)
            elif wrong := differing(table.name, stored[id], row):
                rows.change(table, id, {name: row[name] for name in wrong})
    for id in revived(rows.tx):
        end_credential(rows.tx, id, at=rows.at)
        rows.changed.append(f"credential {id}")
    for table in OF_RUNS:
        stored = dict(agreement.stored_of_no_run(rows.tx, table))
        rows.drop(table, stored, told.rows[table.name])
        if table is votes:
            remake_votes(rows, stored, told, records)


def _accepted(rows: Rows, records: Sequence[object]) -> dict[str, ExemptionAccepted]:
    found = {}
    for record in records:
        if isinstance(record, ExemptionAccepted) and is_sealed(rows.key, record):
            found[exemption_key(record.system, record.approval, record.exemption, record.version)] = record
    return found


def _exemption(rows: Rows, id: str, stored: Columns | None, record: ExemptionAccepted | None) -> None:
    if record is None:
        if stored is None:
            rows.not_made.append(f"exemption {id}")
        return
    signed = (record.system, record.approval, record.exemption, record.version, record.by)
    row = {"accepted_by": record.by, "mac": rows.key.mac("exemption", *signed)}
    if stored is None:
        named_so = dict(zip(("system", "approval", "name", "version"), signed, strict=False))
        rows.tx.run(inserting(exemptions), **named_so, **row)
        rows.made.append(f"exemption {id}")
    elif stored["accepted_by"] != record.by:
        where = [
            exemptions.c[name] == value
            for name, value in zip(("system", "approval", "name", "version"), signed, strict=False)
        ]
        rows.tx.run(Statement(update(exemptions).where(and_(*where)).values(**row)))
        rows.changed.append(f"exemption {id}")


def _rule(rows: Rows, id: str, stored: Columns | None, told: Columns) -> None:
    whole = stored is not None and not differing("rules", stored, told)
    if whole and is_genuine(rows.tx, rows.key, id):
        return
    if not remake_rule(rows.tx, rows.key, id):
        rows.not_made.append(f"rule {id}")
    else:
        (rows.made if stored is None else rows.changed).append(f"rule {id}")


def _delegation(rows: Rows, id: str, stored: Columns | None, told: Columns, records: Sequence[object]) -> None:
    sealed = [one for one in records if isinstance(one, DelegationMade) and one.delegation == id]
    made = Delegation(id=id, **told, mac="").signed(rows.key)
    if stored == vars(made):
        return
    if not all(is_sealed(rows.key, one) for one in sealed):
        rows.not_made.append(f"delegation {id}")
    elif stored is None:
        rows.tx.run(inserting(delegations), **vars(made))
        rows.made.append(f"delegation {id}")
    else:
        rows.change(delegations, id, without(vars(made), "id"))


def _make(rows: Rows, table: Table, id: str, told: Columns) -> None:
    if table is people:  # handle and name are nowhere else
        rows.not_made.append(f"person {id}")
        return
    if table is systems:
        rows.tx.run(inserting(systems), name=id, rules=rows.at, **rows.plain(table, told))
    else:
        rows.tx.run(inserting(freezes), id=id, **rows.plain(table, told))
    rows.made.append(f"{agreement.SINGULAR[table.name]} {id}")
