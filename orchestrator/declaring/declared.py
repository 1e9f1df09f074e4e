"""What a system has declared so far, before anything is checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from answerable.agents.messages import Message
from answerable.agents.nodes import Node, Source, Target
from answerable.approvals.node import Approval
from answerable.orchestrator.graph import Condition, Demands


@dataclass(frozen=True, kw_only=True)
class DeclaredEdge:
    """One call of `System.edge`, or one half of it where a `gate=` was put in between."""

    source: Source[Any]
    target: Target[Any]
    purpose: str
    carries: tuple[type[Message], ...] | None = None
    to: str | None = None
    when: Condition | None = None
    each: str | None = None
    gather: bool = False

    def __str__(self) -> str:
        return f"edge {self.source!r} → {self.target!r}"


@dataclass(frozen=True, kw_only=True)
class DeclaredLoop:
    """One call of `System.loop`."""

    nodes: tuple[str, ...]
    at_most: int
    then: Target[Any]

    @property
    def name(self) -> str:
        """The names of its nodes in order, so that it is the same however it was declared."""
        return "+".join(sorted(self.nodes))


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """Everything that `System.build` puts together. `gates` has the approval of each effect that names one."""

    system: str
    responsible: str
    tiers: tuple[str, ...]
    segment_after: float | None
    demands: Demands | None
    demands_of: type[Message] | None
    nodes: Mapping[str, Node[Any, Any]]
    gates: Mapping[str, Approval[Any]]
    edges: tuple[DeclaredEdge, ...]
    loops: tuple[DeclaredLoop, ...]
    input_type: type[Message]
    output_type: type[Message]
