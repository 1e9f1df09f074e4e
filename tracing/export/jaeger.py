"""Jaeger's query API: the spans of a trace, as it holds them.

1. The answer of `/api/v3/traces/{id}` is asked for; where a server does not know it, that of `/api/traces/{id}`, which
   is older. Both are asked for what was stored, without what Jaeger adjusts for its page (clocks, links, libraries).
   (`raw_traces` until v2.14, `rawTraces` from then on.)
2. No redirect is followed and no proxy of the environment is used: what answers is what was named.
3. An answer that Jaeger does not give is an error, not an empty trace: many servers answer every path with a page.

Source: the two forms of not-found are http_gateway.go and http_handler.go of Jaeger v2.13.
"""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx

from answerable.errors import InvalidInput, JaegerUnavailable
from answerable.tracing.export.held import HeldSpan, read_older, read_otlp

_TIMES: Final = httpx.Timeout(60.0, connect=5.0)  # seconds; a trace of 100,000 spans takes Jaeger several
_HINT: Final = "name the address of its page and query API, for example http://127.0.0.1:16686"


class Jaeger:
    """A connection to the query API of the Jaeger at `url`; use it in `async with`. Raises: InvalidInput."""

    def __init__(self, url: str, *, older: bool = False) -> None:
        try:
            parts = urlsplit(url)
            fits = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
        except ValueError as error:  # of a bracket or a port
            raise InvalidInput("this is no address of a Jaeger", hint=_HINT) from error
        if not fits or parts.query or parts.fragment:
            said = url.rpartition("@")[2]  # without a password
            raise InvalidInput(f"{said!r} is no address of a Jaeger", hint=_HINT)
        self._base = url.rstrip("/")
        self._shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        self._older = older
        self._client = httpx.AsyncClient(timeout=_TIMES, follow_redirects=False, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def spans_of(self, trace: str) -> list[HeldSpan]:
        """The spans that Jaeger holds of a trace (32 hexadecimal digits), none if it does not know it.

        Raises: JaegerUnavailable.
        """
        if not self._older:
            status, answers = await self._get(f"/api/v3/traces/{trace}", raw_traces="true", rawTraces="true")
            if status == httpx.codes.OK and answers and all("result" in one for one in answers):
                return [span for one in answers for span in self._read(read_otlp, one, trace)]
            if _said(answers, "error", "httpCode") == httpx.codes.NOT_FOUND:
                return []
            if _said(answers, "error", "httpCode") is not None:
                raise self._failed(status, answers[0]["error"].get("message", ""))
            self._older = True
        status, answers = await self._get(f"/api/traces/{trace}", raw="true")
        errors = answers[0].get("errors") if len(answers) == 1 else None
        if isinstance(errors, list) and errors and isinstance(errors[0], dict):
            if errors[0].get("code") == httpx.codes.NOT_FOUND:
                return []
            raise self._failed(status, errors[0].get("msg", ""))
        if status != httpx.codes.OK or len(answers) != 1 or not isinstance(answers[0].get("data"), list):
            raise JaegerUnavailable(f"what answers at {self._shown} is no Jaeger (HTTP {status})", hint=_HINT)
        return self._read(read_older, answers[0], trace)

    def _read(self, read: Any, answer: Any, trace: str) -> list[HeldSpan]:
        try:
            spans: list[HeldSpan] = read(answer, trace)
        except ValueError as error:
            raise JaegerUnavailable(f"what answers at {self._shown} is no Jaeger: {error}", hint=_HINT) from error
        return spans

    async def _get(self, path: str, **query: str) -> tuple[int, list[dict[str, Any]]]:
        """The status, and the JSON objects of the answer: more than one where it is streamed, none if it is no JSON."""
        try:
            answer = await self._client.get(f"{self._base}{path}", params=query)
        except httpx.HTTPError as error:
            raise JaegerUnavailable(
                f"the Jaeger at {self._shown} cannot be reached: {str(error) or type(error).__name__}", hint=_HINT
            ) from error
        return answer.status_code, _objects(answer.text)

    def _failed(self, status: int, message: object) -> JaegerUnavailable:
        return JaegerUnavailable(f"the Jaeger at {self._shown} answered {status}: {message}")


def _objects(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    decoder, place = json.JSONDecoder(), 0
    text = text.strip()
    try:
        while place < len(text):
            one, place = decoder.raw_decode(text, place)
            if not isinstance(one, dict):
                return []
            found.append(one)
            while place < len(text) and text[place].isspace():
                place += 1
    except (ValueError, RecursionError):  # brackets in brackets, as no Jaeger sends them
        return []
    return found


def _said(answers: list[dict[str, Any]], *keys: str) -> Any:
    """What lies at these keys of the first answer, None if nothing does."""
    value: Any = answers[0] if answers else None
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
