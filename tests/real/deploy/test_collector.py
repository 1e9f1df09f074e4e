"""The collector's configuration, in a real collector: what it acknowledged arrives, whatever happens meanwhile."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from answerable.tracing.export.outbox import outgoing
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.export.transport import NotDeliveredError, open_transport
from answerable.tracing.spans.projection import project_all
from answerable.tracing.spans.span import request
from tests.real.deploy.collector_server import CONFIG, Collector
from tests.support.otlp_receiver import Journal, http_receiver
from tests.support.servers import free_ports
from tests.support.story import whole_run

RUNS = [project_all(whole_run(run=f"run_{number:032x}").placed()) for number in range(20)]


def send(collector: Collector, *requests: bytes) -> None:
    transport = open_transport(ExportSettings(endpoint=f"{collector.endpoint}/v1/traces"))
    for one in requests:
        assert transport.send(one).rejected == 0
    transport.close()


def encoded() -> list[bytes]:
    return [request(span.data for span in outgoing(run)) for run in RUNS]


def test_what_was_acknowledged_survives_an_outage_of_jaeger_and_kills_of_the_collector(
    services: Path, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    collector = Collector(services / "collector", tmp_path, f"http://127.0.0.1:{port}")
    requests = encoded()
    for part in (requests[:10], requests[10:]):  # nothing listens where Jaeger should be
        with collector.running() as process:
            send(collector, *part)
            process.kill()
            process.wait()
    journal = Journal()
    with http_receiver(journal, port), collector.running():
        expected = {span.key for run in RUNS for span in run}
        while {one.trace + one.span for one in journal.spans} < expected:  # if it never is, this hangs, and is ended
            time.sleep(0.1)
    arrived = Counter((one.trace + one.span, one.data) for one in journal.spans)
    assert {key for key, _ in arrived} == expected
    assert len(arrived) == len(expected), "each span has one content, also where it came twice"


def test_a_full_queue_refuses_and_forgets_nothing(services: Path, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    collector = Collector(services / "collector", tmp_path, f"http://127.0.0.1:{port}", COLLECTOR_QUEUE_BYTES="60000")
    taken: list[int] = []
    refusals: list[NotDeliveredError] = []
    with collector.running():
        for place, one in enumerate(encoded()):
            try:
                send(collector, one)
            except NotDeliveredError as error:
                refusals.append(error)
            else:
                taken.append(place)
    assert taken and refusals
    assert not any(error.final or error.too_large for error in refusals), "so a worker sends it again later"
    journal = Journal()
    with http_receiver(journal, port), collector.running():
        expected = {span.key for place in taken for span in RUNS[place]}
        while {one.trace + one.span for one in journal.spans} < expected:
            time.sleep(0.1)
    assert {one.trace + one.span for one in journal.spans} == expected


@pytest.mark.parametrize("needed", ["fsync: true", "max_elapsed_time: 0", "storage: file_storage"])
def test_what_keeps_spans_is_set(needed: str) -> None:
    """Minutes and power cuts do not fit into a test; that these are accepted is seen above."""
    assert needed in CONFIG.read_text(encoding="utf-8")


def test_nothing_answers_before_spans_are_kept() -> None:
    said = [line.partition("#")[0] for line in CONFIG.read_text(encoding="utf-8").splitlines()]
    assert not any("processors" in line or "batch" in line for line in said)
