"""A span that is not as the registry says is found: planted here, in other processes, and where it arrives."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
from opentelemetry.sdk.trace import TracerProvider

from answerable.tracing.export.outbox import Outgoing
from answerable.tracing.export.processor import OutboxSpanProcessor
from answerable.tracing.spans import attributes as key
from answerable.tracing.spans import effects
from answerable.tracing.spans.checked import faults_of
from answerable.tracing.spans.context import step_context
from answerable.tracing.spans.projection import project_all
from answerable.tracing.spans.span import Pair, SpanData, encode, request
from tests.support.otlp_receiver import Journal, http_receiver
from tests.support.spans import take_faults
from tests.support.story import every_kind_of_span

SPANS = project_all(every_kind_of_span())
EDGE = next(span for span in SPANS if span.shows == "edge")
CALL = next(span for span in SPANS if span.shows == "call")

WRONG: list[tuple[str, SpanData, str]] = [
    ("no such key", EDGE._replace(pairs=[*EDGE.pairs, ("accountability.colour", "red")]), "is not in the registry"),
    ("wrong type", EDGE._replace(pairs=[*EDGE.pairs, (key.EDGE_LEFTOVER, "yes")]), "but has the type bool"),
    ("a bool is no int", CALL._replace(pairs=[*CALL.pairs, (key.SERVER_PORT, True)]), "but has the type int"),
    ("wrong kind", EDGE._replace(pairs=[*EDGE.pairs, (key.AGENT, "forecast")]), "stands on a span that shows edge"),
    ("twice", EDGE._replace(pairs=[*EDGE.pairs, (key.EDGE, "again")]), "stands there twice"),
    ("missing", EDGE._replace(pairs=[pair for pair in EDGE.pairs if pair[0] != key.EDGE_PURPOSE]), "is missing"),
    ("missing on every", CALL._replace(pairs=[pair for pair in CALL.pairs if pair[0] != key.CHAIN]), "is missing"),
    ("another kind", EDGE._replace(shows="step"), f"{key.EDGE} stands on a span that shows every, step"),
    ("a service without a name", EDGE._replace(origin=EDGE.origin._replace(service="")), "service.name is missing"),
]


def encoded(span: SpanData) -> bytes:
    """A span's bytes, also with a key that `encode` would not know."""
    known = [pair for pair in span.pairs if pair[0] in key.REGISTRY]
    read = ResourceSpans.FromString(encode(span._replace(pairs=known)))
    for name, value in span.pairs:
        if name not in key.REGISTRY:
            read.scope_spans[0].spans[0].attributes.add(key=name).value.string_value = str(value)
    data: bytes = read.SerializeToString()
    return data


@pytest.mark.parametrize(("span", "fault"), [one[1:] for one in WRONG], ids=[one[0] for one in WRONG])
def test_a_wrong_span_is_found_where_it_is_encoded(span: SpanData, fault: str) -> None:
    try:
        encode(span)
    except KeyError:
        assert "registry" in fault  # the encoding has no bytes for such a key
    found = take_faults()
    assert found and all(line.startswith(f"{span.name}: ") for line in found)
    assert any(fault in line for line in found)


@pytest.mark.parametrize(("span", "fault"), [one[1:] for one in WRONG], ids=[one[0] for one in WRONG])
def test_a_wrong_span_is_found_where_it_arrives(span: SpanData, fault: str) -> None:
    body = request([encoded(span)])
    take_faults()
    with http_receiver(Journal()) as endpoint:
        assert httpx.post(endpoint, content=body, trust_env=False, timeout=60).status_code == 200
    found = take_faults()
    if span.shows == "step":
        assert found == []  # its bytes are those of an edge, and right
    else:
        assert any(fault in line for line in found)


def test_no_span_of_any_kind_is_wrong_and_each_key_that_is_taken_away_is_missed() -> None:
    for span in SPANS:
        assert list(faults_of(span.shows, span.pairs, filled=True)) == []
        for index, (name, _) in enumerate(span.pairs):
            known = key.REGISTRY[name]
            needed = span.shows in known.always or key.EVERY in known.always
            rest = [*span.pairs[:index], *span.pairs[index + 1 :]]
            assert list(faults_of(span.shows, rest)) == ([f"{name} is missing"] if needed else [])


def test_what_stands_on_an_exported_span_says_something() -> None:
    pairs: list[Pair] = [(name, "" if name == key.RECORD_DIGEST else value) for name, value in EDGE.pairs]
    assert list(faults_of("edge", pairs)) == []  # the tree in the terminal is made before records have their places
    assert list(faults_of("edge", pairs, filled=True)) == [f"{key.RECORD_DIGEST} says nothing"]


def test_a_wrong_projection_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "where_said", lambda pairs: [(key.AGENT, value) for _, value in pairs])
    project_all(every_kind_of_span())
    assert f"refused carrier.dispatch: {key.AGENT} stands on a span that shows every, withheld" in take_faults()


class _Nowhere:
    def hand_over(self, span: Outgoing) -> None:
        return


def test_another_librarys_span_may_have_any_key_but_one_that_looks_like_ours() -> None:
    provider = TracerProvider()
    provider.add_span_processor(OutboxSpanProcessor(_Nowhere()))
    tracer = provider.get_tracer("weather-client")
    with step_context("run_1", "stp_1", 1):
        tracer.start_span("GET /weather", attributes={"http.request.method": "GET", "weather.city": "Genoa"}).end()
        assert take_faults() == []
        tracer.start_span("GET /weather", attributes={key.RESPONSIBLE: "prs_1", "accountability.city": "Genoa"}).end()
    provider.shutdown()
    assert take_faults() == [
        f"GET /weather: {key.RESPONSIBLE} stands on a span that shows other",
        "GET /weather: accountability.city is not in the registry",
    ]


def _encode_a_wrong_span() -> None:
    encode(EDGE._replace(pairs=EDGE.pairs[1:]))


def _by_fork() -> None:
    pid = os.fork()
    if pid == 0:
        _encode_a_wrong_span()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def _by_spawning() -> None:
    process = multiprocessing.get_context("spawn").Process(target=_encode_a_wrong_span)
    process.start()
    process.join()
    assert process.exitcode == 0


def _by_another_program() -> None:
    code = "from tests.tracing.spans import test_checked; test_checked._encode_a_wrong_span()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


@pytest.mark.parametrize("way", [_by_fork, _by_spawning, _by_another_program])
def test_a_wrong_span_of_another_process_is_found(way: Callable[[], None]) -> None:
    way()
    assert take_faults() == [f"{EDGE.name}: {EDGE.pairs[0][0]} is missing"]
