"""The proof that no effect happens without an approval.

1. What enters an effect comes from the ordinary output of an approval, directly: only the framework stands in between,
   which may take an approved message apart (`each=`) or hold it back (`when=`), and rewrites nothing.
2. Where an edge breaks this, the whole path from START is shown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from answerable.agents.nodes import Effect, Node
from answerable.approvals.node import Approval
from answerable.errors import Problem
from answerable.orchestrator.graph import START_NAME, Edge


def uncovered_effects(edges: Sequence[Edge], nodes: Mapping[str, Node[Any, Any]]) -> Iterator[Problem]:
    """A problem for each edge that brings an effect something that nobody approved."""
    for edge in edges:
        if not isinstance(nodes.get(edge.target), Effect):
            continue
        if isinstance(nodes.get(edge.source), Approval) and not edge.port:
            continue
        path = " → ".join((*_path_to(edge, edges), edge.target))
        yield Problem(
            code="effect-uncovered",
            where=path,
            what=f"the effect {edge.target!r} would be given what {_origin(edge)} wrote, and nobody approved it",
            do=f"put an approval directly before {edge.target}, or give it gate=, an approval",
        )


def _origin(edge: Edge) -> str:
    return f"{edge.source}.{edge.port}" if edge.port else edge.source


def _path_to(last: Edge, edges: Sequence[Edge]) -> tuple[str, ...]:
    """The shortest way from START to the source of `last`, as names of outputs; only its end where there is none."""
    waiting: deque[tuple[str, tuple[str, ...]]] = deque([(START_NAME, ())])
    seen = {START_NAME}
    while waiting:
        node, path = waiting.popleft()
        if node == last.source:
            return (*path, _origin(last))
        for edge in edges:
            if edge.source == node and edge.target not in seen:
                seen.add(edge.target)
                waiting.append((edge.target, (*path, _origin(edge))))
    return (_origin(last),)
