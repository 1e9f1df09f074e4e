"""An inbox as a process of its own, on a free port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

_ANSWERABLE = Path(sys.executable).with_name("answerable")


@dataclass(frozen=True, kw_only=True)
class Served:
    """A server, where it is, and the link that it printed ("" for none)."""

    process: subprocess.Popen[str]
    address: str
    link: str

    def client(self, token: str = "") -> httpx.Client:
        """A program that shows a token, or a browser that nobody has signed in to."""
        headers = {"Authorization": f"Bearer {token}"} if token else {"Origin": self.address}
        return httpx.Client(base_url=self.address, headers=headers, timeout=60)


@contextmanager
def serving(store: str, *words: str, environment: Mapping[str, str]) -> Iterator[Served]:
    """A server on a free port, until it is told to stop."""
    command = [str(_ANSWERABLE), "serve", "--port", "0", *words]
    named = {**os.environ, **environment, "ANSWERABLE_STORE": store}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=named) as process:
        try:
            assert process.stdout is not None
            said = ""
            while "/enter/" not in said and "/sign-in" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            found = re.search(r"serving (http://[^/]+)/", said)
            assert found, said
            link = re.search(r"http://\S+/enter/\S+", said)
            yield Served(process=process, address=found[1], link=link[0] if link else "")
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
