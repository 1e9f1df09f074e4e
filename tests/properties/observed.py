"""What a store holds of a run, in the terms of the reference interpreter.

Rows are named anew from their contents, as the interpreter names what it finds, so that a comparison does not rest on
the product's ids. What an account expects and what a store holds are then equal, or the product is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from sqlalchemy import Table, bindparam, select

from answerable.agents.messages import Message
from answerable.agents.outcomes import Expired, Failed, Rejected, Response
from answerable.orchestrator.graph import Graph
from answerable.tracing.ledger.records.every import AnyRecord, read_record
from answerable.tracing.ledger.records.runs import RunEnded
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import requests
from answerable.tracing.storage.tables.ledger import records
from answerable.tracing.storage.tables.runs import crossings, gathers, messages, scatters, steps
from tests.reference.frames import Item as ItemFrame
from tests.reference.frames import Round, Scope
from tests.reference.interpreter import Account, crossing_name, gather_name, step_name
from tests.reference.systems import Again, Batch, Item, face

Row: TypeAlias = Mapping[str, Any]
KINDS: dict[str, type[Message]] = {
    kind.__name__: kind for kind in (Item, Batch, Again, Rejected, Expired, Response, Failed)
}


@dataclass(frozen=True)
class Seen:
    """A run's dataflow. Steps: node, state, scope. Crossings: edge, scope, message. Gathers: size, items."""

    steps: dict[str, tuple[str, str, Scope]]
    crossings: dict[str, tuple[str, Scope, Any]]
    gathers: dict[str, tuple[int, list[Any]]]
    requests: set[tuple[str, int]]


def expected(account: Account) -> Seen:
    """What a store has to hold if the run came to this."""
    return Seen(
        steps={
            name: (step.node, "failed" if step.state == "failed" else "done", step.scope)
            for name, step in account.steps.items()
        },
        crossings={
            name: (crossing.edge, crossing.scope, face(crossing.message))
            for name, crossing in account.crossings.items()
        },
        gathers={
            name: (gather.size, sorted([index, crossing, face(message)] for index, crossing, message in gather.items))
            for name, gather in account.gathers.items()
        },
        requests={(asked.step, asked.edits) for asked in account.requests},
    )


@dataclass
class Stored:
    """All rows of a run, read in one transaction."""

    graph: Graph
    steps: dict[str, Row]
    crossings: dict[str, Row]
    gathers: dict[str, Row]
    scatters: list[Row]
    messages: dict[str, Row]
    requests: dict[str, Row]
    records: list[AnyRecord]
    _names: dict[str, str] = field(default_factory=dict)

    @cached_property
    def seen(self) -> Seen:
        """The same as the interpreter would tell it."""
        sizes = {(row["edge"], row["step"]): row["size"] for row in self.scatters}
        seen = Seen(
            steps={self.step(id): (row["node"], row["state"], self.scope(row)) for id, row in self.steps.items()},
            crossings={
                self.crossing(id): (row["edge"], self.scope(row), face(self.message(row["message"])))
                for id, row in self.crossings.items()
            },
            gathers={
                self.gather(id): (sizes[row["scatter_edge"], row["scatter_step"]], self.items(row))
                for id, row in self.gathers.items()
            },
            requests={
                (self.step(row["step"]), self.edits(id)) for id, row in self.requests.items() if row["state"] == "open"
            },
        )
        assert len(seen.steps) == len(self.steps), "two rows are one step"
        assert len(seen.crossings) == len(self.crossings), "two rows are one crossing"
        assert len(seen.gathers) == len(self.gathers), "two rows are one gather"
        return seen

    def decided(self) -> set[tuple[str, int]]:
        """The requests that were answered, in one way or another: step, edits."""
        return {(self.step(row["step"]), self.edits(id)) for id, row in self.requests.items() if row["state"] != "open"}

    def leftovers(self) -> frozenset[str]:
        """What the record of the run's end says was left over."""
        (end,) = (record for record in self.records if isinstance(record, RunEnded))
        return frozenset(self.crossing(id) for id in end.leftovers)

    # names

    def step(self, id: str) -> str:
        """The name of a step; "" for START."""
        if not id:
            return ""
        if id not in self._names:
            row = self.steps[id]
            consumed = {input: self.arrival(taken) for input, taken in json.loads(row["consumed"]).items()}
            self._names[id] = step_name(row["node"], consumed)
        return self._names[id]

    def arrival(self, id: str) -> str:
        """The name of what came in on an input."""
        return self.crossing(id) if id in self.crossings else self.gather(id)

    def crossing(self, id: str) -> str:
        """The name of a crossing."""
        row = self.crossings[id]
        place = None
        if self.graph.edge(row["edge"]).each is not None:
            (place,) = (
                frame[3]
                for frame in json.loads(row["scope"])
                if frame[0] == "scatter" and frame[1:3] == [row["edge"], row["step"]]
            )
        return crossing_name(self.step(row["step"]), row["edge"], place)

    def gather(self, id: str) -> str:
        """The name of a gather."""
        row = self.gathers[id]
        return gather_name(row["edge"], (row["scatter_edge"], self.step(row["scatter_step"])))

    # contents

    def scope(self, row: Row) -> Scope:
        """The scope of a row, with names in the place of ids."""
        return tuple(
            ItemFrame(rest[0], self.step(rest[1]), rest[2]) if kind == "scatter" else Round(*rest)
            for kind, *rest in json.loads(row["scope"])
        )

    def items(self, row: Row) -> list[Any]:
        """What a gather lists: index, name of the crossing or "", and what it was."""
        found = []
        for index, crossing, outcome in json.loads(row["items"]):
            if outcome is None:
                found.append([index, self.crossing(crossing), face(self.message(self.crossings[crossing]["message"]))])
            else:
                found.append([index, "", face(KINDS[outcome["type"]].model_validate(outcome["fields"]))])
        return sorted(found)

    def message(self, id: str) -> Message:
        """A stored message."""
        row = self.messages[id]
        return KINDS[row["type"]].from_bytes(bytes(row["payload"]))

    def edits(self, request: str) -> int:
        """How often what is asked about was edited."""
        before = self.requests[request]["edited_from"]
        return 1 + self.edits(before) if before else 0


def stored(tx: Tx, graph: Graph, run: str) -> Stored:
    """Everything that a store holds of a run."""
    return Stored(
        graph=graph,
        steps={row["id"]: row for row in _rows(tx, steps, run)},
        crossings={row["id"]: row for row in _rows(tx, crossings, run)},
        gathers={row["id"]: row for row in _rows(tx, gathers, run)},
        scatters=_rows(tx, scatters, run),
        messages={row["id"]: row for row in _rows(tx, messages, run)},
        requests={row["id"]: row for row in _rows(tx, requests, run)},
        records=[read_record(bytes(row["body"])) for row in _rows(tx, records, run)],
    )


def _rows(tx: Tx, table: Table, run: str) -> list[Row]:
    return [dict(zip(table.c.keys(), row, strict=True)) for row in tx.all(_OF_RUN[table], run=run)]


def _of_run(table: Table) -> Statement:
    order = [table.c.id] if table is records else []
    return Statement(select(*table.c).where(table.c.run == bindparam("run")).order_by(*order))


_OF_RUN = {table: _of_run(table) for table in (steps, crossings, gathers, scatters, messages, requests, records)}
