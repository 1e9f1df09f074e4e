"""A freeze against four sending processes on one store, one of them stopped in mid-send (invariant 12).

It is stopped outside of a transaction. Inside of one it would keep everybody else from writing until it goes on: on
SQLite whatever they write, on PostgreSQL what it has locked.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from sqlalchemy.engine import make_url

from answerable.orchestrator.service import Service
from answerable.tracing import ids
from answerable.tracing.ledger.entries import records_of
from answerable.tracing.storage.store import Tx
from tests.support.agreement import disagreements
from tests.support.forks import Forks
from tests.support.parcels import APPS, RESPONSIBLE, Order, Report, post
from tests.support.parcels_jobs import DONE, FROZEN
from tests.support.receiver import Receiver
from tests.support.waiting import until

T = TypeVar("T")

RUNS = 12  # of each process; each has three calls to send
STOPPED, HELD, *FREE = range(
    4
)  # stopped in mid-send; kept in mid-send until after the freeze; sending as fast as they can

WRITTEN_SECONDS = 0.2
_OPEN = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
AND backend_type = 'client backend' AND xact_start IS NOT NULL
"""


def test_frozen_while_four_send(
    store_url: str, forks: Forks, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSWERABLE_KEY_FILE", str(tmp_path / "key"))
    senders = [_sender(number, store_url, receiver, tmp_path) for number in range(4)]
    places = [_place(number, tmp_path) for number in range(4)]
    for sender in senders:
        assert forks.run({**sender, "verb": "prepare"}) == [DONE]
    with APPS["idempotent"].connect(store_url, origins={post: receiver.origin(places[0])}) as service:
        receiver.hold(places[STOPPED])
        receiver.hold(places[HELD])
        (stopped,) = forks.start({**senders[STOPPED], "verb": "send"})
        until(lambda: len(receiver.arrivals(places[STOPPED])) == 3, "three calls came")
        until(lambda: _stopped_outside_of_a_transaction(stopped, store_url), "it was stopped outside of a transaction")
        others = forks.start(*({**senders[number], "verb": "send"} for number in (HELD, *FREE)))
        until(lambda: all(receiver.arrivals(place) for place in places), "each process has begun to send")

        freeze = service.freeze(by=RESPONSIBLE, reason="drill")
        sent = _sent(service, senders)
        assert freeze.state == "committed"
        in_mid_send = {effect for effect, _ in sent if effect in _came(receiver, places[STOPPED])}
        assert len(in_mid_send) == 3
        assert in_mid_send <= set(freeze.in_flight) <= {effect for effect, _ in sent}

        receiver.release(places[HELD])
        held, *free = forks.wait(others)
        assert held == FROZEN and set(free) <= {DONE, FROZEN}
        assert _sent(service, senders) == sent
        standing = service.freeze_state(freeze.id)
        assert (standing.state, set(standing.in_flight)) == ("committed", in_mid_send)

        receiver.release(places[STOPPED])  # the answer is there, and nobody has read it
        standing = service.freeze_state(freeze.id)
        assert (standing.state, set(standing.in_flight)) == ("committed", in_mid_send)

        os.kill(stopped, signal.SIGCONT)
        assert forks.wait([stopped]) == [FROZEN]
        assert (service.freeze_state(freeze.id)).state == "quiesced"
        assert _sent(service, senders) == sent

        arrived = [receiver.arrivals(place) for place in places]
        codes = forks.run(*({**sender, "verb": "send"} for sender in senders))
        assert codes[STOPPED] == codes[HELD] == FROZEN
        assert [receiver.arrivals(place) for place in places] == arrived
        assert _sent(service, senders) == sent

        service.thaw(freeze.id, by=RESPONSIBLE, reason="drill is over")
        assert forks.run(*({**sender, "verb": "send"} for sender in senders)) == [DONE] * 4
        for sender, place in zip(senders, places, strict=True):
            came = receiver.arrivals(place)
            for run in sender["runs"]:
                mine = [arrival for arrival in came if f"run={run};" in arrival.headers["accountability"]]
                assert len(mine) == 3
                assert _read(service, partial(disagreements, run=run, arrivals=mine)) == []


def _place(number: int, folder: Path) -> str:
    return f"honours-{folder.name}-{number}"


def _sender(number: int, store: str, receiver: Receiver, folder: Path) -> dict[str, Any]:
    return {
        "store": store,
        "origin": receiver.origin(_place(number, folder)),
        "environment": {"ANSWERABLE_KEY_FILE": str(folder / "key")},
        "runs": [ids.derive(ids.RUN, "freeze", str(number), str(run)) for run in range(RUNS)],
    }


def _stopped_outside_of_a_transaction(process: int, store: str) -> bool:
    """Stop a process, if it writes nothing at this moment; nobody else is at work. It signs and renews its lease."""
    os.kill(process, signal.SIGSTOP)
    if _somebody_writes(store):
        os.kill(process, signal.SIGCONT)
        return False
    return True


def _somebody_writes(store: str) -> bool:
    """Whether a transaction that writes is open, for longer than one takes."""
    url = make_url(store)
    if url.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(url.database), timeout=WRITTEN_SECONDS, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            return False
    time.sleep(WRITTEN_SECONDS)  # what it had asked for is done by then
    with psycopg.connect(store, autocommit=True) as session:
        return bool(session.execute(_OPEN).fetchall())


def _sent(service: Service[Order, Report], senders: list[dict[str, Any]]) -> set[tuple[str, int]]:
    """Every call that was let go, as (effect, attempt)."""
    runs = [run for sender in senders for run in sender["runs"]]
    entries = _read(service, lambda tx: [entry for run in runs for entry in records_of(tx, run)])
    return {(entry.record.effect, entry.record.attempt) for entry in entries if entry.record.kind == "effect.sent"}


def _read(service: Service[Order, Report], work: Callable[[Tx], T]) -> T:
    found: T = service.portal.call(service.store.read, work)
    return found


def _came(receiver: Receiver, place: str) -> set[str]:
    """The effects that arrived at a place."""
    headers = [arrival.headers["accountability"] for arrival in receiver.arrivals(place)]
    return {part.removeprefix(" effect=") for header in headers for part in header.split(";") if " effect=" in part}
