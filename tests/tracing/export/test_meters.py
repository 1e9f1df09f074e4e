"""Metrics on their way: to whom, how often, and what they do not disturb."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from answerable.tracing.export.metrics import REGISTRY, STORE
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.storage.store import open_store, store_id
from tests.orchestrator.letters import CARRIER, Ask, letters
from tests.support.otlp_receiver import Answer, Journal, grpc_receiver, http_receiver
from tests.support.servers import NOWHERE

pytestmark = pytest.mark.anyio

KINDS: dict[str, Callable[[Journal], AbstractContextManager[str]]] = {
    "http/protobuf": http_receiver,
    "grpc": grpc_receiver,
}


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "20")


def read(body: bytes) -> tuple[dict[str, str], dict[str, Any]]:
    """The attributes of a request's resource, and its metrics by name."""
    (resource,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
    (scope,) = resource.scope_metrics
    said = {one.key: one.value.string_value for one in resource.resource.attributes}
    return said, {metric.name: metric for metric in scope.metrics}


def total(metric: Any) -> float:
    points = getattr(metric, metric.WhichOneof("data")).data_points
    return float(sum(getattr(point, point.WhichOneof("value")) for point in points))


@pytest.mark.parametrize("protocol", KINDS)
async def test_a_service_exports_every_metric_of_the_registry(
    store_url: str, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(metrics=[])
    assert journal.metrics is not None
    with KINDS[protocol](journal) as endpoint:
        base = endpoint.removesuffix("/v1/traces")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", base)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        async with letters().connect(store_url, origins={CARRIER: NOWHERE}) as service:
            await service.people.aadd("dora", roles=["lead"])
            assert (await service.arun(Ask(), by="nils")).status == "waiting"
            name = await service.store.read(store_id)
    said, found = read(journal.metrics[-1])  # as it was closed
    assert found.keys() == REGISTRY.keys()
    assert (said["service.name"], said[STORE]) == ("answerable", name)
    for one in REGISTRY.values():
        assert (found[one.name].unit, found[one.name].description) == (one.unit, one.meaning)
        assert found[one.name].WhichOneof("data") == ("gauge" if one.instrument == "gauge" else "sum")
        if one.instrument != "gauge":
            assert found[one.name].sum.is_monotonic is (one.instrument == "counter")
    assert total(found["answerable.request.open.count"]) == 1
    assert total(found["answerable.outbox.accepted"]) == len(journal.spans)
    assert total(found["answerable.steps"]) == 2


async def test_a_collector_without_a_receiver_for_them_is_asked_once(
    sqlite_url: str, often: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[bytes] = []
    journal = Journal()

    def refuse(body: bytes) -> Answer:
        asked.append(body)
        return Journal.take_metrics(journal, body)

    monkeypatch.setattr(journal, "take_metrics", refuse)
    with http_receiver(journal) as endpoint:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.removesuffix("/v1/traces"))
        async with letters().connect(sqlite_url, origins={CARRIER: NOWHERE}) as service:
            while not asked:
                await service.arun(Ask(), by="nils")
            for _ in range(10):
                await service.arun(Ask(), by="nils")
    assert len(asked) == 1
    assert caplog.text.count("no metrics are sent") == 1
    assert journal.spans


async def test_one_that_hangs_keeps_nobody_waiting(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends while the request with metrics is open; so does the service."""
    asked, answers = threading.Event(), threading.Event()
    journal = Journal()

    def hang(body: bytes) -> Answer:
        asked.set()
        answers.wait()
        return Journal.take_metrics(journal, body)

    monkeypatch.setattr(journal, "take_metrics", hang)
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "20")
    with http_receiver(journal) as endpoint:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.removesuffix("/v1/traces"))
        async with letters().connect(sqlite_url, origins={CARRIER: NOWHERE}) as service:
            while not asked.is_set():
                assert (await service.arun(Ask(), by="nils")).status == "waiting"
            assert (await service.arun(Ask(), by="nils")).status == "waiting"
        assert not answers.is_set()
        answers.set()


async def test_without_an_endpoint_nothing_is_started(sqlite_url: str) -> None:
    before = threading.active_count()
    async with letters().connect(sqlite_url, origins={CARRIER: NOWHERE}):
        assert threading.active_count() == before
    store = open_store(sqlite_url)
    store.close()
    assert ExportSettings.from_environment({}).metrics.endpoint == ""


async def test_a_failure_is_said_once_until_it_works_again(
    sqlite_url: str, often: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(metrics=[], status=500)
    assert journal.metrics is not None
    with http_receiver(journal) as endpoint, caplog.at_level(logging.WARNING):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", endpoint.replace("traces", "metrics"))
        async with letters().connect(sqlite_url, origins={CARRIER: NOWHERE}) as service:
            while len(journal.metrics) < 3:
                await service.arun(Ask(), by="nils")
            journal.status = 200
    assert caplog.text.count("metrics were not sent") == 1
