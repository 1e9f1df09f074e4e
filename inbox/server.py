"""The inbox as a server: the application on a socket, with the services at its side at work.

1. It answers on one address. What is not loopback has to be told by which name people reach it.
2. The services work on their own loops, so a decision goes on by itself; stopping the server stops them.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI

from answerable.errors import InvalidInput
from answerable.inbox.addresses import is_loopback
from answerable.inbox.app import inbox
from answerable.inbox.desk import Desk
from answerable.inbox.feed import Feed
from answerable.inbox.notices.targets import Target
from answerable.inbox.oidc.asking import Settings
from answerable.inbox.oidc.vouching import Provider
from answerable.inbox.sessions import make_link
from answerable.orchestrator.office import open_office
from answerable.orchestrator.service import Service
from answerable.tracing.storage.store import Store

_log = logging.getLogger(__name__)

BACKLOG: Final = 128
STOP_SECONDS: Final = 3


class Working:
    """A service at work on its own loop, until it is told to stop."""

    def __init__(self, service: Service[Any, Any]) -> None:
        self._service = service
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work."""
        self._service.portal.call(self._start)

    def stop(self) -> None:
        """Stop where a crash would, and wait for that."""
        self._service.portal.call(self._stop)

    async def _start(self) -> None:
        self._task = asyncio.create_task(self._service.aserve())
        self._task.add_done_callback(_ended)

    async def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens on an address; on any free port for 0. Raises: InvalidInput."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        made.close()
        raise InvalidInput(f"{host}:{port} cannot be served: {error}", hint="choose another --port") from error
    return made


def addresses(host: str, port: int, origins: Sequence[str]) -> tuple[str, ...]:
    """By which addresses a server on this host and port is reached, its own first. Raises: InvalidInput."""
    named = tuple(_checked(origin) for origin in origins)
    if not is_loopback(host):
        if not named:
            raise InvalidInput(
                f"{host} is not only for this machine: by which address do people reach it?",
                hint="name it with --origin https://inbox.example; put TLS in front of it",
            )
        return named
    shown = f"[{host}]" if ":" in host else host
    return tuple(dict.fromkeys((*named, f"http://{shown}:{port}", f"http://localhost:{port}")))


async def serve_inbox(
    store: str,
    services: Mapping[str, Service[Any, Any]],
    *,
    on: socket.socket,
    origins: tuple[str, ...],
    jaeger: str,
    targets: Sequence[Target] = (),
    budget: int = 0,
    statistics_per_person: bool = False,
    person: str,
    provider: Settings | None,
    ready: Callable[[str, str], None],
) -> None:
    """Serve until told to stop.

    `targets` are told of what waits, `budget` is that of a person and day. `ready` is told the address, and the
    one-time link for `person` ("" for nobody). Raises: StoreError, UnknownId.
    `provider` is how we are known to the OpenID provider, if there is one.
    """
    _check_receivers(services, origins)
    async with open_office(store) as office:
        for each in (office, *(service.office for service in services.values())):
            each.budget = budget
        vouching = Provider(provider) if provider is not None else None
        desk = Desk(
            office=office,
            services=services,
            origins=origins,
            jaeger=jaeger,
            statistics_per_person=statistics_per_person,
            provider=vouching,
        )
        link = ""
        if person:
            secret = await office.act(lambda tx, now: make_link(tx, office.key, person, at=now))
            link = f"{origins[0]}/enter/{secret}"
        app = inbox(desk)
        async with _at_work(services), _telling(office.store, targets, origins[0]):
            settings = uvicorn.Config(
                app,
                http="h11",  # it has limits of its own, and reads no request in two ways
                log_config=None,
                access_log=False,  # an address may hold a link's secret
                server_header=False,
                proxy_headers=False,  # nobody may say that they come from elsewhere
                timeout_graceful_shutdown=STOP_SECONDS,
            )
            ready(origins[0], link)
            await _Server(settings, app).serve(sockets=[on])


class _Server(uvicorn.Server):
    """One that ends its streams when it is told to stop; it would wait for them."""

    def __init__(self, settings: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(settings)
        self._feed: Feed = app.state.feed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        await self._feed.close()
        await super().shutdown(sockets)


@asynccontextmanager
async def _telling(store: Store, targets: Sequence[Target], origin: str) -> AsyncIterator[None]:
    """Make and deliver notices meanwhile."""
    if not targets:
        yield
        return
    from answerable.inbox.notices.notifying import Notifying  # apprise takes long to import

    notifying = asyncio.create_task(Notifying(store, targets, origin=origin).run())
    notifying.add_done_callback(_ended)
    try:
        yield
    finally:
        notifying.cancel()
        await asyncio.gather(notifying, return_exceptions=True)


@asynccontextmanager
async def _at_work(services: Mapping[str, Service[Any, Any]]) -> AsyncIterator[None]:
    working = [Working(service) for service in services.values()]
    for each in working:
        await asyncio.to_thread(each.start)
    try:
        yield
    finally:
        for each in working:
            await asyncio.to_thread(each.stop)


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("a task of the server ended", exc_info=task.exception())


def _check_receivers(services: Mapping[str, Service[Any, Any]], origins: Sequence[str]) -> None:
    """What agents cause is not sent to where people decide. Raises: InvalidInput."""
    ours = {urlsplit(origin).netloc for origin in origins}
    for system, service in services.items():
        for receiver, origin in service.origins.items():
            if urlsplit(origin).netloc.lower() in ours:
                raise InvalidInput(
                    f"{receiver} of {system} is at this server's own address: {origin}",
                    hint="what agents cause does not go to where people decide; name another origin",
                )


def _checked(origin: str) -> str:
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/") or parts.query:
        raise InvalidInput(f"{origin!r} is no address of a server", hint="for example https://inbox.example")
    return f"{parts.scheme}://{parts.netloc}".lower()
