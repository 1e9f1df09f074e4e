"""Who is more critical than whom: known from the orders, never from what an agent wrote."""

from __future__ import annotations

from collections import Counter

from answerable.agents.prioritization import Demand, Prioritization, Tally, tally
from answerable.examples.logistics.goods import CATALOGUE, TIERS
from answerable.examples.logistics.messages import Plan, Storm


def demands(storm: Storm) -> dict[str, Demand]:
    """What each order asks for, by its key: its goods' tier, its units, and the depot whose trucks it competes for."""
    depot = {place.name: place.depot for place in storm.places}
    return {
        order.key: Demand(tier=CATALOGUE[order.goods].tier, quantity=order.units, resource=depot[order.city])
        for order in storm.orders
    }


def tally_of(plan: Prioritization, storm: Storm) -> Tally:
    """What `plan` means for each tier."""
    return tally(plan, demands(storm), TIERS)


def keeps_to_orders(plan: Plan, storm: Storm) -> bool:
    """Whether all that `plan` carries was ordered: those goods, to that city, and not more of them."""
    orders = {order.key: order for order in storm.orders}
    carried: Counter[str] = Counter()
    for stop in (stop for dispatch in plan.dispatches for stop in dispatch.stops):
        order = orders.get(stop.order)
        if order is None or (order.city, order.goods) != (stop.city, stop.goods):
            return False
        carried[stop.order] += stop.units
    picks = (pick for release in plan.releases for pick in release.picks)
    picked = all(pick.order in orders and orders[pick.order].goods == pick.goods for pick in picks)
    return picked and all(units <= orders[key].units for key, units in carried.items())
