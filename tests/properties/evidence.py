"""What a game leaves behind: everything that a property is judged by, read from the closed store."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import reject
from sqlalchemy import Table, bindparam, select

from answerable.approvals.forgeries import forgeries
from answerable.approvals.sealing.keys import Key, open_key
from answerable.orchestrator.canonical import canonical
from answerable.tracing.ledger.agreement import disagreements
from answerable.tracing.ledger.placed import Placed, placed_of
from answerable.tracing.ledger.sequencer import sequence_all
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx, open_store
from answerable.tracing.storage.tables.approvals import decisions, grants
from answerable.tracing.storage.tables.people import people, systems
from answerable.tracing.storage.tables.runs import effects
from tests.properties.observed import Stored, stored
from tests.properties.playing import MOST_TURNS, ORDERLY, RUN, Disorder, Game, url_in
from tests.properties.receiver import Received, Receiver
from tests.reference.interpreter import TooLarge
from tests.reference.specs import Case


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Rows by id, the records in the ledger's order, the receiver's journal, and how often what was lost."""

    rows: Stored
    placed: list[Placed]
    canonical: dict[str, Any]
    decisions: Mapping[str, dict[str, Any]]
    grants: Mapping[str, dict[str, Any]]
    effects: Mapping[str, dict[str, Any]]
    people: Mapping[str, str]  # id → handle
    responsible: str  # id
    key: Key
    journal: list[Received]
    answered: Mapping[str, str]  # request → who answered it last, a handle
    died: int
    lost_leases: int


def played(
    case: Case, receiver: Receiver, disorder: Disorder = ORDERLY, *, most_turns: int = MOST_TURNS, run: str = RUN
) -> Evidence:
    """Play a case on a new store, comparing at every rest; what it left behind."""
    try:
        case.account()
    except TooLarge:
        reject()
    with tempfile.TemporaryDirectory() as folder:
        game = Game(case=case, url=url_in(folder), receiver=receiver, disorder=disorder, run=run)
        asyncio.run(game.play(most_turns=most_turns))
        found: list[Evidence] = []
        asyncio.run(_evidence(game, found))  # of a result that it returned, asyncio would make a text
        return found[0]


async def _evidence(game: Game, found: list[Evidence]) -> None:
    store = open_store(game.url)
    try:
        key = await open_key(store)
        await sequence_all(store)  # the last process may have died before it did
        found.append(await store.read(lambda tx: _read(tx, game, key)))
    finally:
        store.close()


def _read(tx: Tx, game: Game, key: Key) -> Evidence:
    faults = [str(fault) for fault in (*disagreements(tx), *forgeries(tx, key))]
    assert not faults, faults
    ((responsible,),) = tx.all(_RESPONSIBLE, system=game.case.app.graph.system)
    return Evidence(
        rows=stored(tx, game.case.app.graph, game.run),
        placed=placed_of(tx, game.run),
        canonical=canonical(tx, game.run),
        decisions=_by_id(tx, decisions, game.run),
        grants=_by_id(tx, grants, game.run),
        effects=_by_id(tx, effects, game.run),
        people=dict(tx.all(_PEOPLE)),
        responsible=responsible,
        key=key,
        journal=list(game.receiver.journal),
        answered=game.answered,
        died=game.died,
        lost_leases=game.lost_leases,
    )


def _by_id(tx: Tx, table: Table, run: str) -> dict[str, dict[str, Any]]:
    rows = (dict(zip(table.c.keys(), row, strict=True)) for row in tx.all(_ALL[table], run=run))
    return {row["id"]: row for row in rows}


_ALL = {
    table: Statement(select(*table.c).where(table.c.run == bindparam("run"))) for table in (decisions, effects, grants)
}
_PEOPLE = Statement(select(people.c.id, people.c.handle))
_RESPONSIBLE = Statement(select(systems.c.responsible).where(systems.c.name == bindparam("system")))
