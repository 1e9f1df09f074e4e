"""By which rules an approval asks: those in force in the store, whatever the version that runs here declares.

1. They are read once, and again when somebody accepted others, or a standing rule changed: the guard of the
   transaction that asks tells. What was computed by rules that changed meanwhile is not written.
2. Where they are what is declared, the approval is the declared one, and its place, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from answerable.approvals.accepting.declared import rules_of, to_ask, under
from answerable.approvals.accepting.standing import Standings, place_in_force, standings
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
    """The approvals of a service as they ask, as that was read last: of all of them at once."""

    _known: Mapping[str, Asking] = field(default_factory=dict)

    async def get(self, graph: Graph, store: Store, key: Key, approval: str) -> Asking:
        """How an approval asks now, or did a moment ago. Raises: StoreError."""
        known = self._known.get(approval)
        if known is None:
            read = self._known = await store.read(lambda tx: _learn(tx, key, graph))
            known = read[approval]
        return known

    def forget(self) -> None:
        """Have them read anew."""
        self._known = {}


def _learn(tx: Tx, key: Key, graph: Graph) -> dict[str, Asking]:
    now, found = generation(tx, graph.system), standings(tx, key)
    declared = [node for node in graph.nodes.values() if isinstance(node, Approval)]
    return {approval.name: _asking(approval, place_of(graph, approval.name), found, now) for approval in declared}


def _asking(declared: Approval[Any], place: Place, found: Standings, now: int) -> Asking:
    standing = found.get((place.system, declared.name))
    own = rules_of(declared, releases=place.effects)
    rules = to_ask(standing.in_force.rules if standing and standing.in_force else None, own)
    if rules == own:
        return Asking(approval=declared, place=place, generation=now)
    return Asking(approval=under(declared, rules), place=place_in_force(found, place), generation=now)
