"""Apps: systems that were built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar

from answerable.agents.messages import Message
from answerable.agents.nodes import Receiver
from answerable.orchestrator.graph import Graph
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.service import Service
from answerable.orchestrator.versions import version_of
from answerable.tracing.clock import Clock

In = TypeVar("In", bound=Message)
Out = TypeVar("Out", bound=Message)


class App(Generic[In, Out]):
    """A system that was built for an input and an output type: every check passed. It needs no database."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @cached_property
    def version(self) -> str:
        """The digest of its declaration (hex)."""
        return version_of(self.graph)

    @cached_property
    def message_types(self) -> Mapping[str, type[Message]]:
        """Every message type of the app, by name."""
        return {kind.__name__: kind for kind in self.graph.message_types()}

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
