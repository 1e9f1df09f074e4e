"""What stands before every route: who is addressed, from where, and how much.

1. Only the addresses that this server was told are its own are answered (a name that somebody else points here is not).
2. What changes something comes from one of those addresses, or from no page at all: `Origin` is checked wherever a
   browser sends it, and where it sends none and no token is shown, `Sec-Fetch-Site` must say that it was our page.
3. A body is read whole before anything looks at it, and has a limit. What says twice who asks, from where or how long
   it is, is refused: whoever stands before us may have read the other one.
4. Every answer forbids what our pages do not need: foreign scripts, frames, sniffing, caching.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi.datastructures import Headers
from fastapi.responses import Response

from answerable.errors import AccessRefused, AnswerableError, InvalidInput
from answerable.inbox.problems import problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_BYTES: Final = 1024 * 1024
BODY_SECONDS: Final = 30.0
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # `no-referrer` would have browsers send `Origin: null` with our own forms
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
_SAFE: Final = frozenset({"GET", "HEAD"})
_ONCE: Final = ("host", "origin", "authorization", "sec-fetch-site", "content-type", "idempotency-key")


class Guarded:
    """An ASGI application behind these checks; `origins` are its own addresses, `https://inbox.example` for example."""

    def __init__(self, app: App, *, origins: tuple[str, ...]) -> None:
        self._app = app
        self._origins = frozenset(origin.lower() for origin in origins)
        self._hosts = frozenset(urlsplit(origin).netloc for origin in self._origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                more = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message["headers"] = [*message["headers"], *(pair for pair in more if pair[0] not in given)]
            await send(message)

        headers = Headers(scope=scope)
        refused = self._refused(scope["method"], headers, to_api=scope["path"].startswith("/api/"))
        if refused is None and scope["method"] not in _SAFE:
            read = await _read(headers, receive)
            if isinstance(read, Response):
                refused = read
            else:
                receive = _again(read, receive)
        await (self._app(scope, receive, guarded) if refused is None else refused(scope, receive, guarded))

    def _refused(self, method: str, headers: Headers, *, to_api: bool) -> Response | None:
        host = headers.get("host", "").lower()
        if host not in self._hosts:
            return problem(AccessRefused("this server does not go by that name", hint=_ASK), status=421)
        twice = next((name for name in _ONCE if len(headers.getlist(name)) > 1), "")
        if twice or {"content-length", "transfer-encoding"} <= set(headers):
            said = f"{twice.title()} is said twice" if twice else "it says in two ways how long it is"
            return problem(InvalidInput(said), status=400, headers={"connection": "close"})
        if method in _SAFE:
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        ours = origin.lower() in self._origins if origin is not None else site in ("same-origin", None)
        if origin is None and site is None and "authorization" not in headers and not to_api:
            ours = False  # no browser that says which page it was; to the API it is a program that forgot its token
        return None if ours else problem(AccessRefused("this was sent by another page", hint=_ASK))


_ASK: Final = "use the address that `answerable serve` printed, or name yours with --origin"


async def _read(headers: Headers, receive: Receive) -> bytes | Response:
    """The whole body, or the response that refuses it."""
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        return problem(InvalidInput("Content-Length is no number"), status=400)
    if int(length) > MOST_BYTES:
        return _too_large()
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return problem(InvalidInput("the body ended before it was whole"), status=400)
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > MOST_BYTES:
                    return _too_large()
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        return problem(InvalidInput("the body did not come in time"), status=408)


def _too_large() -> Response:
    error: AnswerableError = InvalidInput("the body is too large", hint=f"at most {MOST_BYTES} bytes")
    return problem(error, status=413, headers={"connection": "close"})


def _again(body: bytes, receive: Receive) -> Receive:
    """What the application receives: the body that was read, then whatever comes after it."""
    given = False

    async def next_message() -> MutableMapping[str, Any]:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message
