"""A receiver of effects: a real HTTP server on loopback that keeps a journal and honours `Idempotency-Key`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from answerable.agents.messages import Message
from tests.reference.interpreter import Trouble
from tests.reference.systems import Batch, Item


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request as it came in. `happened` is false for one whose key was known already."""

    key: str
    effect: str
    body: bytes
    happened: bool


@dataclass
class Receiver:
    """What was received so far; `answer` says what to answer to an effect's message, or raises `Trouble`."""

    origin: str = ""
    answer: Callable[[str, Message], Item] = field(default=lambda _effect, _message: Item(value=0))
    journal: list[Received] = field(default_factory=list)
    _answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def begin(self, answer: Callable[[str, Message], Item]) -> None:
        """Forget everything, and answer so from now on."""
        self.answer = answer
        self.journal.clear()
        self._answers.clear()

    def receive(self, effect: str, key: str, body: bytes) -> tuple[int, bytes]:
        """Take one request in; status and body of the answer."""
        known = self._answers.get(key)
        self.journal.append(Received(key=key, effect=effect, body=body, happened=known is None))
        if known is None:
            kind = Batch if b'"items"' in body else Item
            try:
                known = 200, self.answer(effect, kind.from_bytes(body)).to_bytes()
            except Trouble:
                known = 422, b"{}"
            self._answers[key] = known
        return known


class QuietServer(ThreadingHTTPServer):
    """A server that does not tell of callers who hung up, which is what cancelled and dying ones do."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that is reached at its `origin`."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = receiver.receive(self.path.removeprefix("/"), self.headers["Idempotency-Key"], body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    with QuietServer(("127.0.0.1", 0), Handler) as server:
        receiver.origin = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield receiver
        server.shutdown()
        thread.join()
