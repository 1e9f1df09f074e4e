"""The inbox as an ASGI application: the API, behind its guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from answerable.errors import AnswerableError, InvalidInput, UnknownId
from answerable.inbox.api import events, freezes, me, requests, runs
from answerable.inbox.desk import Desk
from answerable.inbox.feed import Feed
from answerable.inbox.guarding import Guarded
from answerable.inbox.limits import Limits
from answerable.inbox.problems import problem

PREFIX: Final = "/api/v1"
_MOST_MISTAKES: Final = 10


def inbox(desk: Desk) -> FastAPI:
    """The application of a desk. It answers under the desk's own addresses only."""
    feed = Feed(desk.office.store)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await feed.close()

    app = FastAPI(
        title="Answerable",
        version=version("answerable"),
        summary="What people are asked, and what they answered.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # its pages would need scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.desk, app.state.limits, app.state.feed, app.state.streams = desk, Limits(), feed, {}
    app.add_middleware(Guarded, origins=desk.origins)
    for kind, handle in ((AnswerableError, _refused), (RequestValidationError, _invalid), (HTTPException, _http)):
        app.add_exception_handler(kind, handle)
    api = APIRouter(prefix=PREFIX)
    for each in (me, requests, runs, freezes, events):
        api.include_router(each.router)
    app.include_router(api)
    return app


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, AnswerableError)
    return problem(error)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()[:_MOST_MISTAKES]]
    return problem(InvalidInput("; ".join(said), hint=f"{PREFIX}/openapi.json says what is taken"))


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = UnknownId if error.status_code == 404 else InvalidInput
    return problem(kind(str(error.detail)), status=error.status_code, headers=error.headers)
