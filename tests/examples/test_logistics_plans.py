from __future__ import annotations

from typing import Any

import pytest

from answerable.agents.outcomes import Ended, Expired, Failed, Rejected
from answerable.errors import InvalidMessage
from answerable.examples.logistics.allocation import by_margin
from answerable.examples.logistics.execution import carry_out, margin
from answerable.examples.logistics.forecast import expected_demand
from answerable.examples.logistics.founding import founding_case
from answerable.examples.logistics.goods import CATALOGUE
from answerable.examples.logistics.messages import Allocation, Dispatched, Outcome, Plan, Released, Storm
from answerable.examples.logistics.options import EVEN_SHARES, FLOOR, TIER_ORDER, alternatives
from answerable.examples.logistics.result import account, account_of_denial, outcome_of, served_table
from answerable.examples.logistics.routing import drive
from answerable.examples.logistics.tiers import demands, keeps_to_orders, tally_of
from answerable.examples.logistics.world import storm


@pytest.fixture(scope="module")
def plan(world: Storm) -> Plan:
    return carry_out(world, drive(world, by_margin(world, expected_demand(world))))


@pytest.fixture(scope="module")
def options(world: Storm, plan: Plan) -> dict[str, Plan]:
    return {name: option for name, option in alternatives(plan, world).items() if isinstance(option, Plan)}


def _everything(world: Storm) -> Allocation:
    return Allocation(units={order.key: order.units for order in world.orders}, margin_cents=0)


def _medical(world: Storm) -> set[str]:
    return {order.key for order in world.orders if CATALOGUE[order.goods].tier == "medical"}


def test_routing_with_prizes_alone_drops_medical_stops(world: Storm) -> None:
    routes = drive(world, _everything(world)).routes
    served = {stop.order for route in routes for stop in route.stops}
    medical = tally_of(carry_out(world, drive(world, _everything(world))), world).tiers[0]
    assert _medical(world) - served
    assert medical.served < medical.demand


def test_routing_with_the_medical_tier_first_drops_none(world: Storm) -> None:
    medical = tally_of(carry_out(world, drive(world, _everything(world), first=["medical"])), world).tiers[0]
    assert medical.served == medical.demand


def test_trucks_keep_to_what_they_can_load_and_drive(world: Storm, plan: Plan) -> None:
    routes = drive(world, _everything(world)).routes
    for depot, trucks in world.today.trucks.items():
        assert sum(route.depot == depot for route in routes) <= trucks
    for route in routes:
        assert sum(stop.units for stop in route.stops) <= world.fleet.truck_units
        assert 0 < route.seconds <= world.fleet.shift_seconds
    assert len({dispatch.truck for dispatch in plan.dispatches}) == len(plan.dispatches)


def test_nothing_to_carry_or_nothing_to_carry_it_with_is_no_route(world: Storm) -> None:
    assert drive(world, Allocation(units={}, margin_cents=0)).routes == []
    parked = world.model_copy(update={"today": world.today.model_copy(update={"trucks": {"Kent": 0, "Portland": 0}})})
    assert drive(parked, _everything(world)).routes == []


def test_the_same_orders_give_the_same_routes_and_options(world: Storm, plan: Plan, options: dict[str, Plan]) -> None:
    again = carry_out(world, drive(world, by_margin(world, expected_demand(world))))
    assert again.to_bytes() == plan.to_bytes()
    assert {name: option.to_bytes() for name, option in alternatives(plan, world).items()} == {
        name: option.to_bytes() for name, option in options.items()
    }


def test_the_founding_case_end_to_end() -> None:
    case = founding_case()
    plan = carry_out(case, drive(case, by_margin(case, expected_demand(case))))
    assert (plan.served, plan.margin_cents) == ({"hospital": 20, "shops": 80}, 62_000)
    floor = alternatives(plan, case)[FLOOR]
    assert isinstance(floor, Plan)
    assert (floor.served, floor.margin_cents, floor.costs_cents) == ({"hospital": 40, "shops": 60}, 54_000, 8_000)
    assert served_table(case, plan, floor)["medical"] == {"demand": 40, "ungoverned": 20, "governed": 40}


def test_the_plan_of_the_storm_passes_medical_orders_over(world: Storm, plan: Plan) -> None:
    tally = tally_of(plan, world)
    assert tally.inversions > 0
    assert tally.tiers[0].waiting > 0
    assert keeps_to_orders(plan, world)


def test_each_alternative_says_what_it_costs(world: Storm, plan: Plan, options: dict[str, Plan]) -> None:
    assert set(options) == {FLOOR, TIER_ORDER, EVEN_SHARES}
    for option in options.values():
        assert option.margin_cents == margin(world, option.served)
        assert option.costs_cents == plan.margin_cents - option.margin_cents > 0
        assert keeps_to_orders(option, world)
        assert option.dispatches
        assert {release.depot for release in option.releases} == {order.depot for order in option.dispatches}


def test_floor_serves_every_medical_unit(world: Storm, options: dict[str, Plan]) -> None:
    assert tally_of(options[FLOOR], world).tiers[0].waiting == 0


def test_in_tier_order_nothing_is_passed_over(world: Storm, options: dict[str, Plan]) -> None:
    assert tally_of(options[TIER_ORDER], world).inversions == 0


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_is_so_in_other_worlds_too(seed: int) -> None:
    world = storm(seed)
    plan = carry_out(world, drive(world, by_margin(world, expected_demand(world))))
    option = alternatives(plan, world)[FLOOR]
    assert isinstance(option, Plan)
    without, floor = tally_of(plan, world).tiers, tally_of(option, world).tiers
    assert without[0].served < without[0].demand / 2
    assert without[0].served / without[0].demand < without[2].served / without[2].demand
    assert floor[0].waiting == 0


def test_the_options_do_not_depend_on_what_the_agents_wrote(world: Storm, options: dict[str, Plan]) -> None:
    nothing = Plan(served={}, date="", margin_cents=0, driving_cents=0, dispatches=[], releases=[])
    for name, option in alternatives(nothing, world).items():
        assert isinstance(option, Plan)
        assert option.dispatches == options[name].dispatches


def _changed(plan: Plan, change: Any) -> Plan:
    """A plan whose stops and picks went through `change`, and whose claims fit to them."""
    fields = plan.model_dump()
    for call, items in (("dispatches", "stops"), ("releases", "picks")):
        for order in fields[call]:
            order[items] = [item for item in map(change, order[items]) if item is not None]
    fields["served"] = {}
    for order in fields["dispatches"]:
        for stop in order["stops"]:
            fields["served"][stop["order"]] = fields["served"].get(stop["order"], 0) + stop["units"]
    return Plan.model_validate(fields)


def test_medical_orders_that_are_left_out_count_as_passed_over(world: Storm, options: dict[str, Plan]) -> None:
    medical = _medical(world)
    without = _changed(options[TIER_ORDER], lambda item: None if item["order"] in medical else item)
    assert tally_of(options[TIER_ORDER], world).inversions == 0
    assert tally_of(without, world).inversions > 0
    assert tally_of(without, world).tiers[0].demand == sum(demands(world)[key].quantity for key in medical)


def test_medical_orders_that_are_relabelled_count_as_passed_over(world: Storm, options: dict[str, Plan]) -> None:
    medical = _medical(world)

    def relabel(item: dict[str, Any]) -> dict[str, Any]:
        return item | {"order": f"{item['order']}-retail", "goods": "toys"} if item["order"] in medical else item

    relabelled = _changed(options[TIER_ORDER], relabel)
    assert tally_of(relabelled, world).inversions > 0
    assert not keeps_to_orders(relabelled, world)


def test_other_goods_under_a_medical_orders_name_are_found(world: Storm, options: dict[str, Plan]) -> None:
    medical = _medical(world)
    swapped = _changed(options[TIER_ORDER], lambda item: item | {"goods": "toys"} if item["order"] in medical else item)
    assert tally_of(swapped, world).inversions == 0  # by its claims, all is well
    assert not keeps_to_orders(swapped, world)


def test_more_than_was_ordered_is_found(world: Storm, options: dict[str, Plan]) -> None:
    doubled = _changed(options[TIER_ORDER], lambda item: item | {"units": 2 * item["units"]})
    assert not keeps_to_orders(doubled, world)


@pytest.mark.parametrize("field", ["served", "dispatches", "releases"])
def test_a_plan_that_claims_what_its_calls_do_not_do_is_no_plan(plan: Plan, field: str) -> None:
    fields = plan.model_dump()
    fields[field] = {**plan.served, "Seattle/insulin": 1} if field == "served" else fields[field][1:]
    with pytest.raises(ValueError, match="differ for"):
        Plan.model_validate(fields)
    lying = plan.model_copy(update={"served": {}})
    with pytest.raises(InvalidMessage, match="served and dispatches differ"):
        Plan.from_bytes(lying.to_bytes())


def _ended(plan: Plan, *, without_truck: str = "", without_depot: str = "") -> Outcome:
    failed = Failed(node="carrier.dispatch", error="500")
    dispatched = [
        Ended[Dispatched](
            index=place,
            outcome=failed if order.truck == without_truck else Dispatched(reference="r", truck=order.truck, units=1),
        )
        for place, order in enumerate(plan.dispatches)
    ]
    released = [
        Ended[Released](
            index=place,
            outcome=failed if order.depot == without_depot else Released(reference="r", depot=order.depot, units=1),
        )
        for place, order in enumerate(plan.releases)
    ]
    return outcome_of(dispatched, released)


def test_the_report_says_what_the_storm_did_with_and_without(
    world: Storm, plan: Plan, options: dict[str, Plan]
) -> None:
    report = account(world, plan, options[FLOOR], _ended(options[FLOOR]))
    medical = report.tiers[0]
    assert medical.ungoverned < medical.governed == medical.demand
    assert report.margin_cents_ungoverned - report.margin_cents_governed == options[FLOOR].costs_cents
    assert (report.trucks, report.failed, report.refused) == (len(options[FLOOR].dispatches), [], "")


def test_what_a_failed_call_was_to_carry_did_not_leave(world: Storm, plan: Plan, options: dict[str, Plan]) -> None:
    floor = options[FLOOR]
    lost = floor.dispatches[0]
    report = account(world, plan, floor, _ended(floor, without_truck=lost.truck))
    units = sum(line.governed for line in account(world, plan, floor, _ended(floor)).tiers)
    assert sum(line.governed for line in report.tiers) == units - sum(stop.units for stop in lost.stops)
    assert report.failed == [f"carrier {lost.truck}"]


def test_a_truck_that_no_warehouse_loads_did_not_leave(world: Storm, plan: Plan, options: dict[str, Plan]) -> None:
    report = account(world, plan, options[FLOOR], _ended(options[FLOOR], without_depot="Kent"))
    assert report.trucks == sum(order.depot != "Kent" for order in options[FLOOR].dispatches)
    assert report.failed == ["warehouse Kent"]


@pytest.mark.parametrize(
    ("denied", "why"),
    [
        (Rejected(approval="sign-off", request="r", by="p", reason="too dear"), "rejected: too dear"),
        (Expired(approval="sign-off", request="r", waited_seconds=14_400.0), "nobody decided in 14400 s"),
    ],
)
def test_the_report_of_a_no_says_that_nothing_was_sent(
    world: Storm, plan: Plan, denied: Rejected | Expired, why: str
) -> None:
    report = account_of_denial(world, plan, denied)
    assert [line.governed for line in report.tiers] == [0, 0, 0]
    assert (report.refused, report.trucks) == (why, 0)
