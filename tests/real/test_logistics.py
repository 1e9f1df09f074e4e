"""The logistics company in Jaeger: a run that waited and went on in other processes, from its input to the carriers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from answerable.examples.logistics.founding import founding_case
from answerable.examples.logistics.outside import journal_path
from answerable.examples.logistics.people import DISPATCH_LEAD, NIGHT_DESK
from answerable.examples.logistics.service import app, connect
from answerable.examples.logistics.services import Journal
from answerable.tracing.ids import trace_id
from answerable.tracing.ledger.placed import Placed, placed_of
from answerable.tracing.storage.store import open_store
from tests.real import jaeger_server
from tests.real.jaeger_client import Jaeger, JaegerSpan
from tests.real.seen import check_traces, crossed, shown

RUN = "the-founding-run"
CARRIERS = ("carrier", "warehouse")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is left of the run: its records, its one trace, and where they are."""

    jaeger: Jaeger
    url: str
    records: list[Placed]
    trace: list[JaegerSpan]


@pytest.fixture(scope="module")
def seen(jaeger_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    url = f"sqlite:///{tmp_path_factory.mktemp('logistics') / 'logistics.db'}"
    with jaeger_server.running(jaeger_program) as jaeger, pytest.MonkeyPatch.context() as patch:
        for name, value in jaeger.exporting().items():
            patch.setenv(name, value)
        with connect(url) as service:
            service.people.add(DISPATCH_LEAD, roles=["dispatch-lead"])
            (request,) = service.run(founding_case(), by=NIGHT_DESK, run_id=RUN).waiting_for
        _command("approve", request.id, "--option", request.options[-1], "--as", DISPATCH_LEAD, "--store", url)
        _command("runs", "resume", RUN, "--store", url)
        store = open_store(url)
        records = anyio.run(store.read, lambda tx: placed_of(tx, RUN))
        store.close()
        yield Seen(jaeger=jaeger, url=url, records=records, trace=jaeger.trace(trace_id(RUN)))


def _command(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "answerable", *words], env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_page_is_the_graph(seen: Seen) -> None:
    wanted = crossed(seen.records)
    assert shown(seen.jaeger, [app.graph.system], app.graph.nodes) == wanted
    assert {("logistics", "forecast"), ("sign-off", "carrier.dispatch"), ("report", "logistics")} <= wanted


def test_its_one_trace_is_whole_and_every_part_of_it_is_found(seen: Seen) -> None:
    spans = check_traces(seen.jaeger, seen.records)
    assert {span.trace for span in spans} == {trace_id(RUN)}
    assert [span.name for span in seen.trace if not span.parent] == ["invoke_workflow logistics"]


def test_the_carriers_continue_the_trace(seen: Seen) -> None:
    by_id = {span.span: span for span in seen.trace}
    orders = [span for span in seen.trace if span.service in CARRIERS]
    received = [one for name in CARRIERS for one in Journal.read(journal_path(seen.url, name))]
    assert len(orders) == len(received) > 1
    for order in orders:
        call = by_id[order.parent]
        assert (order.tags["span.kind"], call.tags["span.kind"], call.name) == ("server", "client", "POST")
        assert order.tags["http.response.status_code"] == call.tags["http.response.status_code"] == "200"
        assert call.service == {"carrier": "carrier.dispatch", "warehouse": "warehouse.release"}[order.service]
        above = [order.service]
        while order.parent:
            order = by_id[order.parent]
            above.append(order.service)
        assert above[-1] == "logistics" and "sign-off" in above
