"""Calls: what an effect would send, described without sending it.

An effect's function is a generator: it yields one `Request` and is given its `Response`, as in httpx's auth flow. It
does no I/O, so the exact bytes exist before anybody decides about them.
"""

from __future__ import annotations

import json as jsonlib
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import rfc8785
from pydantic import BaseModel

from answerable.errors import DeclarationError

R = TypeVar("R", covariant=True)


_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # Source: RFC 9110, section 5.6.2
_PATH: Final = re.compile(r"/(?!/)[!-\"$-\[\]-~]*")  # visible ASCII, but neither "#" nor "\"
_CONTENT_TYPE: Final = re.compile(r"[ -~]*")
LONGEST_PATH: Final = (
    8_000  # characters. Source: RFC 9110, section 4.1, recommends that at least so many octets are read
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP request: `method`, `path` (with its query, relative to the receiver's origin), and the exact `body`.

    A request that is not HTTP, or leaves the receiver's origin, cannot be made: DeclarationError. Both `method` and
    `path` are "" for what an opaque effect is given, which is no request but a body.
    """

    method: str
    path: str
    body: bytes = b""
    content_type: str = ""

    def __post_init__(self) -> None:
        if self.method or self.path:
            _check(self.method, self.path)
        if not isinstance(self.body, bytes):
            raise DeclarationError(f"{self.method} {self.path}: the body is {type(self.body).__name__} and not bytes")
        if not isinstance(self.content_type, str) or not _CONTENT_TYPE.fullmatch(self.content_type):
            raise DeclarationError(f"{self.method} {self.path}: {self.content_type!a:.80} is no content type")


def _check(method: str, path: str) -> None:
    if not isinstance(method, str) or not _TOKEN.fullmatch(method):
        raise DeclarationError(f"{method!a:.80} is no HTTP method", hint="for example POST")
    if not isinstance(path, str) or len(path) > LONGEST_PATH:
        raise DeclarationError(
            f"{method} {path!a:.80}: a path is a text of at most {LONGEST_PATH} characters", hint="put it into the body"
        )
    said = f"{method} {path!a:.200}"
    if not path.startswith("/") or path.startswith("//") or ".." in path.split("?", maxsplit=1)[0].split("/"):
        raise DeclarationError(
            f"{said}: a path starts with one '/' and stays below the receiver's origin",
            hint="give the origin to connect(origins=…), and only the path here",
        )
    if not _PATH.fullmatch(path):
        raise DeclarationError(
            f"{said}: a path is ASCII without spaces, control characters, '#' and '\\'",
            hint="percent-encode them: urllib.parse.quote(part, safe='')",
        )


@dataclass(frozen=True, kw_only=True)
class Response:
    """What the receiver answered: the `status` (200–299), its `headers` (lower-case names) and the `body`."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return jsonlib.loads(self.body)


Call: TypeAlias = Generator[Request, Response, R]


class Transaction(Protocol):
    """The open transaction that an opaque effect with `guarantee="transactional"` takes as its first parameter.

    What it writes happens together with the record that it happened, or not at all.
    """

    def execute(self, sql: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement in the store's database, and return its rows; parameters are written `:name`."""
        ...


def request(method: str, path: str, *, json: Any = None, content: bytes | None = None) -> Request:
    """A request with `json` (a pydantic model or plain values, written as RFC 8785 canonical JSON) or raw `content`.

    Raises: DeclarationError if it is not HTTP, if its path leaves the receiver's origin, or if both bodies are given.
    """
    if json is not None and content is not None:
        raise DeclarationError(f"{method} {path}: give json= or content=, not both")
    if json is None:
        return Request(method=method, path=path, body=content or b"")
    plain = json.model_dump(mode="json") if isinstance(json, BaseModel) else json
    return Request(method=method, path=path, body=rfc8785.dumps(plain), content_type="application/json")


def POST(path: str, *, json: Any = None, content: bytes | None = None) -> Request:  # noqa: N802 - named as the verb
    """A POST request; see `request`."""
    return request("POST", path, json=json, content=content)


def PUT(path: str, *, json: Any = None, content: bytes | None = None) -> Request:  # noqa: N802 - named as the verb
    """A PUT request; see `request`."""
    return request("PUT", path, json=json, content=content)


def PATCH(path: str, *, json: Any = None, content: bytes | None = None) -> Request:  # noqa: N802 - named as the verb
    """A PATCH request; see `request`."""
    return request("PATCH", path, json=json, content=content)


def DELETE(path: str) -> Request:  # noqa: N802 - named as the verb
    """A DELETE request; see `request`."""
    return request("DELETE", path)
