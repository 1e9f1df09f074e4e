"""Errors over HTTP: `application/problem+json` (RFC 9457) with our stable codes.

| code | status |
|---|---|
| `invalid-input`, `invalid-message`, `invalid-rule` | 422 |
| `unknown-id` | 404 |
| `not-authenticated` | 401 |
| `access-refused`, `not-eligible` | 403 |
| `too-many-requests` | 429 |
| `already-decided`, `not-open`, `not-as-shown`, and what a run cannot do here | 409 |
| `store-unavailable`, `store-full`, `provider-unavailable` | 503 |
| anything else of ours | 500 |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi.responses import JSONResponse
from pydantic import BaseModel

from answerable.agents.texts import plain
from answerable.errors import (
    AccessRefused,
    AnswerableError,
    DecisionRefused,
    InvalidInput,
    NotAuthenticated,
    NotEligible,
    ProviderUnavailable,
    RunError,
    StoreFull,
    StoreUnavailable,
    TooManyRequests,
    UnknownId,
)

MEDIA_TYPE: Final = "application/problem+json"

_STATUS: Final[Mapping[type[AnswerableError], int]] = {
    UnknownId: 404,
    InvalidInput: 422,
    NotAuthenticated: 401,
    TooManyRequests: 429,
    ProviderUnavailable: 503,
    AccessRefused: 403,
    NotEligible: 403,
    DecisionRefused: 409,
    RunError: 409,
    StoreUnavailable: 503,
    StoreFull: 503,
}


_SCHEMA: Final = {"$ref": "#/components/schemas/Problem"}


class Problem(BaseModel):
    """What went wrong: `code` is stable, `detail` says what and where, `hint` what to do."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str = ""


def status_of(error: AnswerableError) -> int:
    """The HTTP status of an error: that of the nearest class that has one."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)


def document_of(error: AnswerableError, *, status: int = 0) -> Problem:
    """An error as it is said; with another `status`, where HTTP has a better one."""
    return Problem(
        type=f"urn:answerable:error:{error.code}",
        title=_title(error),
        status=status or status_of(error),
        code=error.code,
        detail=plain(error.message),
        hint=plain(error.hint),
    )


def problem(error: AnswerableError, *, status: int = 0, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error as a response; with another `status`, where HTTP has a better one."""
    document = document_of(error, status=status)
    said = document.status
    more = dict(headers or {})
    if said == 401:
        more["WWW-Authenticate"] = 'Bearer realm="answerable"'
    if said == 429:
        more["Retry-After"] = "10"
    return JSONResponse(document.model_dump(), status_code=said, headers=more, media_type=MEDIA_TYPE)


def documented(
    *statuses: int, links: Mapping[str, Any] | None = None, on: int = 200
) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: that these statuses are answered with a problem, and where the answer `on` success leads."""
    problems: dict[int | str, dict[str, Any]] = {
        status: {"description": "A problem, with a stable code.", "content": {MEDIA_TYPE: {"schema": _SCHEMA}}}
        for status in sorted({*statuses, 400, 401, 403, 404, 408, 413, 421, 422, 429, 500, 503})
    }
    return {**({on: {"links": dict(links)}} if links else {}), **problems}


def _title(error: AnswerableError) -> str:
    said = (type(error).__doc__ or error.code).strip()
    return said.splitlines()[0]
