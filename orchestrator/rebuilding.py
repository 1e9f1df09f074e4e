"""Rebuilding: the rows that records tell of, made anew from them after damage.

1. It is one transaction, on a ledger that was found sound, while nobody works on a run and nobody writes a record: rows
   and records are read one after another, and whatever came in between would look forged. What it did is a record.
2. A row that has no record goes. A row that differs from its records is made to say what they say. A row that is gone
   is made, as far as records, and payloads that are still there, tell its columns; what cannot be made is listed.
3. Nobody gets authority by it. A decision, an accepted exemption or a rule is made only from records with a seal of
   this store's key, a grant only from such a decision and the genuine bytes of its request. Other MACs stay.
4. Nothing is sent twice by it. A call whose row says that it was sent more often than records do is in doubt.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from sqlalchemy import Table, and_, bindparam, delete, select, text, update

from answerable.approvals.asking.requests import RequestRow, get_request
from answerable.approvals.deciding.decisions import Decision, grant_columns
from answerable.approvals.deciding.reviewing import remade
from answerable.approvals.deciding.reviews import Review
from answerable.approvals.gate import Grant, doubt, find_effect
from answerable.approvals.rules.remaking import is_genuine, remake_rule, remake_uses
from answerable.approvals.sealing.keys import Key
from answerable.approvals.sealing.seals import is_sealed
from answerable.approvals.voting.delegations import Delegation
from answerable.approvals.voting.votes import Vote
from answerable.approvals.who.credentials import end_credential
from answerable.approvals.who.ended import revived
from answerable.errors import RunBusy, StoreCorrupt, UnknownId
from answerable.orchestrator.runs import ENDS, all_runs
from answerable.orchestrator.workers import is_gone
from answerable.tracing import ids
from answerable.tracing.clock import micros
from answerable.tracing.ledger import agreement
from answerable.tracing.ledger.agreement import OF_RUNS, OF_THE_STORE, Span, differing
from answerable.tracing.ledger.entries import append, records_of
from answerable.tracing.ledger.indexes.indexes import Columns, Indexes, Use, exemption_key
from answerable.tracing.ledger.indexes.taking import KINDS
from answerable.tracing.ledger.records.accepting import ExemptionAccepted
from answerable.tracing.ledger.records.afterwards import Reviewed
from answerable.tracing.ledger.records.deciding import PASSED, Decided
from answerable.tracing.ledger.records.effects import EffectSent
from answerable.tracing.ledger.records.every import AnyRecord, read_record
from answerable.tracing.ledger.records.store import StoreRebuilt
from answerable.tracing.ledger.records.votes import DelegationMade, Voted
from answerable.tracing.ledger.verify import verify_ledger
from answerable.tracing.people import get_person
from answerable.tracing.storage.statements import Statement, inserting, named
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
from answerable.tracing.storage.tables.people import people, systems
from answerable.tracing.storage.tables.rules import rules
from answerable.tracing.storage.tables.runs import effects, runs
from answerable.tracing.storage.tables.stops import freezes

W = TypeVar("W", Decision, Vote)

LOST: Final = "[lost]"  # a reason that lay in a row that is gone
AHEAD: Final = "its row said that it was sent, and no record says so"

_LOCK_RUNS = Statement(select(runs.c.id).order_by(runs.c.id).with_for_update())
_LOCK_RECORDS = Statement(text("LOCK TABLE records IN SHARE ROW EXCLUSIVE MODE"))
_GRANT = Statement(select(*grants.c).where(grants.c.id == bindparam("id")))
_VOTE = Statement(select(*votes.c).where(votes.c.id == bindparam("id")))
_REVIEW = Statement(select(*reviews.c).where(reviews.c.id == bindparam("id")))
_DECISION = Statement(select(*decisions.c).where(decisions.c.id == bindparam("id")))


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What was made, changed and dropped, and what could not be made; each as "decision ID"."""

    made: tuple[str, ...]
    changed: tuple[str, ...]
    dropped: tuple[str, ...]
    not_made: tuple[str, ...]


def rebuild(tx: Tx, key: Key, *, by: str, reason: str, at: int) -> Rebuilt:
    """Make the rows say what the records say, for the person `by` (a handle).

    Raises: UnknownId; RunBusy if somebody works on a run; StoreCorrupt if the ledger itself is not sound.
    """
    person = get_person(tx, by)
    tx.all(_LOCK_RUNS)
    for run in all_runs(tx):
        if run.lease_owner and run.lease_until > at and not is_gone(run.lease_owner):
            raise RunBusy(f"{run.id} is being worked on by {run.lease_owner}", hint="stop all workers first")
    if tx.dialect == "postgresql":  # SQLite lets one transaction write at a time anyway
        tx.run(_LOCK_RECORDS)
    found = verify_ledger(tx)
    if not found.sound:
        raise StoreCorrupt(
            f"the ledger is not sound, so nothing is made from it: {found.faults[0]}",
            hint="restore a backup, then `answerable store restored`",
        )
    rebuilding = _Rebuilding(tx, key, person.id, at)
    rebuilding.run()
    told = rebuilding.report()
    append(tx, StoreRebuilt(at=at, system="", chain=(person.id,), by=person.id, reason=reason, **vars(told)))
    return told


@dataclass
class _Rebuilding:
    tx: Tx
    key: Key
    person: str
    at: int
    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    not_made: list[str] = field(default_factory=list)

    def report(self) -> Rebuilt:
        return Rebuilt(
            made=tuple(self.made),
            changed=tuple(self.changed),
            dropped=tuple(self.dropped),
            not_made=tuple(self.not_made),
        )

    def run(self) -> None:
        told = agreement.indexes_of_the_store(self.tx)
        exempt = self._accepted()
        for table in OF_THE_STORE:
            stored = dict(agreement.stored_of_the_store(self.tx, table))
            self._drop(table, stored, told.rows[table.name])
            for id, row in told.rows[table.name].items():
                if table is exemptions:
                    self._exemption(id, stored.get(id), exempt.get(id))
                elif table is delegations:
                    self._delegation(id, stored.get(id), row)
                elif table is rules:
                    self._rule(id, stored.get(id), row)
                elif id not in stored:
                    self._make_of_the_store(table, id, row)
                elif wrong := differing(table.name, stored[id], row):
                    self._change(table, id, {name: row[name] for name in wrong})
        for id in revived(self.tx):
            end_credential(self.tx, id, at=self.at)
            self.changed.append(f"credential {id}")
        for table in OF_RUNS:
            stored = dict(agreement.stored_of_no_run(self.tx, table))
            self._drop(table, stored, told.rows[table.name])
            if table is votes:
                self._votes(stored, told, [entry.record for entry in records_of(self.tx, "")])
        spent: Counter[Use] = Counter()
        for span in agreement.spans(self.tx):
            spent.update(self._span(span, told))
        self.changed += remake_uses(self.tx, spent)

    def _span(self, span: Span, of_store: Indexes) -> Counter[Use]:
        told = agreement.indexes_of(self.tx, span, of_store, routed=True)
        stored = {table.name: dict(span.rows(self.tx, table)) for table in OF_RUNS}
        for table in OF_RUNS:
            self._drop(table, stored[table.name], told.rows[table.name])
        for id, row in told.rows["runs"].items():
            self._run(id, stored["runs"].get(id), row)
        for id, row in told.rows["requests"].items():
            self._request(id, stored["requests"].get(id), row, told)
        found = self._sealed(span)
        records: dict[str, Decided] = {}
        for record in (one for one in found if isinstance(one, Decided)):
            records.setdefault(record.decision, record)
        self._votes(stored["votes"], told, found)
        for id, row in told.rows["decisions"].items():
            self._decision(id, stored["decisions"].get(id), row, records[id])
        done = {one.review: one for one in found if isinstance(one, Reviewed)}
        for id, row in told.rows["reviews"].items():
            self._review(
                id, stored["reviews"].get(id), remade(self.key, id, row, records[row["decision"]], done.get(id))
            )
        for id, row in told.rows["grants"].items():
            self._grant(id, stored["grants"].get(id), row, records[row["decision"]])
        for id, row in told.rows["effects"].items():
            self._effect(id, stored["effects"].get(id), row)
        return told.spent

    # -- rows of runs -------------------------------------------------------------------------------------------------

    def _run(self, id: str, stored: Columns | None, told: Columns) -> None:
        if stored is None:
            known = told | {"detail": told["detail"] or ""}
            # A worker that had a lease and comes back has a smaller number than the time in microseconds.
            lease = {"lease_owner": "", "lease_fence": self.at, "lease_until": 0}
            wakes = None if told["status"] in ENDS else self.at
            # Since when it waits is not in a record of its own: it counts from now.
            rested_at = 0 if told["status"] == "running" else self.at
            self.tx.run(inserting(runs), id=id, **known, **lease, wake_at=wakes, rested_at=rested_at)
            self.made.append(f"run {id}")
        elif wrong := differing("runs", stored, told):
            over = told["status"] in ENDS
            self._change(runs, id, {name: told[name] for name in wrong} | {"wake_at": None if over else self.at})

    def _request(self, id: str, stored: Columns | None, told: Columns, indexes: Indexes) -> None:
        if stored is None:
            self.not_made.append(f"request {id}")
            return
        values = {name: told[name] for name in differing("requests", stored, told) if name != "erased"}
        routed = self._routed(id, told, indexes)
        if routed is not None and stored["routed"] != routed:
            values["routed"] = routed
        if values:
            self._change(requests, id, values)

    def _routed(self, id: str, told: Columns, indexes: Indexes) -> int | None:
        """Whether a request was routed onward; None where no record tells."""
        if told["state"] not in ("decided", "expired"):
            return 0 if told["state"] == "open" else None
        decision = ids.derive(ids.DECISION, id)
        made = indexes.rows["decisions"].get(decision, {})
        passed = made.get("outcome") in PASSED or made.get("revoked")
        over = indexes.rows["runs"].get(told["run"], {}).get("status") in ENDS - {"cancelled"}
        return 1 if decision in indexes.cited or passed or over else None

    def _review(self, id: str, stored: Columns | None, made: Review | None) -> None:
        if made is None:
            self.not_made.append(f"review {id}")
        elif stored is None:
            self.tx.run(inserting(reviews), **vars(made))
            self.made.append(f"review {id}")
        elif self._row(_REVIEW, reviews, id) != vars(made):
            self._change(reviews, id, _without(vars(made), "id"))

    def _decision(self, id: str, stored: Columns | None, told: Columns, record: Decided) -> None:
        if not is_sealed(self.key, record):
            if stored is None or differing("decisions", stored, told):
                self.not_made.append(f"decision {id}")
            return
        columns = self._plain(decisions, _without(told, "commitment", "erased"))
        made = self._worded(Decision(id=id, **columns, reason="", mac=""), stored, record.commitment)
        if stored is None:
            self.tx.run(inserting(decisions), **vars(made))
            self.made.append(f"decision {id}")
        elif self._row(_DECISION, decisions, id) != vars(made):
            self._change(decisions, id, _without(vars(made), "id"))

    def _votes(self, stored: Mapping[str, Columns], told: Indexes, found: Iterable[object]) -> None:
        records: dict[str, Voted] = {}
        for record in (one for one in found if isinstance(one, Voted)):
            records.setdefault(record.vote, record)
        for id, row in told.rows["votes"].items():
            self._vote(id, stored.get(id), row, records[id])

    def _vote(self, id: str, stored: Columns | None, told: Columns, record: Voted) -> None:
        if not is_sealed(self.key, record):
            if stored is None or differing("votes", stored, told):
                self.not_made.append(f"vote {id}")
            return
        columns = _without(told, "commitment", "erased")
        made = self._worded(Vote(id=id, **columns, reason="", mac=""), stored, record.commitment).columns()
        if stored is None:
            self.tx.run(inserting(votes), **made)
            self.made.append(f"vote {id}")
        elif self._row(_VOTE, votes, id) != made:
            self._change(votes, id, _without(made, "id"))

    def _worded(self, made: W, stored: Columns | None, commitment: str) -> W:
        """It with its MAC, and the reason that its row has, if that is the one that was given."""
        words = {"reason": stored["reason"], "salt": stored["salt"]} if stored else {"reason": ""}
        signed = replace(made, **words).signed(self.key)
        if commitment and ids.commitment(bytes.fromhex(signed.mac), signed.reason.encode()) != commitment:
            erased = stored is not None and stored["reason"] in agreement.GONE
            return replace(signed, reason=stored["reason"] if stored and erased else LOST).signed(self.key)
        return signed

    def _grant(self, id: str, stored: Columns | None, told: Columns, record: Decided) -> None:
        if stored is not None and not differing("grants", stored, told):
            row = self._row(_GRANT, grants, id)
            if Grant(**row).genuine(self.key):
                return
        columns = self._granted(id, record)
        if columns is None:
            if stored is not None and Grant(**self._row(_GRANT, grants, id)).genuine(self.key):
                self._change(grants, id, {"state": told["state"]})  # what it is bound to is as it was
            else:
                self.not_made.append(f"grant {id}")
        elif stored is None:
            self.tx.run(inserting(grants), **columns, state=told["state"])
            self.made.append(f"grant {id}")
        else:
            self._change(grants, id, columns | {"state": told["state"]})

    def _granted(self, id: str, record: Decided) -> dict[str, Any] | None:
        """The columns of a grant, from the decision's record and the bytes of the request that it was about."""
        request = self._asked(record.request)
        row = self.tx.one(_DECISION, id=record.decision)
        if request is None or row is None or request.digest != record.digest or not is_sealed(self.key, record):
            return None
        decision, option = Decision(**named(decisions, row)), request.option(record.option)
        expires_at = record.at + micros(request.body["execute_within_seconds"])
        for call in option["calls"] if option else ():
            columns = grant_columns(self.key, decision, call, expires_at=expires_at)
            if columns["id"] == id:
                return columns
        return None

    def _asked(self, id: str) -> RequestRow | None:
        try:
            request = get_request(self.tx, id)
        except (StoreCorrupt, UnknownId):
            return None
        return request if request.genuine(self.key) else None

    def _effect(self, id: str, stored: Columns | None, told: Columns) -> None:
        if stored is None:
            self.not_made.append(f"effect {id}")
            return
        wrong = differing("effects", stored, told)
        values = {name: told[name] for name in wrong if name not in ("path_digest", "erased")}
        if values:
            self._change(effects, id, values)
        if stored["attempt"] > told["attempt"]:
            row = find_effect(self.tx, id)
            assert row is not None, id
            doubt(self.tx, row, AHEAD, by=self.person, now=self.at)

    def _sealed(self, span: Span) -> list[AnyRecord]:
        """The records of votes, decisions and reviews."""
        found = []
        for kind, body in span.records(self.tx, KINDS):
            if kind in ("voted", "decided", "reviewed"):
                try:
                    found.append(read_record(bytes(body)))
                except ValidationError:
                    continue
        return found

    # -- rows of the store --------------------------------------------------------------------------------------------

    def _accepted(self) -> dict[str, ExemptionAccepted]:
        found = {}
        for entry in records_of(self.tx, ""):
            record = entry.record
            if isinstance(record, ExemptionAccepted) and is_sealed(self.key, record):
                found[exemption_key(record.system, record.approval, record.exemption, record.version)] = record
        return found

    def _exemption(self, id: str, stored: Columns | None, record: ExemptionAccepted | None) -> None:
        if record is None:
            if stored is None:
                self.not_made.append(f"exemption {id}")
            return
        signed = (record.system, record.approval, record.exemption, record.version, record.by)
        row = {"accepted_by": record.by, "mac": self.key.mac("exemption", *signed)}
        if stored is None:
            named_so = dict(zip(("system", "approval", "name", "version"), signed, strict=False))
            self.tx.run(inserting(exemptions), **named_so, **row)
            self.made.append(f"exemption {id}")
        elif stored["accepted_by"] != record.by:
            where = [
                exemptions.c[name] == value
                for name, value in zip(("system", "approval", "name", "version"), signed, strict=False)
            ]
            self.tx.run(Statement(update(exemptions).where(and_(*where)).values(**row)))
            self.changed.append(f"exemption {id}")

    def _rule(self, id: str, stored: Columns | None, told: Columns) -> None:
        whole = stored is not None and not differing("rules", stored, told)
        if whole and is_genuine(self.tx, self.key, id):
            return
        if not remake_rule(self.tx, self.key, id):
            self.not_made.append(f"rule {id}")
        else:
            (self.made if stored is None else self.changed).append(f"rule {id}")

    def _delegation(self, id: str, stored: Columns | None, told: Columns) -> None:
        records = [entry.record for entry in records_of(self.tx, "")]
        sealed = [one for one in records if isinstance(one, DelegationMade) and one.delegation == id]
        made = Delegation(id=id, **told, mac="").signed(self.key)
        if stored == vars(made):
            return
        if not all(is_sealed(self.key, one) for one in sealed):
            self.not_made.append(f"delegation {id}")
        elif stored is None:
            self.tx.run(inserting(delegations), **vars(made))
            self.made.append(f"delegation {id}")
        else:
            self._change(delegations, id, _without(vars(made), "id"))

    def _make_of_the_store(self, table: Table, id: str, told: Columns) -> None:
        if table is people:  # handle and name are nowhere else
            self.not_made.append(f"person {id}")
            return
        if table is systems:
            self.tx.run(inserting(systems), name=id, rules=self.at, **self._plain(table, told))
        else:
            self.tx.run(inserting(freezes), id=id, **self._plain(table, told))
        self.made.append(f"{agreement.SINGULAR[table.name]} {id}")

    def _plain(self, table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values as their columns hold them: lists as JSON."""
        plain = {name: json.dumps(value) if isinstance(value, list) else value for name, value in values.items()}
        if table is freezes and "in_flight" in values:
            plain["in_flight"] = json.dumps([[effect, self._attempt(effect, values)] for effect in values["in_flight"]])
        return plain

    def _attempt(self, effect: str, freeze: Mapping[str, Any]) -> int:
        """Which attempt of a call was in flight when a freeze was committed."""
        row = find_effect(self.tx, effect)
        sent = [entry.record for entry in records_of(self.tx, row.run)] if row else []
        mine = [one for one in sent if isinstance(one, EffectSent) and one.effect == effect]
        return max((one.attempt for one in mine if one.at <= freeze["at"]), default=1)

    # -- writing ------------------------------------------------------------------------------------------------------

    def _drop(self, table: Table, stored: Mapping[str, Columns], told: Mapping[str, Columns]) -> None:
        for id, row in stored.items():
            if id not in told:
                self.tx.run(Statement(delete(table).where(_this(table, id, row))))
                self.dropped.append(f"{agreement.SINGULAR[table.name]} {id}")

    def _change(self, table: Table, id: str, values: Mapping[str, Any]) -> None:
        plain = self._plain(
            table, {name: value for name, value in values.items() if value is not None or name != "detail"}
        )
        if plain:
            self.tx.run(Statement(update(table).where(_this(table, id, {})).values(**plain)))
            self.changed.append(f"{agreement.SINGULAR[table.name]} {id}")

    def _row(self, statement: Statement, table: Table, id: str) -> dict[str, Any]:
        row = self.tx.one(statement, id=id)
        assert row is not None, id
        return named(table, row)


def _without(columns: Mapping[str, Any], *names: str) -> Columns:
    return {name: value for name, value in columns.items() if name not in names}


def _this(table: Table, id: str, row: Mapping[str, Any]) -> Any:
    if table is exemptions:
        return and_(*(table.c[column.name] == row[column.name] for column in table.primary_key))
    return (table.c.name if table is systems else table.c.id) == id
