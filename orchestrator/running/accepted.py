"""By which rules an approval asks: those in force in the store, whatever the version that runs here declares.

1. They are read once, and again when somebody accepted others, or a standing rule changed: the guard of the
   transaction that asks tells. What was computed by rules that changed meanwhile is not written.
2. Where they are what is declared, the approval is the declared one, and its place, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from answerable.approvals.accepting.declared import rules_of, to_ask, under
from answerable.approvals.accepting.standing import place_in_force, standings
from answerable.approvals.node import Approval
from answerable.approvals.rules.contexts import Place
from answerable.approvals.rules.rows import generation
from answerable.approvals.sealing.keys import Key
from answerable.orchestrator.graph import Graph
from answerable.orchestrator.places import place_of
from answerable.tracing.storage.store import Store, Tx


@dataclass(frozen=True, kw_only=True)
class Asking:
    """An approval as it asks now, where standing rules decide in it, and of which generation that is."""

    approval: Approval[Any]
    place: Place
    generation: int


@dataclass
class AskingBook:
    """The approvals of a service as they ask, as that was read last."""

    _known: dict[str, Asking] = field(default_factory=dict)

    async def get(self, graph: Graph, store: Store, key: Key, approval: str) -> Asking:
        """How an approval asks now, or did a moment ago. Raises: StoreError."""
        known = self._known.get(approval)
        if known is None:
            known = self._known[approval] = await store.read(lambda tx: _learn(tx, key, graph, approval))
        return known

    def forget(self, approval: str) -> None:
        """Have it read anew."""
        self._known.pop(approval, None)


def _learn(tx: Tx, key: Key, graph: Graph, name: str) -> Asking:
    place = place_of(graph, name)
    declared: Approval[Any] = graph.nodes[name]  # type: ignore[assignment]  # place_of says that it is one
    now, found = generation(tx, graph.system), standings(tx, key)
    standing = found.get((graph.system, name))
    own = rules_of(declared, releases=place.effects)
    rules = to_ask(standing.in_force.rules if standing and standing.in_force else None, own)
    if rules == own:
        return Asking(approval=declared, place=place, generation=now)
    return Asking(approval=under(declared, rules), place=place_in_force(found, place), generation=now)
