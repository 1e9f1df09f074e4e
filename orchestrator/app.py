"""Apps: systems that were built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from answerable.agents.nodes import Receiver
from answerable.orchestrator.blueprint import Blueprint, In, Out
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.service import Service
from answerable.tracing.clock import Clock


class App(Blueprint[In, Out]):
    """A system that was built for an input and an output type: every check passed. It needs no database."""

    def connect(
        self,
        url: str,
        *,
        origins: Mapping[Receiver, str] | None = None,
        deps: Callable[[], Any] | None = None,
        clock: Clock | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Service[In, Out]:
        """A service of this app on the store at `url`, for use in `with` or `async with`.

        `origins` says where each receiver is (scheme, host, port, path prefix); `deps` makes what agents get as
        `Step.deps`; `progress` is told what happens, as it happens.
        """
        return Service(self, url, origins=origins or {}, deps=deps, clock=clock, progress=progress)
