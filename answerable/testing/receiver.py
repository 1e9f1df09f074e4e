"""A receiver for tests: a real HTTP server on loopback that keeps a journal and honours idempotency keys.

1. Everything that arrives is in `received`, in order; what took effect is in `happened`, once for each idempotency key.
2. A key that is known gets the answer of the first time, and nothing happens again.
3. How it behaves is told beforehand, one behaviour for each request that arrives; then it says yes again.
"""

from __future__ import annotations

import atexit
import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request as it arrived: `headers` by lower-case name, `body` to the byte."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def key(self) -> str:
        """Its idempotency key, or ""."""
        return self.headers.get("idempotency-key", "")

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer: `json` is its body. It takes effect if its status is 2xx, unless `happens` says otherwise."""

    status: int = 200
    json: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    happens: bool | None = None

    @property
    def takes_effect(self) -> bool:
        """Whether what was asked for happens."""
        return 200 <= self.status < 300 if self.happens is None else self.happens


# "close": it happens, and the connection is closed without an answer. "hang": it happens, and no answer ever comes.
Behaviour: TypeAlias = Reply | Literal["close", "hang"]


class FakeReceiver:
    """Use it as a context manager, and give its `origin` to `connect(origins=…)`.

    `answer` makes the reply to what takes effect; the default echoes the JSON body. `remembers=False` makes it forget
    idempotency keys.
    """

    def __init__(self, answer: Callable[[Received], Reply] | None = None, *, remembers: bool = True) -> None:
        self._answer = answer or _echo
        self._remembers = remembers
        self._planned: list[Behaviour] = []
        self._known: dict[str, Reply] = {}
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._closing = threading.Event()
        self.received: list[Received] = []
        self.happened: list[Received] = []
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def then(self, *behaviours: Behaviour) -> None:
        """Behave like this, in turn, when the next requests arrive."""
        with self._lock:
            self._planned += behaviours

    def wait_for(self, count: int, *, within_seconds: float = 60.0) -> None:
        """Wait until so many requests have arrived in all. Raises: TimeoutError."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.received) >= count, within_seconds):
                raise TimeoutError(f"{len(self.received)} requests arrived within {within_seconds:g} s, not {count}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, request: Received) -> Reply | None:
        """What is answered to a request that arrived; None: nothing, and the connection is closed."""
        with self._lock:
            self.received.append(request)
            self._arrived.notify_all()
            planned = self._planned.pop(0) if self._planned else None
            known = self._known.get(request.key) if request.key and self._remembers else None
            happens = planned.takes_effect if isinstance(planned, Reply) else True
            reply = planned if isinstance(planned, Reply) else known or self._answer(request)
            if happens and known is None:
                self.happened.append(request)
                if request.key:
                    self._known[request.key] = reply if reply.takes_effect else self._answer(request)
        if planned == "hang":
            self._closing.wait()
        return None if planned in ("close", "hang") else reply


def nowhere() -> str:
    """An origin on loopback where nobody listens, nor will as long as this process lives."""
    return f"http://127.0.0.1:{_taken().getsockname()[1]}"


@cache
def _taken() -> socket.socket:
    """A socket that has a port, and does not listen."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    atexit.register(taken.close)
    return taken


def _echo(request: Received) -> Reply:
    return Reply(json=request.json() if request.body else {})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


def _handler(receiver: FakeReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body_received = self.rfile.read(length)
            if len(body_received) < length:  # the sender ended in the middle of it: nothing came
                self.close_connection = True
                return
            request = Received(
                method=self.command,
                path=self.path,
                headers={name.lower(): value for name, value in self.headers.items()},
                body=body_received,
            )
            reply = receiver.take(request)
            if reply is None:
                self.close_connection = True
                return
            body = json.dumps(reply.json).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server calls them so

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as http.server names it
            """Say nothing: the journal tells it."""

    return Handler
