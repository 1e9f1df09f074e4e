"""The Jaeger that other tests look into: it is found, runs with the files of `deploy/jaeger/`, and can be asked."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from answerable.tracing.export.outbox import outgoing
from answerable.tracing.export.settings import ExportSettings, Protocol
from answerable.tracing.export.transport import open_transport
from answerable.tracing.spans.projection import project_all
from answerable.tracing.spans.span import SpanData, request
from tests.real import jaeger_server
from tests.real.jaeger_client import Jaeger
from tests.support.story import LEAD, whole_run

Script = Callable[..., subprocess.CompletedProcess[str]]


def _run(digit: str) -> list[SpanData]:
    return project_all(whole_run(run="run_" + digit * 32).placed())


def _send(jaeger: Jaeger, spans: list[SpanData], protocol: Protocol = "http/protobuf") -> None:
    endpoint = f"{jaeger.otlp_http}/v1/traces" if protocol == "http/protobuf" else jaeger.otlp_grpc
    transport = open_transport(ExportSettings(endpoint=endpoint, protocol=protocol))
    assert transport.send(request(span.data for span in outgoing(spans))).rejected == 0
    transport.close()


@pytest.mark.parametrize(("protocol", "digit"), [("http/protobuf", "1"), ("grpc", "2")])
def test_what_is_sent_is_found(jaeger: Jaeger, protocol: Protocol, digit: str) -> None:
    spans = _run(digit)
    _send(jaeger, spans, protocol)
    held = jaeger.trace(spans[0].trace)
    assert {span.span for span in held} == {f"{span.span:016x}" for span in spans}
    assert {span.service for span in held} == {span.origin.service for span in spans} <= jaeger.services()
    trace = f"{spans[0].trace:032x}"
    assert jaeger.search("logistics", {"accountability.run.id": "run_" + digit * 32}) == {trace}
    assert trace in jaeger.search("sign-off", {"accountability.approval.decided_by": LEAD})
    assert jaeger.search("sign-off", {"accountability.approval.decided_by": "nobody"}) == set()
    assert jaeger.trace("f" * 32) == []


def test_files_outlive_the_process(jaeger_program: Path, tmp_path: Path) -> None:
    spans = _run("3")
    with jaeger_server.running(jaeger_program, storage="badger", folder=tmp_path) as first:
        _send(first, spans)
        before = first.trace(spans[0].trace)
        assert len(before) == len(spans)
        edges = first.dependencies()
    with jaeger_server.running(jaeger_program, storage="badger", folder=tmp_path) as second:
        assert second.trace(spans[0].trace) == before
        assert second.dependencies() == edges
        assert second.search("sign-off", {"accountability.run.id": "run_" + "3" * 32}) == {f"{spans[0].trace:032x}"}


def test_the_page_links_to_the_inbox(jaeger: Jaeger) -> None:
    patterns = json.loads((jaeger_server.ROOT / "deploy" / "jaeger" / "ui.json").read_text())["linkPatterns"]
    assert {one["key"] for one in patterns} == {"accountability.approval.id", "accountability.run.id"}
    page = httpx.get(jaeger.query, timeout=60).text
    for pattern in patterns:
        assert f"#{{{pattern['key']}}}" in pattern["url"]
        assert pattern["url"] in page


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`scripts/jaeger` where nothing is installed but what a shell script needs."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("dirname", "sed"):
        (tools / name).symlink_to(shutil.which(name) or name)

    def run(*arguments: str, also: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        bare = {"PATH": f"{also}:{tools}" if also else str(tools), "HOME": str(tmp_path)} | environment
        command = [str(jaeger_server.ROOT / "scripts" / "jaeger"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=bare, check=False)

    return run


def test_without_a_jaeger_and_without_go_it_says_what_to_do(script: Script) -> None:
    for ci, code in (("", 0), ("true", 1)):
        answer = script(CI=ci)
        assert answer.returncode == code
        assert "Install Go" in answer.stderr
    assert script("path").returncode == 1
    assert script("run").returncode == 1


def test_a_wrong_name_is_refused(script: Script) -> None:
    answer = script(JAEGER_BIN="/nonexistent/jaeger")
    assert (answer.returncode, answer.stderr) == (1, "JAEGER_BIN is /nonexistent/jaeger, which is no program\n")
    assert script("walk").returncode == 2


def test_one_that_is_there_is_used(script: Script, tmp_path: Path) -> None:
    there = tmp_path / "jaeger"
    there.write_text("#!/bin/sh\n")
    there.chmod(0o755)
    assert script("path", also=str(tmp_path)).stdout == f"{there}\n"
    assert script("path", JAEGER_BIN=str(there)).stdout == f"{there}\n"
    assert script(also=str(tmp_path), CI="true").returncode == 0
