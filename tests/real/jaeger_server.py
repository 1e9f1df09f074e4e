"""A real Jaeger of the tests' own, with the configuration files that people get: `deploy/jaeger/`.

1. It listens on free loopback ports; where it keeps its files is a new folder, or one that the test gives.
2. It ends with the process that started it, however that ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import httpx

from tests.real.jaeger_client import Jaeger
from tests.support.servers import free_ports, guarded, listens, stop

ROOT = Path(__file__).parents[2]
_START_SECONDS = 60


def program() -> Path | None:
    """The program that `scripts/jaeger` finds; None if there is none yet."""
    found = subprocess.run([ROOT / "scripts" / "jaeger", "path"], capture_output=True, text=True, check=False)
    return Path(found.stdout.strip()) if found.returncode == 0 else None


@contextmanager
def running(
    program: Path, *, storage: Literal["memory", "badger"] = "memory", folder: Path | None = None
) -> Iterator[Jaeger]:
    """Run a Jaeger with `deploy/jaeger/STORAGE.yaml`, and stop it at the end. Badger's files lie in `folder`.

    Raises: RuntimeError if it did not start; its log is in the text.
    """
    home = Path(tempfile.mkdtemp(prefix="answerable-jaeger-"))
    try:
        process, jaeger = _start(program, ROOT / "deploy" / "jaeger" / f"{storage}.yaml", home, folder or home)
        with guarded(process, home), jaeger:
            yield jaeger
    finally:
        shutil.rmtree(home, ignore_errors=True)  # the guard may have been first


def _start(program: Path, config: Path, home: Path, folder: Path) -> tuple[subprocess.Popen[bytes], Jaeger]:
    page, otlp_http, otlp_grpc, query_grpc, health = free_ports(5)
    environment = os.environ | {
        "JAEGER_BADGER_FOLDER": str(folder),
        "JAEGER_HEALTH_PORT": str(health),
        "JAEGER_OTLP_GRPC_PORT": str(otlp_grpc),
        "JAEGER_OTLP_HTTP_PORT": str(otlp_http),
        "JAEGER_QUERY_GRPC_PORT": str(query_grpc),
        "JAEGER_UI_CONFIG": str(config.with_name("ui.json")),
        "JAEGER_UI_PORT": str(page),
    }
    log = home / "jaeger.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [program, "--config", config],
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the tests
        )
    jaeger = Jaeger(
        query=f"http://127.0.0.1:{page}",
        otlp_http=f"http://127.0.0.1:{otlp_http}",
        otlp_grpc=f"http://127.0.0.1:{otlp_grpc}",
    )
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            healthy = httpx.get(f"http://127.0.0.1:{health}/status").json()["healthy"]
            if healthy and all(listens(port) for port in (page, otlp_http, otlp_grpc)):  # which come a moment later
                return process, jaeger
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    stop(process)
    raise RuntimeError(f"Jaeger did not start:\n{log.read_text()}")
