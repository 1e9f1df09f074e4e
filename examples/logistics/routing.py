"""How the trucks drive: a vehicle routing problem with prizes, solved by PyVRP.

1. Each depot's running trucks leave from it and return to it within a shift, at the speed that the weather allows.
2. An order is cut into parts of at most `PART_UNITS`, so that a truck that is nearly full can take some of it.
3. A part is optional; delivering it earns its margin, driving costs. The solver drops what does not pay or fit.
4. `first` names tiers, most important first, whose parts earn so much more that none of them is dropped for anything
   below it. It is empty unless somebody decided so.
5. The same problem gives the same routes: the seed is fixed, and the search ends after a number of iterations, not of
   seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

from pyvrp import Model, Solution
from pyvrp.stop import MaxIterations

from answerable.examples.logistics.geography import road_metres
from answerable.examples.logistics.goods import CATALOGUE
from answerable.examples.logistics.messages import Allocation, Order, Place, Route, Routes, Stop, Storm

PART_UNITS: Final = 4
ITERATIONS: Final = 400
SEED: Final = 1
METRES_PER_HECTOMETRE: Final = 100


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Some units of one order, which travel on one truck."""

    order: Order
    units: int


def drive(storm: Storm, allocation: Allocation, *, first: Sequence[str] = ()) -> Routes:
    """Routes for what `allocation` wants to go out; what the trucks cannot or need not carry is left behind."""
    routes = [
        route
        for depot in sorted(storm.today.trucks)
        for route in _from_depot(storm, depot, _parts(storm, depot, allocation), first)
    ]
    metres = sum(route.metres for route in routes)
    return Routes(routes=routes, driving_cents=metres * storm.fleet.cents_per_hectometre // METRES_PER_HECTOMETRE)


def _parts(storm: Storm, depot: str, allocation: Allocation) -> list[_Part]:
    """The allocated units of one depot's orders, cut into parts."""
    cities = {place.name for place in storm.places if place.depot == depot}
    return [
        _Part(order=order, units=min(PART_UNITS, allocation.units.get(order.key, 0) - start))
        for order in storm.orders
        if order.city in cities
        for start in range(0, allocation.units.get(order.key, 0), PART_UNITS)
    ]


def _from_depot(storm: Storm, depot: str, parts: list[_Part], first: Sequence[str]) -> Iterator[Route]:
    if not parts or not storm.today.trucks[depot]:
        return
    visited = {depot} | {part.order.city for part in parts}
    places = [place for place in storm.places if place.name in visited]
    solution = _solve(storm, depot, places, parts, _prizes(storm, depot, parts, first))
    by_name = {place.name: place for place in places}
    for number, route in enumerate(solution.routes(), start=1):
        loaded = [parts[visit.idx] for visit in route if visit.is_client()]
        way = [by_name[depot], *(by_name[part.order.city] for part in loaded), by_name[depot]]
        yield Route(
            truck=f"{depot.lower()}-{number}",
            depot=depot,
            stops=_stops(loaded),
            metres=sum(road_metres(a, b) for a, b in pairwise(way)),
            seconds=route.duration(),
        )


def _solve(storm: Storm, depot: str, places: list[Place], parts: list[_Part], prizes: list[int]) -> Solution:
    model = Model()
    locations = {place.name: model.add_location(place.longitude, place.latitude, name=place.name) for place in places}
    base = model.add_depot(locations[depot], name=depot)
    model.add_vehicle_type(
        num_available=storm.today.trucks[depot],
        capacity=storm.fleet.truck_units,
        start_depot=base,
        end_depot=base,
        shift_duration=storm.fleet.shift_seconds,
        unit_distance_cost=storm.fleet.cents_per_hectometre,
    )
    for part, prize in zip(parts, prizes, strict=True):
        model.add_client(
            locations[part.order.city],
            delivery=part.units,
            service_duration=part.units * storm.fleet.unload_seconds,
            prize=prize,
            required=False,
            name=part.order.key,
        )
    for a in places:
        for b in places:
            metres = road_metres(a, b)
            model.add_edge(
                locations[a.name],
                locations[b.name],
                distance=round(metres / METRES_PER_HECTOMETRE),
                duration=round(metres / storm.today.metres_per_second),
            )
    return model.solve(MaxIterations(ITERATIONS), seed=SEED, collect_stats=False, display=False).best


def _prizes(storm: Storm, depot: str, parts: list[_Part], first: Sequence[str]) -> list[int]:
    """What each part earns in cents.

    For each tier in `first`, from the last to the first, a unit earns more than all that lies below it together.
    """
    prizes = [part.units * part.order.margin_cents for part in parts]
    farthest = max(road_metres(a, b) for a in storm.places for b in storm.places)
    ways = len(parts) + storm.today.trucks[depot]
    below = ways * farthest * storm.fleet.cents_per_hectometre // METRES_PER_HECTOMETRE
    for tier in reversed(first):
        premium = below + sum(prizes) + 1
        prizes = [
            prize + part.units * premium * (CATALOGUE[part.order.goods].tier == tier)
            for prize, part in zip(prizes, parts, strict=True)
        ]
    return prizes


def _stops(loaded: list[_Part]) -> list[Stop]:
    """The parts on one truck in the order of their delivery; parts of one order in one place are one stop."""
    stops = []
    for city, visit in groupby(loaded, key=lambda part: part.order.city):
        units: dict[str, int] = {}
        goods = {}
        for part in visit:
            units[part.order.key] = units.get(part.order.key, 0) + part.units
            goods[part.order.key] = part.order.goods
        stops += [Stop(order=key, city=city, goods=goods[key], units=units[key]) for key in sorted(units)]
    return stops
