"""Cases for the API, made by schemathesis from the document that the API gives of itself.

1. A case is sent by everybody: by somebody who shows nothing, a token that was revoked, or the cookie of a session; by
   a person without the role, a lead, the Responsible Individual. So what was made once is sent several times, and each
   counts.
2. A case that is valid is aimed at what is there: its ids and its digest are those of an open request, or of a freeze.
3. The clock moves on with each case, so that no rate limit hides what is behind it (those have tests of their own).
4. The application is called as a server calls it, without a socket: that is cheap enough for very many cases.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import hypothesis
import requests
import schemathesis
import urllib3
import uvicorn
from hypothesis import HealthCheck, Phase
from requests.adapters import BaseAdapter
from schemathesis import Case, GenerationMode, Response
from schemathesis.specs.openapi import checks as conformance
from urllib3 import HTTPHeaderDict

from answerable.agents.options import DAY
from answerable.inbox.app import inbox
from answerable.inbox.desk import Desk
from answerable.inbox.server import addresses, listening
from answerable.orchestrator.app import App
from answerable.orchestrator.reports import OpenRequest
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.store import metadata
from tests.inbox.site import ORIGIN, Site, standing
from tests.orchestrator.letters import kinder, letters

SIGNED_SECONDS = 60.0
SLOWLY = 6  # seconds from one case to the next: more than any limit asks for
LETTERS: App[Any, Any] = letters(options=kinder, denied=True, within=3650 * DAY)
_OF_THE_FLOW = {  # tables that say how far the ledger was integrated and handed over, not what happened
    "meta",
    "cursors",
    "records",
    "tree_nodes",
    "heads",
    "anchors",
    "named_ids",
    "subjects",
    "waiting_spans",
    "rejected_spans",
    "deliveries",
    "tallies",
}
NOBODY = ("nobody", "revoked", "session")
PERSONS = ("olaf", "dora", "alice")
CHECKS = [
    schemathesis.checks.not_a_server_error,
    conformance.status_code_conformance,
    conformance.content_type_conformance,
    conformance.response_headers_conformance,
    conformance.response_schema_conformance,
]
AUTHENTICATED = [*CHECKS, conformance.negative_data_rejection]


class WithoutSocket(BaseAdapter):
    """Calls an ASGI application for `requests`, on a loop of its own; who asks hangs up after the answer."""

    def __init__(self, app: Any, loop: asyncio.Runner) -> None:
        super().__init__()
        self._app, self._loop = app, loop

    def close(self) -> None:
        """Nothing is open."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = urlsplit(str(request.url))
        given_body: Any = request.body
        body = given_body.encode() if isinstance(given_body, str) else given_body or b""
        given = [(name.lower().encode("latin-1"), _latin(value)) for name, value in request.headers.items()]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": url.scheme,
            "path": unquote(url.path),
            "raw_path": url.path.encode(),
            "query_string": url.query.encode(),
            "root_path": "",
            "headers": [(b"host", url.netloc.encode()), *given],
            "client": ("127.0.0.1", 50_000),
            "server": (url.hostname, url.port),
            "state": {},
        }
        start, answer = self._loop.get_loop().run_until_complete(_called(self._app, scope, body))
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
        raw = urllib3.HTTPResponse(
            io.BytesIO(answer),
            headers=HTTPHeaderDict(headers),
            status=start["status"],
            preload_content=False,
            version=11,
        )
        made = requests.Response()
        made.status_code, made.url, made.request, made.raw = start["status"], str(request.url), request, raw
        made.headers = requests.structures.CaseInsensitiveDict(headers)
        return made


async def _called(app: Any, scope: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    coming = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return coming.pop() if coming else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0], b"".join(message.get("body", b"") for message in sent[1:])


def _latin(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1")


@dataclass
class Cases:
    """The cases that were sent to a site, and whatever they need there."""

    site: Site
    schema: Any
    session: requests.Session
    credentials: Mapping[str, Mapping[str, str]]
    sent: int = 0
    answered: dict[int, int] = field(default_factory=dict)
    open_request: OpenRequest | None = None
    freeze: str = "frz_none"

    def operations(self) -> list[Any]:
        """All operations of the API."""
        return [found.ok() for found in self.schema.get_all_operations()]

    def send(self, case: Case[Any], who: str, checks: list[Any]) -> Response:
        """Send a case for somebody, and check the answer."""
        self.site.clock.advance(SLOWLY)
        answer = case.call(session=self.session, base_url=ORIGIN, headers=dict(self.credentials[who]))
        self.sent += 1
        self.answered[answer.status_code] = self.answered.get(answer.status_code, 0) + 1
        case.validate_response(answer, checks=checks)
        return answer

    def aim(self, case: Case[Any]) -> None:
        """Make a case that is valid about something that is there."""
        if self.open_request is None or self.site.service.request(self.open_request.id).state != "open":
            self.open_request = self.site.asked()
        there = {"request": self.open_request.id, "run": self.open_request.run, "freeze": self.freeze}
        for name in set(case.path_parameters or {}) & there.keys():
            case.path_parameters[name] = there[name]
        if isinstance(case.body, dict):
            if "digest" in case.body:
                case.body["digest"] = self.open_request.digest
            if case.body.get("answer") == "approve" and self.sent % 2:
                case.body["option"] = "kinder"
            if "target" in case.body or "system" in case.body:
                case.body["system"] = "letters"
                case.body["target"] = "effect:post" if self.sent % 2 else "edge:nothing"

    def standing(self) -> dict[str, list[Any]]:
        """Every row that says what happened, and how many records there are that no look at something makes."""

        def look(tx: Tx) -> dict[str, list[Any]]:
            return {
                name: tx.all(Statement(table.select()))
                for name, table in metadata.tables.items()
                if name not in _OF_THE_FLOW
            }

        found: dict[str, list[Any]] = self.site.service.portal.call(self.site.service.store.read, look)
        return found


@contextmanager
def on_a_socket(known: Cases) -> Iterator[str]:
    """The same as a server: its address. There is always something to decide."""
    service, clock = known.site.service, known.site.clock
    with listening("127.0.0.1", 0) as on:
        own = addresses("127.0.0.1", on.getsockname()[1], ())
        app = inbox(Desk(office=service.office, services={"letters": service}, origins=own))

        async def moving(scope: Any, receive: Any, send: Any) -> None:
            clock.advance(SLOWLY)
            if not service.requests():
                known.site.asked()
            for freeze in service.portal.call(service.office.freezes, "letters"):
                await service.office.thaw(freeze.id, by="alice", reason="on with it")
            await app(scope, receive, send)

        server = uvicorn.Server(uvicorn.Config(moving, log_config=None, access_log=False, lifespan="off"))
        with ThreadPoolExecutor(1) as thread:
            serving = thread.submit(asyncio.run, server.serve(sockets=[on]))
            try:
                yield own[0]
            finally:
                server.should_exit = True
                serving.result()


@contextmanager
def cases(url: str) -> Iterator[Cases]:
    """A site with people of every kind, and the session that reaches it."""
    with standing(url, app=LETTERS) as site, asyncio.Runner() as loop, requests.Session() as session:
        site.service.people.add("olaf")
        ended = site.token("emil", seconds=DAY)
        (token,) = site.service.portal.call(site.service.office.people.tokens)
        site.service.portal.call(site.service.office.people.revoke_token, token.id)
        shown = {name: site.token(name, seconds=3650 * DAY) for name in PERSONS} | {"revoked": ended}
        credentials = {name: {"Authorization": f"Bearer {secret}"} for name, secret in shown.items()}
        browser = {"Cookie": site.browser("dora").cookie, "Origin": ORIGIN}
        app = inbox(Desk(office=site.service.office, services={"letters": site.service}, origins=(ORIGIN,)))
        session.trust_env = False
        session.mount(ORIGIN, WithoutSocket(app, loop))
        schema = schemathesis.openapi.from_dict(json.loads(json.dumps(app.openapi())))
        known = Cases(site, schema, session, {**credentials, "nobody": {"Origin": ORIGIN}, "session": browser})
        # The key to sign with is made: from here on, the server of itself changes the ledger's own tables only.
        assert site.service.portal.call(site.service.flow.drain, SIGNED_SECONDS)
        assert known.standing()["signing_keys"]
        yield known


def made(operation: Any, mode: GenerationMode, count: int, seed: int) -> list[Case[Any]]:
    """So many cases of an operation, or all there are if they are fewer."""
    found: list[Case[Any]] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def collect(case: Case[Any]) -> None:
        found.append(case)

    try:
        collect()
    except hypothesis.errors.Unsatisfiable:  # an operation that takes nothing cannot be given anything wrong
        assert mode is GenerationMode.NEGATIVE
    return found
