"""Blueprints: what a process needs to know of an app in order to work for it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Generic, TypeVar

from answerable.agents.messages import Message
from answerable.orchestrator.declaring.versions import version_of
from answerable.orchestrator.graph import Graph

In = TypeVar("In", bound=Message)
Out = TypeVar("Out", bound=Message)


class Blueprint(Generic[In, Out]):
    """A checked graph, its version, and the types of its messages."""

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
