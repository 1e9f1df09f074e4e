from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answerable.examples.logistics.allocation import by_margin, by_tier, evenly
from answerable.examples.logistics.forecast import expected_demand
from answerable.examples.logistics.founding import founding_case
from answerable.examples.logistics.goods import CATALOGUE, TIERS
from answerable.examples.logistics.messages import Allocation, Conditions, Expected, Forecast, Storm, Weather

NOTHING = Forecast(expected=[])


@pytest.fixture(scope="module")
def forecast(world: Storm) -> Forecast:
    return expected_demand(world)


def _by_tier(storm: Storm, allocation: Allocation) -> Counter[str]:
    units: Counter[str] = Counter()
    for order in storm.orders:
        units[CATALOGUE[order.goods].tier] += allocation.units[order.key]
    return units


def _founding(medical: int, retail: int) -> int:
    """The margin of a plan for the founding case in cents, or -1 if it does not fit."""
    return 300 * medical + 700 * retail if medical + retail <= 100 else -1


def test_the_founding_case_leaves_20_medical_units_behind() -> None:
    allocation = by_margin(founding_case(), NOTHING)
    best = max(((m, r) for m in range(41) for r in range(81)), key=lambda plan: _founding(*plan))
    assert best == (20, 80)
    assert allocation.units == {"hospital": 20, "shops": 80}
    assert allocation.margin_cents == 62_000


def test_medicine_first_costs_the_founding_case_80() -> None:
    allocation = by_tier(founding_case(), NOTHING, first=["medical"])
    best = max(_founding(40, retail) for retail in range(81))
    assert allocation.units == {"hospital": 40, "shops": 60}
    assert allocation.margin_cents == best == 54_000


def test_even_shares_in_the_founding_case_are_five_sixths() -> None:
    # 100 units for 120 asked for: 33.3 of 40 and 66.7 of 80; the best whole plan within one unit of both
    allocation = evenly(founding_case(), NOTHING)
    assert allocation.units == {"hospital": 33, "shops": 67} or allocation.units == {"hospital": 34, "shops": 66}


def test_in_the_storm_medical_goods_wait_and_nobody_said_so(world: Storm, forecast: Forecast) -> None:
    served = _by_tier(world, by_margin(world, forecast))
    demand = Counter[str]()
    for order in world.orders:
        demand[CATALOGUE[order.goods].tier] += order.units
    assert served["medical"] < demand["medical"]
    assert served["medical"] / demand["medical"] < served["retail"] / demand["retail"]


def test_if_medicine_earned_most_it_would_not_wait(world: Storm, forecast: Forecast) -> None:
    """Nothing but the margin makes it wait."""
    orders = [
        order.model_copy(update={"margin_cents": 20_000}) if CATALOGUE[order.goods].tier == "medical" else order
        for order in world.orders
    ]
    richer = world.model_copy(update={"orders": orders})
    served = _by_tier(richer, by_margin(richer, forecast))
    assert served["medical"] == sum(order.units for order in orders if CATALOGUE[order.goods].tier == "medical")


def _greedy_margin(storm: Storm) -> int:
    """The best margin without days ahead, by another method: each limit lies within another or apart from it, and then
    taking the units that earn most, one after the other, is optimal.
    """
    depot = {place.name: place.depot for place in storm.places}
    room = {name: trucks * storm.fleet.truck_units for name, trucks in storm.today.trucks.items()}
    stock = {(name, goods): units for name, here in storm.stock.items() for goods, units in here.items()}
    total = 0
    for order in sorted(storm.orders, key=lambda order: -order.margin_cents):
        here = depot[order.city]
        units = min(order.units, room[here], stock[here, order.goods])
        room[here] -= units
        stock[here, order.goods] -= units
        total += units * order.margin_cents
    return total


def test_the_optimum_is_the_one_that_another_method_finds(world: Storm) -> None:
    assert by_margin(world, NOTHING).margin_cents == _greedy_margin(world)


def test_floor_serves_every_medical_unit_and_tier_order_serves_strictly(world: Storm, forecast: Forecast) -> None:
    medical = sum(order.units for order in world.orders if CATALOGUE[order.goods].tier == "medical")
    floor, strict = (by_tier(world, forecast, first=first) for first in (["medical"], TIERS))
    assert _by_tier(world, floor)["medical"] == _by_tier(world, strict)["medical"] == medical
    assert _by_tier(world, strict)["essential"] > _by_tier(world, floor)["essential"]
    assert by_margin(world, forecast).margin_cents > floor.margin_cents > strict.margin_cents


def test_the_same_storm_gives_the_same_bytes(world: Storm, forecast: Forecast) -> None:
    assert by_margin(world, forecast).to_bytes() == by_margin(world, forecast).to_bytes()
    assert evenly(world, forecast).to_bytes() == evenly(world, forecast).to_bytes()


def test_stock_is_held_back_for_days_on_which_it_earns_more() -> None:
    case = founding_case()
    tomorrow = Conditions(
        weather=Weather(date="2015-12-09", precipitation_mm=0, wind_mps=3, temp_max_c=12),
        trucks={"Kent": 5},
        metres_per_second=20,
    )
    case = case.model_copy(update={"ahead": [tomorrow]})
    later = Forecast(expected=[Expected(depot="Kent", goods="toys", units=[80, 30])])
    assert CATALOGUE["toys"].margin_cents > 700
    assert by_margin(case, later).units == {"hospital": 40, "shops": 50}  # 30 of 80 toys wait for a better price


@settings(max_examples=40, deadline=None)
@given(
    capacity=st.integers(0, 8),
    orders=st.lists(st.tuples(st.sampled_from(sorted(CATALOGUE)), st.integers(1, 12), st.integers(0, 900)), max_size=6),
    stock=st.integers(0, 15),
)
def test_any_small_case_agrees_with_another_method(
    capacity: int, orders: list[tuple[str, int, int]], stock: int
) -> None:
    case = Storm.model_validate(
        founding_case().model_dump()
        | {
            "orders": [
                {"key": str(place), "city": "Seattle", "goods": goods, "units": units, "margin_cents": margin}
                for place, (goods, units, margin) in enumerate(orders)
            ],
            "stock": {"Kent": dict.fromkeys(CATALOGUE, stock)},
        }
    )
    case = case.model_copy(
        update={
            "today": case.today.model_copy(update={"trucks": {"Kent": capacity}}),
            "fleet": case.fleet.model_copy(update={"truck_units": 3}),
        }
    )
    allocation = by_margin(case, NOTHING)
    assert sum(allocation.units.values()) <= 3 * capacity
    assert allocation.margin_cents == _greedy_margin(case)
    assert sum(by_tier(case, NOTHING, first=TIERS).units.values()) <= 3 * capacity
    assert sum(evenly(case, NOTHING).units.values()) <= 3 * capacity
