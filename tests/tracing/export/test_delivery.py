"""Delivery to a real receiver. Invariant 6: a collector that is down delays spans and loses none."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager

import pytest

from answerable.errors import InvalidInput
from answerable.tracing.clock import micros
from answerable.tracing.export.delivery import Delivery
from answerable.tracing.export.flow import Flow
from answerable.tracing.export.outbox import LEASE, claim, is_empty, outgoing, put, rejected
from answerable.tracing.export.resending import resend
from answerable.tracing.export.settings import ExportSettings, Protocol
from answerable.tracing.ledger.cursors import move, position_of
from answerable.tracing.ledger.entries import append_all
from answerable.tracing.spans.projection import project_all
from answerable.tracing.storage.store import Store, open_store
from tests.support.otlp_receiver import TROUBLES, Journal, Trouble, grpc_receiver, http_receiver
from tests.support.servers import free_ports
from tests.support.story import whole_run

pytestmark = pytest.mark.anyio

Receiver = Callable[..., AbstractContextManager[str]]
KINDS: dict[Protocol, Receiver] = {"http/protobuf": http_receiver, "grpc": grpc_receiver}
SPANS = project_all(whole_run().placed())
BYTES = [span.data for span in outgoing(SPANS)]


@pytest.fixture(params=list(KINDS))
def protocol(request: pytest.FixtureRequest) -> Protocol:
    chosen: Protocol = request.param
    return chosen


@asynccontextmanager
async def filled(url: str) -> AsyncIterator[Store]:
    store = open_store(url)
    try:
        await store.write(lambda tx: put(tx, outgoing(SPANS), at=1))
        yield store
    finally:
        store.close()


def settings(endpoint: str, protocol: Protocol = "http/protobuf", **more: float) -> ExportSettings:
    quick = {"first_wait_seconds": 0.01, "longest_wait_seconds": 0.05, "timeout_seconds": 60.0, **more}
    return ExportSettings(endpoint=endpoint, protocol=protocol, **quick)  # type: ignore[arg-type]  # floats by name


async def deliver_all(delivery: Delivery) -> list[str]:
    results: list[str] = []
    while (result := await delivery.deliver()) != "idle":
        results.append(result)
        assert len(results) < 500
        if result == "failed":
            await asyncio.sleep(delivery.pause_seconds())
    return results


async def test_the_bytes_of_the_outbox_arrive_in_order_and_are_deleted(store_url: str, protocol: Protocol) -> None:
    journal = Journal()
    with KINDS[protocol](journal) as endpoint:
        async with filled(store_url) as store:
            delivery = Delivery(store, settings(endpoint, protocol))
            assert await deliver_all(delivery) == ["sent"]
            delivery.close()
            assert [span.data for span in journal.spans] == BYTES
            assert await store.read(is_empty)
            assert delivery.so_far.accepted == len(SPANS)


@pytest.mark.parametrize("trouble", TROUBLES[1:])
async def test_whatever_fails_each_span_comes_with_its_one_content(
    sqlite_url: str, protocol: Protocol, trouble: Trouble
) -> None:
    """Where the answer was lost, and not the request, the same bytes come again."""
    left = itertools.chain([trouble] * 3, itertools.repeat(""))
    journal = Journal(trouble=lambda: next(left))  # type: ignore[arg-type]  # chain joins the literals to str
    with KINDS[protocol](journal) as endpoint:
        async with filled(sqlite_url) as store:
            patience = (
                0.2 if trouble == "hang" else 60.0
            )  # or the machine is slow, and a request is sent twice for that
            delivery = Delivery(store, settings(endpoint, protocol, most_spans=20, timeout_seconds=patience))
            assert "failed" in await deliver_all(delivery)
            delivery.close()
            assert await store.read(is_empty)
    assert {span.data for span in journal.spans} == set(BYTES)
    assert (len(journal.spans) > len(BYTES)) is (trouble in ("cut", "hang"))


@pytest.mark.parametrize("rejects", [2, 1_000_000])  # a collector may say more than it was sent
async def test_what_was_rejected_in_part_comes_whole_when_it_is_sent_again(
    store_url: str, protocol: Protocol, rejects: int
) -> None:
    story, journal = whole_run(), Journal(rejects=rejects)
    store = open_store(store_url)
    await store.write(lambda tx: append_all(tx, story.records))
    with KINDS[protocol](journal) as endpoint:
        flow = Flow(store, settings(endpoint, protocol))
        assert await flow.drain(timeout_seconds=30)
        assert [kept.spans for kept in await store.read(rejected)] == [len(SPANS)]
        assert flow.delivered.accepted + flow.delivered.rejected == len(SPANS)
        assert flow.delivered.rejected == min(rejects, len(SPANS))
        journal.rejects = 0
        await resend(store, story.run)
        assert await flow.drain(timeout_seconds=30)
    assert await store.read(rejected) == []
    assert {span.data for span in journal.spans} == set(BYTES)
    store.close()


async def test_batches_are_bounded(sqlite_url: str) -> None:
    journal = Journal()
    with http_receiver(journal) as endpoint:
        async with filled(sqlite_url) as store:
            delivery = Delivery(store, settings(endpoint, most_spans=10))
            await deliver_all(delivery)
            assert [span.data for span in journal.spans] == BYTES
            assert len(journal.requests) == -(-len(SPANS) // 10)


async def test_the_same_bytes_come_once_the_collector_is_back(sqlite_url: str, protocol: Protocol) -> None:
    journal, (port,) = Journal(), free_ports(1)
    endpoint = f"http://127.0.0.1:{port}" + ("/v1/traces" if protocol == "http/protobuf" else "")
    async with filled(sqlite_url) as store:
        delivery = Delivery(store, settings(endpoint, protocol))
        for _ in range(3):
            assert await delivery.deliver() == "failed"
        assert delivery.so_far.failures == 3
        with KINDS[protocol](journal, port):
            assert (await deliver_all(delivery))[-1] == "sent"
        assert delivery.so_far.failures == 0
        delivery.close()
    assert [span.data for span in journal.spans] == BYTES


async def test_a_collector_that_dies_between_two_batches_loses_nothing(sqlite_url: str, protocol: Protocol) -> None:
    journal = Journal()
    async with filled(sqlite_url) as store:
        with KINDS[protocol](journal) as endpoint:
            delivery = Delivery(store, settings(endpoint, protocol, most_spans=10))
            assert await delivery.deliver() == "sent"
        assert await delivery.deliver() == "failed"
        with KINDS[protocol](journal, int(endpoint.split(":")[2].split("/")[0])):
            await deliver_all(delivery)
        delivery.close()
    assert [span.data for span in journal.spans] == BYTES


async def test_an_error_is_tried_again(sqlite_url: str, protocol: Protocol) -> None:
    journal = Journal(status=500)
    with KINDS[protocol](journal) as endpoint:
        async with filled(sqlite_url) as store:
            delivery = Delivery(store, settings(endpoint, protocol))
            assert [await delivery.deliver() for _ in range(2)] == ["failed", "failed"]
            assert journal.refused == 2
            journal.status = 200
            assert await deliver_all(delivery) == ["sent"]
            delivery.close()
    assert [span.data for span in journal.spans] == BYTES


async def test_rejected_spans_keep_their_error_and_are_not_sent_for_ever(
    sqlite_url: str, protocol: Protocol, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(rejects=2)
    with KINDS[protocol](journal) as endpoint:
        async with filled(sqlite_url) as store:
            delivery = Delivery(store, settings(endpoint, protocol))
            assert await deliver_all(delivery) == ["sent"]
            assert len(journal.requests) == 1
            (kept,) = await store.read(rejected)
            assert (kept.run, kept.spans) == (SPANS[0].run, len(SPANS))
            assert kept.error == f"the collector rejected 2 of {len(SPANS)} spans: too old"
            assert kept.error in caplog.text
            assert (delivery.so_far.rejected, delivery.so_far.accepted) == (2, len(SPANS) - 2)
            delivery.close()


async def test_what_the_collector_will_never_take_does_not_keep_the_rest_back(
    sqlite_url: str, protocol: Protocol, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(status=400)
    with KINDS[protocol](journal) as endpoint:
        async with filled(sqlite_url) as store:
            delivery = Delivery(store, settings(endpoint, protocol, most_spans=20))
            assert await delivery.deliver() == "sent"
            journal.status = 200
            await deliver_all(delivery)
            assert [span.data for span in journal.spans] == BYTES[20:]
            (kept,) = await store.read(rejected)
            assert kept.spans == 20
            delivery.close()
    assert "not sent again" in caplog.text


async def test_what_is_too_large_goes_in_smaller_parts(sqlite_url: str) -> None:
    journal = Journal(status=413)
    with http_receiver(journal) as endpoint:
        async with filled(sqlite_url) as store:
            delivery = Delivery(store, settings(endpoint))
            for _ in range(2):
                assert await delivery.deliver() == "sent"
            journal.status = 200
            await deliver_all(delivery)
            assert [span.data for span in journal.spans] == BYTES
            assert len(journal.requests) > 1


async def test_a_collector_that_hangs_does_not_stop_the_loop(sqlite_url: str) -> None:
    journal = Journal(hangs=threading.Event())
    with http_receiver(journal) as endpoint:
        async with filled(sqlite_url) as store:
            assert journal.hangs is not None
            delivery = Delivery(store, settings(endpoint))
            sending = asyncio.create_task(delivery.deliver())
            for _ in range(20):
                await asyncio.sleep(0.01)
                assert not sending.done()
            journal.hangs.set()
            assert await sending == "sent"


async def test_draining_has_patience_as_long_as_spans_leave(sqlite_url: str) -> None:
    loop, passed = asyncio.get_running_loop(), 0.0
    real = loop.time

    def take_long() -> Trouble:
        nonlocal passed
        passed += 400.0
        return ""

    loop.time = lambda: real() + passed  # type: ignore[method-assign]  # nobody waits for so long
    journal = Journal(trouble=take_long)
    try:
        with http_receiver(journal) as endpoint:
            async with filled(sqlite_url) as store:
                flow = Flow(store, settings(endpoint, most_spans=5, timeout_seconds=3000))
                assert await flow.drain(100_000, patience_seconds=600)
    finally:
        loop.time = real  # type: ignore[method-assign]
    assert [span.data for span in journal.spans] == BYTES and len(journal.requests) > 2


async def test_draining_has_no_patience_with_a_collector_that_hangs(sqlite_url: str) -> None:
    journal = Journal(hangs=threading.Event())
    assert journal.hangs is not None
    with http_receiver(journal) as endpoint:
        async with filled(sqlite_url) as store:
            assert not await Flow(store, settings(endpoint)).drain(100_000, patience_seconds=0.2)
            journal.hangs.set()


async def test_one_process_delivers_at_a_time(store_url: str) -> None:
    journal = Journal(hangs=threading.Event())
    with http_receiver(journal) as endpoint:
        async with filled(store_url) as store:
            assert journal.hangs is not None
            first, second = (Delivery(store, settings(endpoint)) for _ in range(2))
            sending = asyncio.create_task(first.deliver())
            while not await store.read(lambda tx: position_of(tx, LEASE)):  # noqa: ASYNC110  # it is in the database
                await asyncio.sleep(0.01)
            assert await second.deliver() == "busy"
            journal.hangs.set()
            assert await sending == "sent"
            assert await second.deliver() == "idle"
    assert Counter(span.data for span in journal.spans) == Counter(BYTES)


async def test_a_lease_of_a_clock_that_is_wrong_does_not_count(store_url: str) -> None:
    async with filled(store_url) as store:
        now = store.clock.now()

        async def claimed(until: int) -> bool:
            await store.write(lambda tx: move(tx, LEASE, until))
            return await store.write(lambda tx: claim(tx, now=now, until=now + 1, at_most=1)) is not None

        assert not await claimed(now + micros(10))
        assert await claimed(now + micros(86_400))


async def test_headers_and_compression_of_the_environment_are_used(
    sqlite_url: str, protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=north")
    journal = Journal()
    with KINDS[protocol](journal) as endpoint:
        async with filled(sqlite_url) as store:
            delivery = Delivery(store, settings(endpoint, protocol))
            await deliver_all(delivery)
            delivery.close()
    assert journal.headers[0]["x-tenant"] == "north"


def test_the_pause_doubles_up_to_its_limit(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    delivery = Delivery(store, ExportSettings(endpoint="http://127.0.0.1:1", longest_wait_seconds=60))
    for failures, most in ((1, 0.5), (2, 1.0), (5, 8.0), (20, 60.0), (5000, 60.0)):
        delivery.so_far.failures = failures
        assert most / 2 <= delivery.pause_seconds() <= most
    store.close()


def test_settings_follow_the_standard_variables() -> None:
    read = ExportSettings.from_environment
    base = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/"}
    exact = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://other:4318/in"}
    grpc = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert read({}).endpoint == ""
    assert read(base).endpoint == "http://collector:4318/v1/traces"
    assert read({**base, **exact}).endpoint == "http://other:4318/in"
    assert read({**base, **grpc}).endpoint == "http://collector:4318/"
    assert read({**base, **grpc}).protocol == "grpc"
    assert read({**base, **grpc, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}).protocol == "http/protobuf"
    assert read({**base, "OTEL_EXPORTER_OTLP_TIMEOUT": "3"}).timeout_seconds == 3
    assert read(base).metrics.endpoint == "http://collector:4318/v1/metrics"
    elsewhere = {
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://meters:4317",
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc",
    }
    assert read({**base, **elsewhere}).metrics.endpoint == "http://meters:4317"
    assert (read({**base, **elsewhere}).metrics.protocol, read({**base, **elsewhere}).protocol) == (
        "grpc",
        "http/protobuf",
    )
    off = [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_METRICS_EXPORTER": "none"}]
    found = [read({**base, **one}) for one in off]
    assert [(bool(one.endpoint), bool(one.metrics.endpoint)) for one in found] == [
        (False, False),
        (False, True),
        (True, False),
    ]
    with pytest.raises(InvalidInput, match="http/json"):
        read({**base, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"})
    with pytest.raises(InvalidInput, match="soon"):
        read({**base, "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"})
    for wrong in ("nan", "inf", "-1", "0"):
        with pytest.raises(InvalidInput, match="OTEL_EXPORTER_OTLP_TIMEOUT"):
            read({**base, "OTEL_EXPORTER_OTLP_TIMEOUT": wrong})
    with pytest.raises(InvalidInput, match="OTEL_TRACES_SAMPLER_ARG"):
        read({**base, "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "nan"})


def test_a_sampler_takes_a_run_whole_or_not_at_all(caplog: pytest.LogCaptureFixture) -> None:
    def share(sampler: str, argument: str = "") -> float:
        said = {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument}
        chosen = ExportSettings.from_environment(said)
        return sum(chosen.samples(f"run_{number}") for number in range(1000)) / 1000

    assert share("always_on") == share("parentbased_always_on") == share("traceidratio") == 1
    assert share("always_off") == share("parentbased_always_off") == 0
    assert 0.2 < share("parentbased_traceidratio", "0.25") < 0.3
    with caplog.at_level(logging.WARNING):
        assert share("jaeger_remote") == 1
    assert "jaeger_remote is not supported" in caplog.text
