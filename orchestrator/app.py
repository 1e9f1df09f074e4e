"""Apps: systems that were built."""

from __future__ import annotations

from functools import cached_property
from typing import Generic, TypeVar

from answerable.agents.messages import Message
from answerable.orchestrator.graph import Graph
from answerable.orchestrator.versions import version_of

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
