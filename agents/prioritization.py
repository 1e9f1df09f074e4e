"""Prioritizations: messages that rank items which compete for a constrained resource.

1. What an item is, its tier and how much of it is asked for are known from the run's input (`System.tiers`), never from
   what an agent wrote.
2. What an agent leaves out of its prioritization is not served.
3. An inversion is an item of a lower tier that gets something while an item of a higher tier, which competes for the
   same resource, does not get all that it asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from answerable.agents.messages import Message


class Prioritization(Message):
    """A message that ranks items. `served` maps an item's key to the units it gets; a key that is missing gets none."""

    served: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What one item asks for: its `tier`, a `quantity` in units, and the `resource` that it competes for."""

    tier: str
    quantity: int = 1
    resource: str = ""


@dataclass(frozen=True, kw_only=True)
class TierTally:
    """What one tier asks for and gets, in units; `waiting` is the rest."""

    tier: str
    demand: int
    served: int

    @property
    def waiting(self) -> int:
        return self.demand - self.served


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What a prioritization means: one line per tier, most critical first, and how many items pass a waiting one."""

    tiers: tuple[TierTally, ...]
    inversions: int


def wrong_sums(plan: Prioritization, demands: Mapping[str, Demand]) -> list[str]:
    """What `plan` serves that cannot be, in words: less than nothing, more than is asked for, what nobody asks for."""
    wrong = []
    for key, units in plan.served.items():
        asked = demands[key].quantity if key in demands else None
        if asked is None:
            wrong.append(f"served.{key}: nobody asks for it")
        elif not 0 <= units <= asked:
            wrong.append(f"served.{key}: {units} cannot be served, {asked} are asked for")
    return wrong


def tally(plan: Prioritization, demands: Mapping[str, Demand], tiers: Sequence[str]) -> Tally:
    """Count what `plan` serves of `demands` (item key → demand), for `tiers` from most to least critical.

    A served quantity is counted up to what the item asks for. Items that the input does not know are not counted.
    """
    rank = {tier: place for place, tier in enumerate(tiers)}
    served = {key: max(0, min(plan.served.get(key, 0), demand.quantity)) for key, demand in demands.items()}
    lines = tuple(
        TierTally(
            tier=tier,
            demand=sum(demand.quantity for demand in demands.values() if demand.tier == tier),
            served=sum(served[key] for key, demand in demands.items() if demand.tier == tier),
        )
        for tier in tiers
    )
    waiting: dict[str, int] = {}  # resource → the most critical rank that waits for it
    for key, demand in demands.items():
        if served[key] < demand.quantity:
            waiting[demand.resource] = min(rank[demand.tier], waiting.get(demand.resource, len(tiers)))
    passing = sum(
        served[key] > 0 and rank[demand.tier] > waiting.get(demand.resource, len(tiers))
        for key, demand in demands.items()
    )
    return Tally(tiers=lines, inversions=passing)
