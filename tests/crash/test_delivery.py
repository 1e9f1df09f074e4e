"""Workers are killed at 200 random instants while the collector fails in every way; what came is what the ledger says.

Of each run whose records call for a span that span came, with one content, however often. `ANSWERABLE_CRASH_SEED`
begins elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from answerable.orchestrator.canonical import canonical
from answerable.tracing.export.flow import Flow
from answerable.tracing.export.outbox import outgoing
from answerable.tracing.export.settings import ExportSettings, Protocol
from answerable.tracing.ledger.placed import placed_from
from answerable.tracing.spans.projection import project_all
from answerable.tracing.storage.store import open_store
from tests.support.forks import FAILED, Forks, forking
from tests.support.otlp_receiver import TROUBLES, Journal, Trouble, grpc_receiver, http_receiver
from tests.support.parcels import RUN
from tests.support.parcels_jobs import DONE, Later
from tests.support.receiver import Receiver

KILLS, CHUNKS = 200, 8
LIFE_SECONDS = 0.4  # of a worker: it works on the run for a third of it, and delivers for the rest
RUNS_EVERY = 5  # lives: then the next run begins
SEED = int(os.environ.get("ANSWERABLE_CRASH_SEED", "1"))
KINDS: dict[Protocol, Callable[[Journal], AbstractContextManager[str]]] = {
    "http/protobuf": http_receiver,
    "grpc": grpc_receiver,
}


@pytest.fixture(scope="module")
def workers() -> Iterator[Forks]:
    with forking("tests.support.delivery_jobs") as parent:
        yield parent


def job(store: str, receiver: Receiver, endpoint: str, protocol: str, life: int, **more: Any) -> dict[str, Any]:
    environment = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "0.2",
    }
    origin = receiver.origin(f"honours-{Path(store).parent.name}")
    return {"store": store, "origin": origin, "environment": environment, "ahead": life * 60.0, **more}


async def everything(store_url: str, endpoint: str, protocol: Protocol) -> dict[str, bytes]:
    """What the ledger calls for, once all of it has left. The leases of those who were killed are over."""
    store = open_store(store_url, clock=Later((KILLS + 1) * 60.0))
    flow = Flow(store, ExportSettings(endpoint=endpoint, protocol=protocol, first_wait_seconds=0.05))
    assert await flow.drain(60)
    placed, _ = await store.read(lambda tx: placed_from(tx, 0, 1_000_000))
    store.close()
    return {span.key: span.data for span in outgoing(project_all(placed))}


async def form(store_url: str) -> dict[str, Any]:
    """The run as it can be compared with another one of the same input."""
    store = open_store(store_url)
    found = await store.read(lambda tx: canonical(tx, RUN))
    store.close()
    return found


def contents(journal: Journal) -> dict[str, set[bytes]]:
    found: dict[str, set[bytes]] = defaultdict(set)
    for span in journal.spans:
        found[span.trace + span.span].add(span.data)
    return found


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_killed_while_the_collector_fails(chunk: int, workers: Forks, receiver: Receiver, tmp_path: Path) -> None:
    chance = random.Random(SEED * 1_000 + chunk)
    protocol: Protocol = "grpc" if chunk == CHUNKS - 1 else "http/protobuf"
    flapping: list[Trouble] = [*TROUBLES, ""]
    journal = Journal(trouble=lambda: chance.choice(flapping))
    store = f"sqlite:///{tmp_path / 'flapping.db'}"
    with KINDS[protocol](journal) as endpoint:
        codes = []
        for life in range(KILLS // CHUNKS):
            run = f"run_{life // RUNS_EVERY:032x}"
            one = job(store, receiver, endpoint, protocol, life, verb="work", run=run)
            codes += workers.run({**one, "kill_after": chance.uniform(0.01, LIFE_SECONDS)})
        assert FAILED not in codes
        assert any(code < 0 for code in codes), "none of them was killed"
        journal.trouble = lambda: ""
        run = f"run_{KILLS:032x}"  # on a slow machine no other may have come far enough to have a span
        assert workers.run(job(store, receiver, endpoint, protocol, KILLS, verb="work", run=run)) == [DONE]
        expected = asyncio.run(everything(store, endpoint, protocol))
    assert contents(journal) == {key: {data} for key, data in expected.items()}


@pytest.mark.parametrize("protocol", KINDS)
def test_a_run_ends_while_the_collector_hangs(
    protocol: Protocol, workers: Forks, receiver: Receiver, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """Not one span is acknowledged before the run is done as ever; all of them come later."""
    journal = Journal(hangs=threading.Event())
    assert journal.hangs is not None
    store = f"sqlite:///{tmp_path / 'hanging.db'}"
    with KINDS[protocol](journal) as endpoint:
        one = job(store, receiver, endpoint, protocol, 0, verb="work", run=RUN)
        one["environment"]["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"] = "600"
        assert workers.run(one) == [DONE]
        assert not journal.hangs.is_set() and not journal.requests
        assert asyncio.run(form(store)) == undisturbed
        journal.hangs.set()
        expected = asyncio.run(everything(store, endpoint, protocol))
    assert contents(journal) == {key: {data} for key, data in expected.items()}
