"""`answerable traces verify` against a real Jaeger, with both storages and both forms of its query API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import delete

from answerable.commands.cli import cli
from answerable.errors import JaegerUnavailable
from answerable.testing import FakeReceiver
from answerable.tracing.export.comparison import TracesReport, compare, expected_of
from answerable.tracing.export.delivery import Delivery
from answerable.tracing.export.held import HeldSpan
from answerable.tracing.export.jaeger import Jaeger as Query
from answerable.tracing.export.outbox import outgoing, set_aside
from answerable.tracing.export.resending import resend
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.export.transport import open_transport
from answerable.tracing.export.verification import verify_traces
from answerable.tracing.ledger import cursors
from answerable.tracing.ledger.placed import placed_of
from answerable.tracing.spans.projection import project_all
from answerable.tracing.spans.span import SpanData, request
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, Tx, open_store
from answerable.tracing.storage.tables.export import outbox
from tests.orchestrator.letters import CARRIER, Ask, letters
from tests.real import jaeger_server
from tests.real.jaeger_client import Jaeger
from tests.support.otlp_receiver import Journal, http_receiver
from tests.support.outbox import parcels

DIFFERS = 5


@pytest.fixture(scope="module", params=["memory", "badger"])
def holder(request: pytest.FixtureRequest, jaeger_program: Path) -> Iterator[Jaeger]:
    """A Jaeger for these tests, with each storage."""
    with jaeger_server.running(jaeger_program, storage=request.param) as one:
        yield one


class Told:
    """A store with one run that is done, whose spans all lie in the outbox; and the command."""

    def __init__(self, url: str, jaeger: str) -> None:
        self.url, self.jaeger = url, jaeger
        with FakeReceiver() as there, letters().connect(url, origins={CARRIER: there.origin}) as service:
            service.people.add("dora", roles=["lead"])
            self.run = service.run(Ask(), by="nils").id
            service.approve(service.requests()[0].id, by="dora")
            assert service.resume(self.run).status == "done"
        self.count = self.at_store(lambda store: resend(store, self.run))
        self.write(
            lambda tx: cursors.move(tx, cursors.PROJECTION, cursors.position_of(tx, cursors.SEQUENCER)),
        )
        self.spans: list[SpanData] = project_all(self.read(lambda tx: placed_of(tx, self.run)))

    def at_store(self, work: Callable[[Store], Any]) -> Any:
        async def go() -> Any:
            store = open_store(self.url)
            try:
                return await work(store)
            finally:
                store.close()

        return asyncio.run(go())

    def read(self, work: Callable[[Tx], Any]) -> Any:
        return self.at_store(lambda store: store.read(work))

    def write(self, work: Callable[[Tx], Any]) -> Any:
        return self.at_store(lambda store: store.write(work))

    def deliver(self, to: Jaeger) -> None:
        """Send what lies in the outbox."""

        async def work(store: Store) -> None:
            delivery = Delivery(store, ExportSettings(endpoint=f"{to.otlp_http}/v1/traces"))
            while await delivery.deliver() != "idle":
                assert not delivery.so_far.failures, delivery.so_far.error
            delivery.close()

        self.at_store(work)

    def verify(self, *words: str, code: int = 0, **environment: str) -> Result:
        environment |= {"ANSWERABLE_STORE": self.url, "ANSWERABLE_JAEGER": self.jaeger}
        done = CliRunner().invoke(cli, ["traces", "verify", *words], env=environment)
        assert done.exit_code == code, f"{done.exit_code}\n{done.output}"
        return done

    def report(self, *words: str, code: int = 0) -> dict[str, Any]:
        """What is found of the one run."""
        found = json.loads(self.verify(self.run[:14], *words, "--json", code=code).stdout)
        (report,) = found["runs"]
        assert found["agrees"] is report["agrees"] is (code == 0)
        numbers = [report["held"], report["waiting"]]
        numbers += [len(report[kind]) for kind in ("rejected", "missing", "changed", "twice")]
        assert sum(numbers) == report["expected"] == self.count
        said: dict[str, Any] = report
        return said


def send(to: Jaeger, *spans: SpanData) -> None:
    transport = open_transport(ExportSettings(endpoint=f"{to.otlp_http}/v1/traces"))
    assert transport.send(request(span.data for span in outgoing(spans))).rejected == 0
    transport.close()


@pytest.fixture
def told(holder: Jaeger, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.setenv("ANSWERABLE_KEY_FILE", str(tmp_path / "key"))
    return Told(store_url, holder.query)


def drop(span: SpanData) -> Callable[[Tx], int]:
    return lambda tx: tx.run(Statement(delete(outbox).where(outbox.c.span == span.key)))


def refuse(span: SpanData) -> Callable[[Tx], None]:
    def work(tx: Tx) -> None:
        set_aside(tx, [one for one in parcels(tx) if one.key == span.key], until=0, now=1, error="too old")

    return work


def test_what_waits_is_not_missing_and_what_came_is_held(told: Told, holder: Jaeger) -> None:
    waits = told.report()
    assert (waits["held"], waits["waiting"], waits["forgotten"]) == (0, told.count, [])
    told.deliver(holder)
    assert told.report()["held"] == told.count
    assert f"{told.count} of {told.count} spans held" in told.verify(told.run).stdout
    told.at_store(lambda store: resend(store, told.run))
    told.deliver(holder)
    assert told.report()["held"] == told.count, "the same bytes once more are the same spans"


def test_both_forms_of_the_api_agree_with_the_ledger(told: Told, holder: Jaeger) -> None:
    told.deliver(holder)
    expected = told.read(lambda tx: expected_of(tx, told.run))

    async def ask(older: bool) -> Any:
        async with Query(holder.query, older=older) as query:
            assert await query.spans_of("f" * 32) == []
            return compare(expected, {trace: await query.spans_of(trace) for trace in expected.traces})

    for older in (False, True):
        report = asyncio.run(ask(older))
        assert report.agrees and report.held == told.count, report


def test_a_span_that_was_never_sent_is_missing_until_it_is_sent_again(told: Told, holder: Jaeger) -> None:
    lost = told.spans[2]
    told.write(drop(lost))
    told.deliver(holder)
    (missing,) = told.report(code=DIFFERS)["missing"]
    assert (missing["span"], missing["name"]) == (f"{lost.span:016x}", lost.name)
    assert f"traces resend {told.run}" in told.verify(code=DIFFERS).stdout
    told.at_store(lambda store: resend(store, told.run))
    told.deliver(holder)
    told.report()


def test_a_span_that_was_rejected_is_said_to_be(told: Told, holder: Jaeger) -> None:
    told.write(refuse(told.spans[1]))
    told.deliver(holder)
    (rejected,) = told.report(code=DIFFERS)["rejected"]
    assert (rejected["span"], rejected["what"]) == (f"{told.spans[1].span:016x}", "too old")


def test_an_altered_span_is_found_alone_and_beside_the_right_one(told: Told, holder: Jaeger) -> None:
    first, second, *_ = told.spans
    told.write(drop(first))
    told.deliver(holder)
    send(holder, first._replace(pairs=[("accountability.responsible.id", "prs_mallory"), *first.pairs[1:]]))
    (changed,) = told.report(code=DIFFERS)["changed"]
    assert changed["span"] == f"{first.span:016x}" and "is 'prs_mallory', not 'prs_" in changed["what"]
    # badger keeps one span of an id and a start, the newest: only one with another start stands beside the right one
    send(holder, second._replace(name="nothing of note", start=second.start - 1000))
    found = told.report(code=DIFFERS)
    (twice,) = found["twice"]
    assert twice["span"] == f"{second.span:016x}" and "name is 'nothing of note'" in twice["what"]
    assert len(found["changed"]) == 1 and "start is" in twice["what"]


def test_a_span_that_the_ledger_does_not_know_is_unknown_and_others_are_counted(told: Told, holder: Jaeger) -> None:
    told.deliver(holder)
    first = told.spans[0]
    (encoded,) = outgoing([first._replace(span=9, parent=first.span, name="GET /parcels")])
    transport = open_transport(ExportSettings(endpoint=f"{holder.otlp_http}/v1/traces"))
    transport.send(request([encoded.data.replace(b"\x0aanswerable", b"\x0afrom-httpx")]))  # as long as our own name
    transport.close()
    assert told.report()["foreign"] == [{"service": first.origin.service, "library": "from-httpx", "spans": 1}]
    assert f"beside them, spans of others: 1 of {first.origin.service}" in told.verify().stdout
    send(holder, first._replace(span=7, parent=first.span, name="an edge that nobody crossed"))
    (unknown,) = told.report(code=DIFFERS)["unknown"]
    assert (unknown["span"], unknown["name"]) == ("0" * 15 + "7", "an edge that nobody crossed")


def test_a_run_that_jaeger_has_forgotten(told: Told, holder: Jaeger) -> None:
    journal = Journal()
    with http_receiver(journal) as elsewhere:
        told.deliver(Jaeger(query="", otlp_http=elsewhere.removesuffix("/v1/traces"), otlp_grpc=""))
    assert len(journal.spans) == told.count
    found = told.report(code=DIFFERS)
    assert found["forgotten"] == [f"{told.spans[0].trace:032x}"] and len(found["missing"]) == told.count
    shown = told.verify(told.run, code=DIFFERS).stdout
    assert "it never came, or is forgotten" in shown and f"traces resend {told.run}" in shown
    assert "missing:" not in shown, "a trace that is gone is one line, and not one for each span"


def test_a_run_may_go_on_while_it_is_verified(
    holder: Jaeger, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSWERABLE_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    for name, value in holder.exporting().items():
        monkeypatch.setenv(name, value)
    with FakeReceiver() as there:

        def carried_on() -> None:
            with letters().connect(store_url, origins={CARRIER: there.origin}) as service:
                service.approve(service.requests()[0].id, by="dora")
                assert service.resume(run).status == "done"

        class Meanwhile(Query):
            async def spans_of(self, trace: str) -> list[HeldSpan]:
                await asyncio.to_thread(carried_on)
                return await super().spans_of(trace)

        async def verify() -> TracesReport:
            store = open_store(store_url)
            try:
                async with Meanwhile(holder.query) as query:
                    return await verify_traces(store, query, run)
            finally:
                store.close()

        with letters().connect(store_url, origins={CARRIER: there.origin}) as service:
            service.people.add("dora", roles=["lead"])
            run = service.run(Ask(), by="nils").id
        report = asyncio.run(verify())
    assert report.agrees and report.held == report.expected, report


def test_which_runs_are_looked_at(told: Told, holder: Jaeger) -> None:
    told.deliver(holder)
    for words, runs in (
        ((), 1),
        (("--since", "1h"), 1),
        (("--since", "2020-01-01"), 1),
        (("--since", "2100-01-01"), 0),
    ):
        assert len(json.loads(told.verify(*words, "--json").stdout)["runs"]) == runs
    sampled = json.loads(told.verify("--json", OTEL_TRACES_SAMPLER="always_off").stdout)
    assert (sampled["runs"], sampled["left_out"]) == ([], [told.run])
    assert "there is no run" in told.verify("run_nothing", code=1).stderr
    assert "'soon' is no time" in told.verify("--since", "soon", code=1).stderr


@contextmanager
def answering(status: int, body: str, **headers: str) -> Iterator[str]:
    """A server that answers everything alike; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def asked(url: str) -> str:
    async def ask() -> None:
        async with Query(url) as query:
            await query.spans_of("a" * 32)

    with pytest.raises(JaegerUnavailable) as raised:
        asyncio.run(ask())
    return str(raised.value)


def test_what_is_no_jaeger_is_refused(holder: Jaeger) -> None:
    elsewhere = {"Location": f"{holder.query}/api/traces/{'a' * 32}"}
    for status, body, headers in (
        (200, "<html>a page for every path</html>", {}),
        (200, '{"data": null}', {}),
        (200, "[1]", {}),
        (200, '{"data": [{"spans": [{}], "processes": {}}]}', {}),
        (404, "not found", {}),
        (302, "", elsewhere),
        (200, '{"a":' * 100_000, {}),
    ):
        with answering(status, body, **headers) as url:
            assert "is no Jaeger" in asked(url), body


def test_a_jaeger_that_fails_is_said_to(told: Told) -> None:
    with answering(500, '{"error": {"httpCode": 500, "message": "badger is full"}}') as url:
        assert "answered 500: badger is full" in asked(url)
    with answering(500, '{"data": null, "errors": [{"code": 500, "msg": "no more"}]}') as url:
        assert "answered 500: no more" in asked(url)
    failed = told.verify("--jaeger", "http://127.0.0.1:1", code=1)
    assert "jaeger-unavailable" in failed.stderr and "cannot be reached" in failed.stderr
    for wrong in ("jaeger:16686", "ftp://jaeger", "http://", "http://[", "http://jaeger:99999", "http://jaeger/?x=1"):
        assert "no address of a Jaeger" in told.verify("--jaeger", wrong, code=1).stderr


def test_an_answer_that_is_streamed_is_read_whole() -> None:
    spans = [{"traceId": "a" * 32, "spanId": f"{number:016x}"} for number in (1, 2)]
    parts = [{"result": {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}} for span in spans]

    async def ask(url: str) -> list[str]:
        async with Query(url) as query:
            return [span.span for span in await query.spans_of("a" * 32)]

    with answering(200, "\n".join(json.dumps(part) for part in parts)) as url:
        assert asyncio.run(ask(url)) == ["0" * 15 + "1", "0" * 15 + "2"]
    with answering(200, json.dumps(parts[0]) + json.dumps({"error": {"message": "cut off"}})) as url:
        assert "is no Jaeger" in asked(url), "half an answer is none"


def test_a_password_in_the_address_is_not_printed() -> None:
    assert "geheim" not in asked("http://nils:geheim@127.0.0.1:1")
