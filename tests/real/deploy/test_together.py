"""The parts of the compose file together, without containers: its worker, a real PostgreSQL, a collector, a Jaeger."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.real import jaeger_server
from tests.real.deploy import reading
from tests.real.deploy.collector_server import Collector
from tests.support.servers import free_ports
from tests.support.waiting import until

ROOT = Path(__file__).parents[3]
ENTRYPOINT = ROOT / "deploy" / "entrypoint"
DIFFERS, WAITING = 5, 3


@dataclass(frozen=True, kw_only=True)
class Parts:
    """How the compose file has the worker run and asked for its health, with other places; and the collector."""

    command: list[str]
    health: list[str]
    environment: dict[str, str]
    collector: Collector


@pytest.fixture
def parts(services: Path, jaeger_program: Path, postgres_url: str, tmp_path: Path) -> Iterator[Parts]:
    worker = reading.project(services)["services"]["worker"]
    secret = tmp_path / "postgres-password"
    secret.write_text("not asked for here\n")
    with ExitStack() as stack:
        jaeger = stack.enter_context(jaeger_server.running(jaeger_program, storage="badger", folder=tmp_path))
        collector = Collector(services / "collector", tmp_path, jaeger.otlp_http)
        stack.enter_context(collector.running())
        elsewhere = {
            "ANSWERABLE_STORE": postgres_url,
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "ANSWERABLE_ANCHOR_FOLDER": str(tmp_path / "anchors"),
            "ANSWERABLE_JAEGER": jaeger.query,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "POSTGRES_PASSWORD_FILE": str(secret),
        }
        assert elsewhere.keys() <= worker["environment"].keys()
        here = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OTEL_METRIC_EXPORT_INTERVAL": "500"}
        environment = os.environ | worker["environment"] | elsewhere | here
        (port,) = free_ports(1)
        command, (kind, *health) = [
            [word.replace("8080", str(port)).replace("0.0.0.0", "127.0.0.1") for word in words]
            for words in (worker["command"], worker["healthcheck"]["test"])
        ]
        assert kind == "CMD"
        yield Parts(command=command, health=health, environment=environment, collector=collector)


def test_a_run_of_the_example_is_decided_carried_out_and_seen(parts: Parts, services: Path, tmp_path: Path) -> None:
    environment = parts.environment

    def command(*words: str, code: int = 0) -> Any:
        done = subprocess.run(
            [ENTRYPOINT, *words, "--json"], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
        )
        assert done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    began: list[str | Path] = [ENTRYPOINT, *parts.command]
    with subprocess.Popen(began, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert re.fullmatch("serving http://.*/, working for logistics\n", process.stdout.readline())
            subprocess.run(parts.health, env=environment, check=True)
            run = command("demo", "logistics", "--decide", "wait", code=WAITING)["run"]
            (request,) = command("inbox")
            command("approve", request["id"], "--option", "floor", "--as", "dora")
            with psycopg.connect(environment["ANSWERABLE_STORE"], autocommit=True) as store:
                status = partial(store.execute, "SELECT status FROM runs WHERE id = %s", [run])
                until(lambda: status().fetchone() == ("done",) or process.poll() is not None, "the run is done")
            assert process.poll() is None
            read = {name for rule in reading.rules(services).values() for name in rule["reads"]}
            ours = {name for name in read if name.startswith("answerable_")}
            until(lambda: ours <= reading.measured(parts.collector.metrics).keys(), "all of ours are measured")
            assert process.poll() is None
            process.terminate()
            assert process.wait() == 0
        finally:
            process.kill()
    until(lambda: _agrees(environment, tmp_path), "Jaeger and the ledger agree")
    found = _verified(environment, tmp_path)
    assert found["held"] == found["expected"] > 50
    assert list((tmp_path / "anchors").glob("*.checkpoints")), "and checkpoints are kept where the compose file says"


def _agrees(environment: dict[str, str], folder: Path) -> bool:
    found = _verified(environment, folder)
    assert not any(found[kind] for kind in ("changed", "twice", "unknown", "rejected")), found
    return bool(found["agrees"])


def _verified(environment: dict[str, str], folder: Path) -> Any:
    command: list[str | Path] = [ENTRYPOINT, "traces", "verify", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert done.returncode in (0, DIFFERS), done.stderr
    (one,) = json.loads(done.stdout)["runs"]
    return one
