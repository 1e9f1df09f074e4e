"""Opening: what a service has while it is open, and how it comes by that and gives it back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from answerable.agents.nodes import Receiver
from answerable.approvals.accepting.accepting import declare
from answerable.approvals.accepting.standing import said_of
from answerable.approvals.sealing.keys import open_key
from answerable.errors import DeclarationError, StoreError
from answerable.orchestrator.blueprint import Blueprint
from answerable.orchestrator.office import Office
from answerable.orchestrator.places import rules_declared
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.running.worker import Worker
from answerable.orchestrator.workers import host_of_this_process, worker_name
from answerable.tracing import people
from answerable.tracing.clock import Clock
from answerable.tracing.export.flow import Flow
from answerable.tracing.failpoints import failpoint
from answerable.tracing.storage.store import Tx, open_store

if TYPE_CHECKING:
    from answerable.orchestrator.runtime import Runtime
    from answerable.tracing.export.meters import Meters

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """The parts of an open service. `flowing` follows the ledger until the service is closed."""

    office: Office
    runtime: Runtime
    flow: Flow
    flowing: asyncio.Task[None]
    meters: Meters | None

    async def close(self) -> None:
        """Hand over what is left, and close each part, though another fails."""
        async with AsyncExitStack() as closing:  # the last one first
            closing.callback(self.office.store.close)
            if self.meters is not None:
                closing.push_async_callback(self.meters.aclose)
            closing.push_async_callback(self.runtime.close)
            closing.push_async_callback(self._hand_over)

    async def _hand_over(self) -> None:
        self.flow.close()
        with suppress(StoreError):  # of a store that is full or gone; another process hands over what it holds
            await self.flow.drain(30.0, patience_seconds=5.0)
        self.flowing.cancel()
        await asyncio.gather(self.flowing, return_exceptions=True)


async def open_app(
    app: Blueprint[Any, Any],
    url: str,
    *,
    origins: Mapping[str, str],
    deps: Callable[[], Any] | None,
    clock: Clock | None,
    progress: Callable[[Progress], None],
) -> Opened:
    """Open the store at `url` with its key, and register the app's system there. Raises: StoreError."""
    # What these load (LangGraph, OpenTelemetry's SDK) is for a service that is open: docs/decisions/0040-start.md
    from answerable.orchestrator.runtime import Runtime
    from answerable.tracing.export.meters import open_meters

    store = open_store(url, clock=clock)
    try:
        graph, name = app.graph, worker_name()
        flow, key = Flow(store), await open_key(store)
        worker = Worker(
            graph=graph,
            store=store,
            key=key,
            name=name,
            host=host_of_this_process(),
            deps=deps() if deps else None,
            origins=origins,
            types=app.message_types,
            progress=progress,
            sampled=flow.settings.samples,
            committed=flow.nudge,
        )
        version, now, declared = app.version, store.clock.now(), rules_declared(graph)

        def register(tx: Tx) -> list[str]:
            people.register_system(tx, graph.system, responsible=graph.responsible, version=version, at=now)
            waiting = declare(tx, key, graph.system, declared, version=version, at=now)
            failpoint("connect:before-commit")
            return [said_of(tx, one, declared[one.approval]) for one in waiting]

        for said in await store.write(register, durable=True):
            _log.warning("%s", said)
        failpoint("connect:after-commit")
        meters = await open_meters(store, flow.settings)
    except BaseException:
        store.close()
        raise
    return Opened(
        office=Office(store, key, committed=flow.nudge),
        runtime=Runtime(worker, app.version),
        flow=flow,
        flowing=asyncio.create_task(flow.run()),
        meters=meters,
    )


def checked_origins(origins: Mapping[Receiver, str]) -> dict[str, str]:
    """Origins by the name of their receiver. Raises: DeclarationError."""
    from answerable.orchestrator.running.http import check_origin

    if not isinstance(origins, Mapping) or not all(
        isinstance(receiver, Receiver) and isinstance(origin, str) for receiver, origin in origins.items()
    ):
        raise DeclarationError(
            "origins= says where each receiver is, by its Receiver", hint="connect(…, origins={carrier: 'https://…'})"
        )
    return {receiver.name: check_origin(receiver.name, origin) for receiver, origin in origins.items()}
