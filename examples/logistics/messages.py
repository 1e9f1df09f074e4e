"""What the agents say to each other.

1. The run's input, `Storm`, contains everything that the run depends on: weather, fleet, stock, orders and past demand.
2. Quantities are whole: units (pallets), cents, metres, seconds. Dates are ISO 8601.
3. What is sent and what is answered can be asked about by the number that people know: a truck, a depot, the carrier's
   number of the shipment (`answerable why carrier-08dcdd57d190`).
4. A plan says the same thing three times, and has to mean it: what it claims to serve is exactly what its calls to the
   carriers carry, and exactly what its calls to the warehouses hand out.
"""

from __future__ import annotations

from collections import Counter
from typing import Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from answerable.agents.messages import Message
from answerable.agents.prioritization import Prioritization
from answerable.examples.logistics.goods import GoodsClass


class Weather(Message):
    """One day's weather: precipitation in millimetres, the mean wind in metres per second, and the highest °C."""

    date: str
    precipitation_mm: float
    wind_mps: float
    temp_max_c: float


class Place(Message):
    """A city with its coordinates in degrees (WGS 84) and the depot that delivers there."""

    name: str
    latitude: float
    longitude: float
    depot: str


class Conditions(Message):
    """What a day's weather leaves of the fleet: the trucks that run, by depot, and their speed on the road."""

    weather: Weather
    trucks: dict[str, NonNegativeInt]
    metres_per_second: float = Field(gt=0)


class Fleet(Message):
    """What one truck can do and costs: the units it loads, its shift, the time to unload one unit, cents per 100 m."""

    truck_units: PositiveInt
    shift_seconds: PositiveInt
    unload_seconds: NonNegativeInt
    cents_per_hectometre: NonNegativeInt


class Order(Message):
    """What one customer ordered for the day of the storm; `margin_cents` is what one unit earns."""

    key: str
    city: str
    goods: GoodsClass
    units: PositiveInt
    margin_cents: NonNegativeInt


class Storm(Message):
    """The run's input.

    `today` is the day of the storm and `ahead` the days after it, until the depots are restocked. `stock` is units by
    depot and goods. `history` is the weather of the days before, oldest first, and `demand` the units ordered on each
    of them, as a list of the same length for each series ("depot/goods").
    """

    name: str
    today: Conditions
    ahead: list[Conditions]
    places: list[Place]
    fleet: Fleet
    stock: dict[str, dict[GoodsClass, NonNegativeInt]]
    orders: list[Order]
    history: list[Weather]
    demand: dict[str, list[NonNegativeInt]]

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        cities = {place.name for place in self.places}
        if len(cities) != len(self.places):
            raise ValueError("two places have the same name")
        if len({order.key for order in self.orders}) != len(self.orders):
            raise ValueError("two orders have the same key")
        for place in self.places:
            if place.depot not in cities or place.depot not in self.stock:
                raise ValueError(f"{place.name}: its depot {place.depot!r} is no place with stock")
        for order in self.orders:
            if order.city not in cities:
                raise ValueError(f"order {order.key}: no place is called {order.city!r}")
        for series, units in self.demand.items():
            if series.partition("/")[0] not in self.stock:
                raise ValueError(f"demand of {series}: no depot of that name has stock")
            if len(units) != len(self.history):
                raise ValueError(f"demand of {series}: {len(units)} days, the history has {len(self.history)}")
        return self


class Expected(Message):
    """The demand that is expected of one depot's goods, in units: on the day of the storm, then on each day ahead."""

    depot: str
    goods: GoodsClass
    units: list[NonNegativeInt]


class Forecast(Message):
    """What will be ordered, one line for each series of the history."""

    expected: list[Expected]


class Allocation(Message):
    """How many units of each order are to go out today (order key → units), and the margin that they earn."""

    units: dict[str, NonNegativeInt]
    margin_cents: NonNegativeInt


class Stop(Message):
    """Units of one order, handed over in one city."""

    order: str
    city: str
    goods: GoodsClass
    units: PositiveInt


class Route(Message):
    """One truck's way from its depot and back: its stops in order, the metres and the seconds that it takes."""

    truck: str
    depot: str
    stops: list[Stop]
    metres: NonNegativeInt
    seconds: NonNegativeInt


class Routes(Message):
    """All trucks' routes, and what the driving costs."""

    routes: list[Route]
    driving_cents: NonNegativeInt


class DispatchOrder(Message, subject="truck"):
    """What a carrier is told: this truck, loaded with these units, drives to these stops in this order."""

    date: str
    truck: str
    depot: str
    stops: list[Stop]
    metres: NonNegativeInt


class Pick(Message):
    """Units of one order that a warehouse puts on one truck."""

    order: str
    goods: GoodsClass
    truck: str
    units: PositiveInt


class ReleaseOrder(Message, subject="depot"):
    """What a warehouse is told: hand these goods out to these trucks."""

    date: str
    depot: str
    picks: list[Pick]


class Plan(Prioritization):
    """What is served today (order key → units), and the exact calls that do it.

    `margin_cents` is what the served units earn, `driving_cents` what driving them costs. `costs_cents` is the margin
    that an alternative gives up against the plan that was proposed.
    """

    date: str
    margin_cents: NonNegativeInt
    driving_cents: NonNegativeInt
    costs_cents: int = 0
    dispatches: list[DispatchOrder]
    releases: list[ReleaseOrder]

    @model_validator(mode="after")
    def _means_what_it_says(self) -> Self:
        claimed = Counter({key: units for key, units in self.served.items() if units})
        carried: Counter[str] = Counter()
        for dispatch in self.dispatches:
            for stop in dispatch.stops:
                carried[stop.order] += stop.units
        released: Counter[str] = Counter()
        for release in self.releases:
            for pick in release.picks:
                released[pick.order] += pick.units
        for calls, units in (("dispatches", carried), ("releases", released)):
            if units != claimed:
                wrong = sorted(key for key in units.keys() | claimed.keys() if units[key] != claimed[key])
                raise ValueError(f"served and {calls} differ for {', '.join(wrong[:5])}")
        return self


class Dispatched(Message, subject="reference"):
    """A carrier's receipt for one truck; `reference` is the number of the shipment there."""

    reference: str
    truck: str
    units: NonNegativeInt


class Released(Message, subject="reference"):
    """A warehouse's receipt for one depot."""

    reference: str
    depot: str
    units: NonNegativeInt


class Outcome(Message):
    """Which of the approved plan's calls succeeded, as places in its lists of dispatches and releases."""

    dispatched: list[int]
    released: list[int]


class TierReport(Message):
    """One tier, in units: what was ordered, what the agents' own plan served, and what really left."""

    tier: str
    demand: NonNegativeInt
    ungoverned: NonNegativeInt
    governed: NonNegativeInt


class Report(Message):
    """The run's result: what the storm did to whom, with and without somebody who answers for it.

    The margins are those of the agents' plan and of the one that was decided; `failed` lists the calls that did not
    succeed, `refused` says why nothing was sent, if nothing was.
    """

    storm: str
    tiers: list[TierReport]
    margin_cents_ungoverned: int
    margin_cents_governed: int
    trucks: NonNegativeInt
    failed: list[str]
    refused: str = ""
