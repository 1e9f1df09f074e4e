"""The inbox as an ASGI application: the API and the pages, behind their guard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.routing import Match

from answerable.errors import AnswerableError, InvalidInput, NotAuthenticated, UnknownId
from answerable.inbox.api import (
    approvals,
    decisions,
    delegations,
    events,
    exemptions,
    freezes,
    interrupts,
    me,
    requests,
    reviews,
    rules,
    runs,
    statistics,
)
from answerable.inbox.describing import Described, operation_id
from answerable.inbox.desk import Desk
from answerable.inbox.feed import Feed
from answerable.inbox.guarding import Guarded
from answerable.inbox.limits import Limits
from answerable.inbox.pages import approvals as approvals_pages
from answerable.inbox.pages import delegations as delegations_pages
from answerable.inbox.pages import editing, entering, vouching, wrong
from answerable.inbox.pages import freezes as freezes_pages
from answerable.inbox.pages import requests as requests_pages
from answerable.inbox.pages import reviews as reviews_pages
from answerable.inbox.pages import rules as rules_pages
from answerable.inbox.pages import runs as runs_pages
from answerable.inbox.pages import statistics as statistics_pages
from answerable.inbox.pages.rendering import HERE, page
from answerable.inbox.problems import problem, status_of

PREFIX: Final = "/api/v1"
_MOST_MISTAKES: Final = 10
_HEADINGS: Final = {
    401: "You are not signed in",
    403: "Not allowed",
    404: "Not here",
    429: "Too often",
    500: "Something is wrong with the store",
    503: "The store cannot be reached",
}


def inbox(desk: Desk) -> FastAPI:
    """The application of a desk. It answers under the desk's own addresses only."""
    feed = Feed(desk.office.store)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await feed.close()

    app = Described(
        title="Answerable",
        version=version("answerable"),
        summary="What people are asked, and what they answered.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # its pages would need scripts from elsewhere
        redoc_url=None,
        generate_unique_id_function=operation_id,
        lifespan=lifespan,
    )
    app.state.desk, app.state.limits, app.state.feed, app.state.streams = desk, Limits(), feed, {}
    app.add_middleware(Guarded, origins=desk.origins)
    for kind, handle in (
        (AnswerableError, _refused),
        (RequestValidationError, _invalid),
        (HTTPException, _http),
        (Exception, _broken),
    ):
        app.add_exception_handler(kind, handle)
    api = APIRouter(prefix=PREFIX)
    for each in (
        me,
        requests,
        interrupts,
        decisions,
        approvals,
        exemptions,
        delegations,
        reviews,
        rules,
        runs,
        freezes,
        statistics,
        events,
    ):
        api.include_router(each.router)
    app.include_router(api)
    for pages in (
        entering,
        vouching,
        editing,
        requests_pages,
        approvals_pages,
        delegations_pages,
        reviews_pages,
        rules_pages,
        runs_pages,
        freezes_pages,
        statistics_pages,
    ):
        app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, AnswerableError)
    return _said(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if not _is_api(request):
        return _said(request, wrong.in_words(error))
    said = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()[:_MOST_MISTAKES]]
    more = len(error.errors()) - len(said)
    said += [f"and {more} more"] if more > 0 else []
    return _said(request, InvalidInput("; ".join(said), hint=f"{PREFIX}/openapi.json says what is taken"))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = UnknownId if error.status_code == 404 else InvalidInput
    headers = _allowed(request) if error.status_code == 405 else error.headers
    if not _is_api(request) and error.status_code in (404, 405):
        return _said(request, wrong.of_status(error.status_code), status=error.status_code, headers=headers)
    return _said(request, kind(str(error.detail)), status=error.status_code, headers=headers)


def _allowed(request: Request) -> dict[str, str]:
    """`Allow`: with which methods the address is answered, by any of its routes."""
    scopes = {method: {**request.scope, "method": method} for method in ("GET", "POST")}
    found = [
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
    ]
    return {"Allow": ", ".join(found)}


async def _broken(request: Request, _: Exception) -> Response:
    """A mistake of ours: its traceback is in the log, and nowhere else."""
    return _said(request, AnswerableError("something went wrong here, and nothing was changed"))


def _is_api(request: Request) -> bool:
    return request.url.path.startswith("/api/")  # of whatever version


def _said(
    request: Request, error: AnswerableError, *, status: int = 0, headers: Mapping[str, str] | None = None
) -> Response:
    """An error, as a page where a page was asked for; whoever is not signed in is asked to."""
    if _is_api(request):
        return problem(error, status=status, headers=headers)
    if isinstance(error, NotAuthenticated) and request.method == "GET" and not request.url.path.startswith("/enter/"):
        return RedirectResponse(f"/sign-in?{urlencode({'next': request.url.path})}", status_code=303)
    code = status or status_of(error)
    heading = _HEADINGS.get(code, "Not possible")
    without = request.url.path if code == 422 and request.url.query else ""
    shown = page(request, "problem.html", who=None, code=code, error=error, heading=heading, without=without)
    shown.headers.update(headers or {})
    return shown
