"""What the inbox works with: an office, and the services of those systems whose program is at hand.

1. Deciding, freezing and looking need the office alone. Editing, responding and freezing a part need the program.
2. A service may live on a loop of its own (opened in `with`) or on this one (opened in `async with`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

from answerable.errors import VersionGone
from answerable.inbox.oidc.vouching import Provider
from answerable.orchestrator.office import Office
from answerable.orchestrator.service import Service

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, kw_only=True)
class Desk:
    """`services` by the name of their system; `origins` are the addresses by which people reach it, the first its own.

    `jaeger` is the address of Jaeger's page, or "". `provider` is whom people may sign in with.
    """

    office: Office
    services: Mapping[str, Service[Any, Any]] = field(default_factory=dict)
    origins: tuple[str, ...]
    jaeger: str = ""
    statistics_per_person: bool = False
    provider: Provider | None = None

    @property
    def now(self) -> int:
        """Microseconds since the Unix epoch."""
        return self.office.store.clock.now()

    def service(self, system: str) -> Service[Any, Any]:
        """The service of a system. Raises: VersionGone if its program is not at hand here."""
        found = self.services.get(system)
        if found is None:
            raise VersionGone(
                f"the program of {system!r} is not at hand here",
                hint="start this server with it: `answerable serve --service module:name`",
            )
        return found


async def doing(
    verb: Callable[Concatenate[Service[Any, Any], P], Coroutine[Any, Any, T]],
    service: Service[Any, Any],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Await an async verb of a service, on the loop that the service lives on."""
    if service.portal.running:
        return await asyncio.to_thread(service.portal.call, verb, service, *args, **kwargs)
    return await verb(service, *args, **kwargs)
