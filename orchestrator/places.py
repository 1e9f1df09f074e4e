"""Places: where a standing rule may decide, as an app declares it.

What a rule sees follows from the declaration alone: the effects next to the approval, the tiers where it ranks, and
the model of its `context=`. So does whom its approval asks.
"""

from __future__ import annotations

from typing import Any

from answerable.agents.nodes import Effect
from answerable.agents.prioritization import Prioritization
from answerable.approvals.accepting.declared import RulesOfDeciding, rules_of
from answerable.approvals.node import AS_PROPOSED, Approval
from answerable.approvals.rules.contexts import Place, schema_of
from answerable.errors import UnknownId
from answerable.orchestrator.graph import Graph


def place_of(graph: Graph, approval: str) -> Place:
    """Where a rule of this approval decides. Raises: UnknownId if the graph has none of that name."""
    known = graph.places.get(approval)
    if known is None:
        known = graph.places[approval] = _place(graph, approval)
    return known


def _place(graph: Graph, approval: str) -> Place:
    node = graph.nodes.get(approval)
    if not isinstance(node, Approval):
        known = ", ".join(name for name, one in graph.nodes.items() if isinstance(one, Approval))
        raise UnknownId(f"{graph.system!r} has no approval {approval!r}", hint=f"it has {known or 'none'}")
    effects = released_by(graph, node)
    ranks = issubclass(node.of, Prioritization) and graph.demands is not None
    schema = schema_of(
        effects=effects, tiers=graph.tiers if ranks else (), seen=node.seen, value=node.value is not None
    )
    return Place(
        system=graph.system,
        approval=approval,
        schema=schema,
        effects=effects,
        asked=_asked(graph, node),
        options=() if node.options else (AS_PROPOSED,),
    )


def rules_declared(graph: Graph) -> dict[str, RulesOfDeciding]:
    """The rules of deciding that an app declares, by approval."""
    return {
        name: rules_of(node, releases=released_by(graph, node))
        for name, node in graph.nodes.items()
        if isinstance(node, Approval)
    }


def released_by(graph: Graph, approval: Approval[Any]) -> tuple[str, ...]:
    """The effects that an option of an approval may release."""
    targets = dict.fromkeys(edge.target for edge in graph.outgoing(approval.name))
    return tuple(name for name in targets if isinstance(graph.nodes.get(name), Effect))


def _asked(graph: Graph, approval: Approval[Any]) -> dict[str, Any]:
    before = [node for name, node in graph.nodes.items() if approval.name in graph.reaches(name)]
    return {
        "by": approval.strictest.as_json(),  # a rule may decide what is above every limit
        "owners": sorted({node.owner for node in before if node.owner}),
        "requires": approval.requires,
        "fresh_seconds": approval.fresh_seconds,
    }
