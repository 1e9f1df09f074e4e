"""A real collector of the tests' own, with the configuration that people get: `deploy/collector/config.yaml`.

Its ports and its queue's folder stay, so that it can be killed and started again.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from tests.support.servers import free_ports, guarded, listens

CONFIG = Path(__file__).parents[3] / "deploy" / "collector" / "config.yaml"
_START_SECONDS = 60


class Collector:
    """A collector that sends to the OTLP endpoint `jaeger`; what it keeps lies in `folder`."""

    def __init__(self, program: Path, folder: Path, jaeger: str, **environment: str) -> None:
        self.http, self._grpc, self._health, self.metrics, self.own_metrics = free_ports(5)
        self._program, self._log = program, folder / "collector.log"
        self._folder = folder / "queue"
        self._environment = {
            "COLLECTOR_HEALTH_PORT": str(self._health),
            "COLLECTOR_JAEGER": jaeger,
            "COLLECTOR_METRICS_PORT": str(self.metrics),
            "COLLECTOR_OTLP_GRPC_PORT": str(self._grpc),
            "COLLECTOR_OTLP_HTTP_PORT": str(self.http),
            "COLLECTOR_OWN_METRICS_PORT": str(self.own_metrics),
            "COLLECTOR_QUEUE_FOLDER": str(self._folder),
            **environment,
        }
        self._folder.mkdir(exist_ok=True)

    @property
    def endpoint(self) -> str:
        """Where it takes spans, over HTTP."""
        return f"http://127.0.0.1:{self.http}"

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run it, from when it is healthy. Raises: RuntimeError if it does not start; its log is in the text."""
        with ExitStack() as stack, self._log.open("ab") as output:
            process = subprocess.Popen(
                [self._program, f"--config={CONFIG}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | self._environment,
                start_new_session=True,  # Ctrl-C is for the tests
            )
            stack.enter_context(guarded(process, self._folder / "nothing"))
            self._await_health(process)
            yield process

    def _await_health(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            try:
                healthy = httpx.get(f"http://127.0.0.1:{self._health}/", trust_env=False).is_success
                if healthy and all(listens(port) for port in (self.http, self._grpc, self.metrics, self.own_metrics)):
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"the collector did not start:\n{self._log.read_text()}")
