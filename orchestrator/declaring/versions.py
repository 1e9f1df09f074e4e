"""The version of an app: a digest of what was declared, so that a run can stay on what began it.

It covers nodes, types, edges, loops, approvals, effects, tiers and segments. It does not cover the bodies of functions,
how often and how long they are tried, who owns an agent, or who is responsible.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from answerable.agents.hints import Input
from answerable.agents.nodes import Effect, Node
from answerable.agents.options import DAY
from answerable.approvals.node import Approval, BreakGlass
from answerable.approvals.rules.contexts import schema_of
from answerable.orchestrator.graph import Edge, Graph


def version_of(graph: Graph) -> str:
    """SHA-256 (hex) over `describe(graph)` as JSON with sorted keys.

    Not RFC 8785, which refuses the integers above 2**53 that a schema may hold.
    """
    plain = json.dumps(describe(graph), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(plain.encode()).hexdigest()


def describe(graph: Graph) -> dict[str, Any]:
    """The declaration of `graph` as plain JSON; the order of declarations does not matter, that of tiers does."""
    return {
        "system": graph.system,
        "input": graph.input_type.__name__,
        "output": graph.output_type.__name__,
        "tiers": list(graph.tiers),
        **({} if graph.segment_after is None else {"segment_after": graph.segment_after}),
        "nodes": {name: _node(node) for name, node in graph.nodes.items()},
        "messages": {
            kind.__name__: {"version": kind.version, "schema": kind.model_json_schema()}
            for kind in graph.message_types()
        },
        "edges": {edge.id: _edge(edge) for edge in graph.edges},
        "loops": {
            loop.name: {"header": loop.header, "at_most": loop.at_most, "then": loop.then} for loop in graph.loops
        },
    }


def _node(node: Node[Any, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "kind": type(node).__name__.lower(),
        "inputs": {entry.name: _input(entry) for entry in node.inputs},
        "outputs": sorted(kind.__name__ for kind in node.outputs),
    }
    if isinstance(node, Approval):
        plain |= {
            "by": str(node.by),
            "within": node.within,
            "exempt": None if node.exempt is None else [node.exempt.name, node.exempt.version],
            "options": None if node.options is None else node.options.__name__,
            "may_decide_own": node.may_decide_own,
            "requires": node.requires,
            "fresh": node.fresh_seconds,
            **({} if node.execute_within == DAY else {"execute_within": node.execute_within}),
            **({} if not node.escalate else {"escalate": [[after, str(to)] for after, to in node.escalate]}),
            **({} if node.break_glass is None else {"break_glass": _glass(node.break_glass)}),
            **({} if node.facts is None else {"facts": node.facts.__name__}),
            **({} if node.denials == 1 else {"denials": node.denials}),
            **({"value": node.value.__name__, "above": _above(node)} if node.value is not None else {}),
        }
        if node.seen is not None:
            plain["seen"] = schema_of(effects=(), tiers=(), seen=node.seen, value=False)
    if isinstance(node, Effect):
        plain |= {
            "receiver": None if node.receiver is None else node.receiver.name,
            "guarantee": node.guarantee,
            "gate": node.gate,
        }
    return plain


def _above(node: Approval[Any]) -> dict[str, str]:
    return {str(limit): str(whom) for limit, whom in node.above.items()}


def _glass(glass: BreakGlass) -> list[Any]:
    return [str(glass.by), glass.at_most, glass.per_day]


def _input(input: Input) -> dict[str, Any]:
    return {
        "types": sorted(kind.__name__ for kind in input.types),
        "gathers": None if input.gathers is None else input.gathers.__name__,
    }


def _edge(edge: Edge) -> dict[str, Any]:
    return {
        "carries": sorted(kind.__name__ for kind in edge.carries),
        "purpose": edge.purpose,
        "when": edge.condition,
        "each": edge.each,
        "item": None if edge.item is None else edge.item.__name__,
        "gather": edge.gather,
        "implicit": edge.implicit,
    }
