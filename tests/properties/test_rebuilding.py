"""After any damage to the rows that records tell of, rebuilding gives what there was."""

from __future__ import annotations

import asyncio
import random
import tempfile
from typing import Any

from hypothesis import event, given, reject
from hypothesis import strategies as st
from sqlalchemy import Table, delete, select, update

from answerable.approvals.forgeries import faults_of_tables
from answerable.approvals.sealing.keys import Key, open_key
from answerable.orchestrator.rebuilding.rebuilding import rebuild
from answerable.orchestrator.rebuilding.rows import Rebuilt
from answerable.tracing.clock import micros
from answerable.tracing.ledger.sequencer import sequence_all
from answerable.tracing.people import add_person
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx, open_store
from answerable.tracing.storage.tables.approvals import decisions, grants, requests
from answerable.tracing.storage.tables.people import people, systems
from answerable.tracing.storage.tables.runs import effects, runs
from tests.properties.playing import Disorder, Game, url_in
from tests.properties.profiles import examples
from tests.properties.receiver import Receiver
from tests.reference.graphs import valid_worlds
from tests.reference.interpreter import TooLarge
from tests.reference.specs import World

Rows = dict[str, dict[str, Any]]

TABLES = (decisions, effects, grants, people, requests, runs, systems)
GONE_WITH_A_LEASE = ("lease_owner", "lease_fence", "lease_until", "wake_at", "rested_at")
CHANGES: dict[Table, dict[str, Any]] = {  # what somebody may write there; payloads are kept elsewhere, or not at all
    decisions: {"outcome": "rejected", "option": "another", "by": "prs_0", "at": 1, "digest": "0", "mac": "0" * 64},
    effects: {"state": "withdrawn", "attempt": 0, "sent_at": 7, "detail": "?", "call_digest": "0", "step": "stp_0"},
    grants: {"state": "revoked", "call_digest": "0", "expires_at": 1, "mac": "0", "decision": "dec_0"},
    people: {"roles": '["all"]', "teams": "[]"},
    requests: {"state": "withdrawn", "digest": "0", "edited_by": "prs_0", "expires_at": 1, "step": "stp_0"},
    runs: {"status": "stuck", "started_by": "prs_0", "version": "0", "result": "msg_0", "rested": 77},
    systems: {"responsible": "prs_0", "successor": "prs_0", "frozen": '["system"]'},
}


def _rows(tx: Tx) -> dict[str, Rows]:
    found: dict[str, Rows] = {}
    for table in TABLES:
        names = table.columns.keys()
        rows = [dict(zip(names, row, strict=True)) for row in tx.all(Statement(select(*table.c)))]
        found[table.name] = {row["name" if table is systems else "id"]: row for row in rows}
        for row in found[table.name].values() if table is runs else ():
            for name in GONE_WITH_A_LEASE:
                del row[name]
            if row["ended_at"] is None:
                row["status"] = "not over"  # whether it runs or rests is as its workers see it
    return found


def _damage(tx: Tx, rows: dict[str, Rows], chance: random.Random) -> int:
    """Change rows, and remove those that can be made from records alone; how many."""
    count = 0
    for table in TABLES:
        key = systems.c.name if table is systems else table.c.id
        for id, row in rows[table.name].items():
            if chance.random() < 0.5:
                continue
            count += 1
            alone = table in (grants, systems) or (table is decisions and not row["reason"])
            alone = alone or (table is runs and row["status"] not in ("denied", "cancelled"))
            if alone and chance.random() < 0.5:
                tx.run(Statement(delete(table).where(key == id)))
                continue
            columns = chance.sample(sorted(CHANGES[table]), 2)
            tx.run(Statement(update(table).where(key == id).values({name: CHANGES[table][name] for name in columns})))
    return count


async def _check(game: Game, seed: int) -> tuple[int, Rebuilt]:
    store = open_store(game.url)
    try:
        key, at = await open_key(store), game.clock.now() + micros(3600)
        await store.write(lambda tx: add_person(tx, "erin", at=at))
        await sequence_all(store)
        before = await store.read(_rows)
        count = await store.write(lambda tx: _damage(tx, before, random.Random(seed)))

        def mend(tx: Tx, key: Key) -> Rebuilt:
            done = rebuild(tx, key, by="erin", reason="a disk was damaged", at=at)
            faults = [str(fault) for fault in faults_of_tables(tx, key)]
            assert not faults, faults
            return done

        done = await store.write(lambda tx: mend(tx, key))
        after = await store.read(_rows)
        for each in (before, after):  # which state of the rules was read: another number, so that they are read anew
            each["systems"] = {name: row | {"rules": 0} for name, row in each["systems"].items()}
        for table in TABLES:
            assert after[table.name] == before[table.name], table.name
        return count, done
    finally:
        store.close()


@examples(60)
@given(
    world=valid_worlds(),
    seed=st.integers(0, 2**16),
    deaths=st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=2).map(tuple),
)
def test_damaged_rows_are_made_anew(
    receiver: Receiver, world: World, seed: int, deaths: tuple[tuple[int, bool], ...]
) -> None:
    case = world.case()
    try:
        case.account()
    except TooLarge:
        reject()
    with tempfile.TemporaryDirectory() as folder:
        game = Game(case=case, url=url_in(folder), receiver=receiver, disorder=Disorder(seed=seed, deaths=deaths))
        asyncio.run(game.play(most_turns=seed % 5 or 80))
        count, done = asyncio.run(_check(game, seed))
    assert not done.dropped and not done.not_made
    assert count or not (done.made or done.changed)
    event(f"{min(count, 20) // 5 * 5}+ rows damaged")
