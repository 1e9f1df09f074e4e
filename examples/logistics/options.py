"""What else could be done: complete plans, solved and routed anew, each with what it costs in margin.

They are computed from the run's input, and not from what the agents wrote; only their cost is relative to the plan.
"""

from __future__ import annotations

from typing import Final

from answerable.agents.messages import Message
from answerable.examples.logistics.allocation import by_tier, evenly
from answerable.examples.logistics.execution import carry_out
from answerable.examples.logistics.forecast import expected_demand
from answerable.examples.logistics.goods import TIERS
from answerable.examples.logistics.messages import Plan, Storm
from answerable.examples.logistics.routing import drive

FLOOR: Final = "floor"
"""The most critical tier is served first; the rest goes where it earns most."""
TIER_ORDER: Final = "tier-order"
"""Each tier is served before the next."""
EVEN_SHARES: Final = "even-shares"
"""Every tier gets the same share of what it asks for."""


def alternatives(plan: Plan, storm: Storm) -> dict[str, Message]:
    """The alternatives to `plan`, by the name that a person chooses them by."""
    forecast = expected_demand(storm)
    solved = {
        FLOOR: (by_tier(storm, forecast, first=TIERS[:1]), TIERS[:1]),
        TIER_ORDER: (by_tier(storm, forecast, first=TIERS), TIERS),
        EVEN_SHARES: (evenly(storm, forecast), ()),
    }
    return {
        name: carry_out(storm, drive(storm, allocation, first=first), instead_of=plan)
        for name, (allocation, first) in solved.items()
    }
