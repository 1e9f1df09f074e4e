"""Do the tables, the ledger and a receiver's journal say the same? `disagreements` lists what they do not agree about.

1. Every row of steps, crossings, gathers, requests, decisions, grants and effects has its record, and the other way
   round.
2. A step is recorded once, a crossing is one record, a request is decided once.
3. What the receiver has is what was sent: the stored bytes and path, the key, and headers that name the effect, its
   grant, its decision and who answers. Nothing came more often than sent records say, and nothing happened twice.
4. The ledger has no gaps and its tree is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Table, bindparam, select

from answerable.tracing.ledger.entries import records_of
from answerable.tracing.ledger.verify import verify_ledger
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import decisions, grants, requests
from answerable.tracing.storage.tables.runs import crossings, effects, gathers, runs, steps
from tests.support.receiver import Arrival

_TABLES = (steps, crossings, gathers, requests, decisions, grants, effects)
_ROWS = {
    table.name: Statement(select(*table.c).where(table.c.run == bindparam("run")).order_by(table.c.id))
    for table in _TABLES
}
_RUN = Statement(select(runs.c.status).where(runs.c.id == bindparam("run")))


def disagreements(
    tx: Tx, run: str, arrivals: Iterable[Arrival], *, honours: bool = True, ledger: bool = True
) -> list[str]:
    """What does not agree about a run, as lines; empty if all does.

    `arrivals` is what the receiver has of this run, `honours` says that it honours keys; `ledger` asks for rule 4,
    which is about the whole store.
    """
    return _Books(tx, run).audit(list(arrivals), honours=honours, ledger=ledger)


class _Books:
    def __init__(self, tx: Tx, run: str) -> None:
        self._tx = tx
        self._run = run
        self._wrong: list[str] = []
        self._records = [entry.record for entry in records_of(tx, run)]
        self._steps, self._crossings, self._gathers = self._rows(steps), self._rows(crossings), self._rows(gathers)
        self._requests, self._decisions = self._rows(requests), self._rows(decisions)
        self._grants, self._effects = self._rows(grants), self._rows(effects)

    def audit(self, arrivals: list[Arrival], *, honours: bool, ledger: bool) -> list[str]:
        self._audit_rows()
        self._audit_steps()
        self._audit_effects()
        self._audit_journal(arrivals, honours=honours)
        self._audit_run()
        if ledger:
            self._wrong += [str(fault) for fault in verify_ledger(self._tx).faults]
        return self._wrong

    # -- rows and records ---------------------------------------------------------------------------------------------

    def _audit_rows(self) -> None:
        finished = {id for id, row in self._steps.items() if row["state"] != "running"}
        self._same("finished steps", finished, self._said("step.finished", "step"))
        self._same("crossings", self._crossings, self._said("crossed", "crossing"))
        self._same("gathers", self._gathers, self._said("gather.closed", "gather"))
        self._same("requests", self._requests, self._said("request.made", "request"))
        self._same("decisions", self._decisions, self._said("decided", "decision"))
        self._same("effects", self._effects, self._said("effect.prepared", "effect"))
        granted = [grant for record in self._of("decided") for grant in record.grants]
        self._same("grants", self._grants, granted)

    def _audit_steps(self) -> None:
        begun: Counter[str] = Counter(self._said("step.started", "step"))
        for step, count in begun.items():
            attempts = self._steps[step]["attempt"] if step in self._steps else 0
            self._check(count == attempts, f"step {step}: {count} records of beginning, attempt {attempts}")
        for step in self._steps.keys() - begun.keys():
            self._wrong.append(f"step {step} has a row and no record of beginning")
        senders = {row["step"] for row in self._crossings.values()} - {""}
        self._check(senders <= self._steps.keys(), f"crossings of unknown steps: {senders - self._steps.keys()}")

    def _audit_effects(self) -> None:
        sent = Counter(self._said("effect.sent", "effect"))
        ended = {record.effect: record for record in self._of("effect.answered")}
        settled = set(self._said("effect.settled", "effect"))
        doubted = set(self._said("effect.in-doubt", "effect"))
        gone = {*self._said("effect.withdrawn", "effect"), *self._said("effect.refused", "effect")}
        grant_of = {row["effect"]: row for row in self._grants.values()}
        for id, row in self._effects.items():
            state, name = row["state"], f"effect {id} ({row['state']})"
            self._check(sent[id] == row["attempt"], f"{name}: {sent[id]} sent records, attempt {row['attempt']}")
            if row["attempt"]:
                grant = grant_of.get(id, {"state": "", "decision": ""})
                self._check(grant["state"] == "consumed", f"{name}: its grant is not consumed")
                self._check(grant["decision"] in self._decisions, f"{name}: its grant has no decision")
            known = {
                "prepared": True,
                "sent": bool(sent[id]),
                "done": (id in ended and ended[id].outcome == "done") or id in settled,
                "failed": (id in ended and ended[id].outcome != "done") or id in settled,
                "in-doubt": id in doubted,
                "withdrawn": id in gone,
            }[state]
            self._check(known, f"{name} has no record that says so")

    def _audit_journal(self, arrivals: list[Arrival], *, honours: bool) -> None:
        by_key = {row["idempotency_key"]: row for row in self._effects.values()}
        came: Counter[str] = Counter()
        happened: Counter[str] = Counter()
        for arrival in arrivals:
            row = by_key.get(arrival.key)
            if row is None:
                self._wrong.append(f"the receiver has a call that no effect knows: {arrival}")
                continue
            came[row["id"]] += 1
            happened[row["id"]] += arrival.happened
            stored = (row["path"], bytes(row["body"]))
            self._check((arrival.path, arrival.body) == stored, f"effect {row['id']} arrived as something else")
            self._audit_header(row, arrival.headers["accountability"])
        for id, row in self._effects.items():
            self._check(came[id] <= row["attempt"], f"effect {id} came {came[id]} times, sent {row['attempt']} times")
            answered = row["state"] == "done" and row["receiver"] and id in self._said("effect.answered", "effect")
            self._check(not answered or came[id] > 0, f"effect {id} is done and never arrived")
            self._check(
                happened[id] <= (1 if honours else row["attempt"]), f"effect {id} happened {happened[id]} times"
            )

    def _audit_header(self, row: dict[str, Any], header: str) -> None:
        said = dict(part.strip().split("=", 1) for part in header.split(";"))
        grants_of = [grant for grant in self._grants.values() if grant["effect"] == row["id"]]
        grant = next(iter(grants_of), {"id": "", "decision": ""})
        expected = {
            "system": row["system"],
            "run": self._run,
            "effect": row["id"],
            "grant": grant["id"],
            "decision": grant["decision"],
            "responsible": self._of("effect.sent")[0].responsible,
        }
        self._check(said == expected, f"effect {row['id']} arrived with {said}, not {expected}")

    def _audit_run(self) -> None:
        found = self._tx.one(_RUN, run=self._run)
        assert found is not None, self._run
        self._check(len(self._of("run.started")) == 1, "the run has not begun exactly once")
        over = found[0] in ("done", "denied", "stuck", "failed", "cancelled")
        self._check(len(self._of("run.ended")) == int(over), f"the run is {found[0]}")

    # -- words --------------------------------------------------------------------------------------------------------

    def _rows(self, table: Table) -> dict[str, dict[str, Any]]:
        names = [column.name for column in table.c]
        rows = [dict(zip(names, row, strict=True)) for row in self._tx.all(_ROWS[table.name], run=self._run)]
        return {row["id"]: row for row in rows}

    def _of(self, kind: str) -> list[Any]:
        return [record for record in self._records if record.kind == kind]

    def _said(self, kind: str, field: str) -> list[str]:
        return [getattr(record, field) for record in self._of(kind)]

    def _same(self, what: str, rows: Iterable[str], recorded: list[str]) -> None:
        """Each row has exactly one record, and each record its row."""
        have = set(rows)
        twice = [id for id, count in Counter(recorded).items() if count > 1]
        self._check(not twice, f"{what} that are recorded twice: {twice}")
        self._check(have <= set(recorded), f"{what} without a record: {have - set(recorded)}")
        self._check(set(recorded) <= have, f"{what} that are recorded and not there: {set(recorded) - have}")

    def _check(self, holds: bool, what: str) -> None:
        if not holds:
            self._wrong.append(what)
