"""HTTP: one request, to the byte, to a pinned origin.

1. The URL is the origin and the path, written one after the other; if what comes out has another scheme, host, port or
   path prefix than the origin, nothing is sent.
2. No redirects, no proxies, no cookies, no retries below this line.
3. What came of it is told apart: it certainly was not sent, it was answered, or nobody knows.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import httpx

from answerable.agents.texts import shortened
from answerable.errors import DeclarationError
from answerable.tracing.spans.context import untraced

MOST_BYTES = 16 * 1024 * 1024  # of an answer
_LONGEST = 300  # characters of an error
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")  # where httpx finds them, if not in its own
_NOT_SENT = (  # the last: a header or method that may not be written
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The receiver answered with this status."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class NotSent:
    """It certainly did not reach the receiver."""

    error: str


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """It may have reached the receiver or not."""

    error: str


Result = Answered | NotSent | Unknown


def check_origin(name: str, origin: str) -> str:
    """`origin` without a trailing slash. Raises: DeclarationError if it is none."""
    try:
        url = httpx.URL(origin)
    except httpx.InvalidURL as error:
        raise DeclarationError(f"the origin of {name!r}, {origin!r}, is no URL: {error}") from error
    wrong = (
        url.scheme not in ("http", "https")
        or not url.host
        or url.userinfo
        or (url.port is not None and not 0 < url.port < 65_536)
        or any(mark in origin for mark in "?#\\")
        or any(character.isspace() for character in origin)
        or ".." in origin.split("/")
        or pinned_url(origin.rstrip("/"), "/") is None
    )
    if wrong:
        raise DeclarationError(
            f"the origin of {name!r} is {origin!r}",
            hint="scheme, host, port and at most a path prefix, for example https://carrier.example/v2",
        )
    return origin.rstrip("/")


def pinned_url(origin: str, path: str) -> httpx.URL | None:
    """The URL of `path` at `origin`, or None if it would lead anywhere else."""
    try:
        url, base = httpx.URL(origin + path), httpx.URL(origin)
    except httpx.InvalidURL:
        return None
    prefix = base.path.rstrip("/") + "/"
    same = (url.scheme, url.host, url.port, url.userinfo) == (base.scheme, base.host, base.port, base.userinfo)
    escapes = any(part in (".", "..") for part in url.path.split("/"))
    return url if same and url.path.startswith(prefix) and not escapes and not url.fragment else None


class Client:
    """The one HTTP client of a worker."""

    def __init__(self) -> None:
        transport = httpx.AsyncHTTPTransport(verify=_trusted(*map(os.environ.get, _CERTIFICATES)))
        self._client = httpx.AsyncClient(trust_env=False, follow_redirects=False, transport=transport)

    async def send(
        self, method: str, origin: str, path: str, headers: Mapping[str, str], body: bytes, *, within: float | None
    ) -> Result:
        """Send one request and tell what came of it, `within` so many seconds for each part of it."""
        url = pinned_url(origin, path)
        if url is None:
            return NotSent(error=f"the path {path[:80]!r} leaves the receiver's origin")
        try:
            method.encode("ascii")  # httpx leaves finding this to the sending
            request = self._client.build_request(method, url, headers=dict(headers), content=body, timeout=within)
        except (ValueError, TypeError) as error:  # a header or method that cannot be written
            return NotSent(error=_words(error))
        with untraced():
            return await self._send(request)

    async def _send(self, request: httpx.Request) -> Result:
        try:
            response = await self._client.send(request, stream=True)
        except _NOT_SENT as error:
            return NotSent(error=_words(error))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Unknown(error=_words(error))
        try:
            received = bytearray()
            async for chunk in response.aiter_bytes():
                received += chunk
                if len(received) > MOST_BYTES:
                    return Unknown(error=f"the answer has more than {MOST_BYTES} bytes")
        except httpx.HTTPError as error:
            return Unknown(error=f"{response.status_code}, then {_words(error)}")
        finally:
            await response.aclose()
        return Answered(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=bytes(received),
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()


@cache
def _trusted(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Whose certificates are trusted; read once for each setting, for that takes 20 ms."""
    return httpx.create_ssl_context()


def _words(error: Exception) -> str:
    return shortened(f"{type(error).__name__}: {error}".rstrip(": "), _LONGEST)
