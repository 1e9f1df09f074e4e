"""The company's world: real weather and places; orders, stock and fleet made from them by a seed.

1. The same seed gives the same world, to the byte.
2. What people order depends on the weather of the day: each class of goods has its own response to rain and wind.
3. The fleet is sized for a usual day, with some to spare; the depots hold stock for some days.
4. Nothing here knows who will be served. The margins (`goods.py`) and the shortage are all that the planners see.
"""

from __future__ import annotations

from math import ceil
from typing import Final

import numpy as np

from answerable.examples.logistics.geography import CITIES, DEPOTS, places
from answerable.examples.logistics.goods import CATALOGUE, GoodsClass
from answerable.examples.logistics.messages import Conditions, Fleet, Order, Storm, Weather
from answerable.examples.logistics.weather import Climate, series, worst_storm

HISTORY_DAYS: Final = 120
DAYS_AHEAD: Final = 2
FLEET_SPARE: Final = 1.15
STOCK_DAYS: Final = 3.0
WEEKLY_SWING: Final = 0.12
MORE_PER_STORMY_DAY: Final = 0.35
"""How much more is ordered, as a share, on a day whose rain is twice the 95th percentile; goods differ by the seed."""
MARGIN_SPREAD: Final = 0.15

FLEET: Final = Fleet(
    truck_units=26,  # pallets in a 53-foot trailer, one deep
    shift_seconds=11 * 3600,  # Source: 49 CFR 395.3, at most 11 hours of driving
    unload_seconds=120,
    cents_per_hectometre=14,  # Source: ATRI, Operational Costs of Trucking 2024: $2.27 a mile
)


def storm(seed: int = 2015) -> Storm:
    """The worst storm of the series, and the company on that day."""
    days = series()
    climate = Climate(days)
    place = worst_storm(days, climate, before=HISTORY_DAYS, after=DAYS_AHEAD)
    past, today, ahead = days[place - HISTORY_DAYS : place], days[place], days[place + 1 : place + 1 + DAYS_AHEAD]
    rng = np.random.default_rng(seed)
    response = {goods: rng.uniform(0.5, 1.5) * MORE_PER_STORMY_DAY for goods in CATALOGUE}
    depot_of = {city.name: city.depot for city in places()}

    def draw(day: Weather, number: int) -> dict[tuple[str, GoodsClass], int]:
        """What each city orders on one day, in units."""
        week = 1 + WEEKLY_SWING * np.sin(2 * np.pi * number / 7)
        wet = day.precipitation_mm / (2 * climate.precipitation_mm)
        return {
            (city.name, goods): int(
                rng.poisson(city.thousands / 100 * kind.daily_units * week * (1 + response[goods] * wet))
            )
            for city in CITIES
            for goods, kind in CATALOGUE.items()
        }

    demand: dict[str, list[int]] = {f"{depot}/{goods}": [0] * len(past) for depot in DEPOTS for goods in CATALOGUE}
    for number, day in enumerate(past):
        for (city, goods), units in draw(day, number).items():
            demand[f"{depot_of[city]}/{goods}"][number] += units
    orders = [
        Order(
            key=f"{city}/{goods}",
            city=city,
            goods=goods,
            units=units,
            margin_cents=round(CATALOGUE[goods].margin_cents * rng.uniform(1 - MARGIN_SPREAD, 1 + MARGIN_SPREAD)),
        )
        for (city, goods), units in draw(today, len(past)).items()
        if units
    ]
    usual = {series: sum(units) / len(units) for series, units in demand.items()}
    trucks = {
        depot: ceil(FLEET_SPARE * sum(usual[f"{depot}/{goods}"] for goods in CATALOGUE) / FLEET.truck_units)
        for depot in DEPOTS
    }

    def conditions(day: Weather) -> Conditions:
        return Conditions(
            weather=day,
            trucks={depot: climate.trucks(number, day) for depot, number in trucks.items()},
            metres_per_second=climate.metres_per_second(day),
        )

    return Storm(
        name=f"storm of {today.date}",
        today=conditions(today),
        ahead=[conditions(day) for day in ahead],
        places=places(),
        fleet=FLEET,
        stock={depot: {goods: ceil(STOCK_DAYS * usual[f"{depot}/{goods}"]) for goods in CATALOGUE} for depot in DEPOTS},
        orders=orders,
        history=past,
        demand=demand,
    )
