"""What the company carries: classes of goods, how critical each is, and what it earns.

1. A class of goods belongs to one tier. Orders name the class; nobody who plans can change its tier.
2. The margins are this company's: medical goods go out under tendered contracts, retail pays for speed.
3. Margins are whole cents per unit; a unit is one pallet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

GoodsClass = Literal["insulin", "oxygen", "dialysis", "water", "food", "formula", "electronics", "apparel", "toys"]

TIERS: Final = ("medical", "essential", "retail")
"""From most to least critical."""


@dataclass(frozen=True, kw_only=True)
class Goods:
    """One class of goods: its tier, its usual margin in cents per unit, and what 100,000 people order a day."""

    tier: str
    margin_cents: int
    daily_units: float


CATALOGUE: Final[dict[GoodsClass, Goods]] = {
    "insulin": Goods(tier="medical", margin_cents=3000, daily_units=0.8),
    "oxygen": Goods(tier="medical", margin_cents=3400, daily_units=0.7),
    "dialysis": Goods(tier="medical", margin_cents=2800, daily_units=0.6),
    "water": Goods(tier="essential", margin_cents=4000, daily_units=1.3),
    "food": Goods(tier="essential", margin_cents=5000, daily_units=1.6),
    "formula": Goods(tier="essential", margin_cents=4600, daily_units=0.6),
    "electronics": Goods(tier="retail", margin_cents=8000, daily_units=1.4),
    "apparel": Goods(tier="retail", margin_cents=7000, daily_units=1.6),
    "toys": Goods(tier="retail", margin_cents=6400, daily_units=1.2),
}
