"""What a standing rule sees of a plan: counted from orders, stock and trucks, never taken from an agent's words."""

from __future__ import annotations

from collections import Counter

from pydantic import BaseModel

from answerable.examples.logistics.goods import CATALOGUE, TIERS
from answerable.examples.logistics.messages import Plan, Storm
from answerable.examples.logistics.tiers import keeps_to_orders


class Seen(BaseModel):
    """The medical units that a plan carries, what it gives up of the most that could be earned, and whether it keeps
    to what was ordered.
    """

    medical_units: int
    cost_cents: int
    keeps_to_orders: bool


def seen(plan: Plan, storm: Storm) -> Seen:
    """What a rule sees of `plan`; its own figures for margin and cost are not looked at."""
    orders = {order.key: order for order in storm.orders}
    carried = {key: units for key, units in plan.served.items() if key in orders}
    earned = sum(units * orders[key].margin_cents for key, units in carried.items())
    medical = sum(units for key, units in carried.items() if CATALOGUE[orders[key].goods].tier == TIERS[0])
    return Seen(
        medical_units=medical,
        cost_cents=max(0, most_that_could_be_earned(storm) - earned),
        keeps_to_orders=keeps_to_orders(plan, storm),
    )


def most_that_could_be_earned(storm: Storm) -> int:
    """What full trucks would earn in cents if roads and shifts did not count: no plan earns more."""
    depot = {place.name: place.depot for place in storm.places}
    room = {name: trucks * storm.fleet.truck_units for name, trucks in storm.today.trucks.items()}
    left = {(name, goods): units for name, stock in storm.stock.items() for goods, units in stock.items()}
    earned: Counter[str] = Counter()
    for order in sorted(storm.orders, key=lambda order: -order.margin_cents):
        at = depot[order.city]
        units = min(order.units, room.get(at, 0), left.get((at, order.goods), 0))
        room[at] = room.get(at, 0) - units
        left[at, order.goods] = left.get((at, order.goods), 0) - units
        earned[at] += units * order.margin_cents
    return earned.total()
