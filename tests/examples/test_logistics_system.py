from __future__ import annotations

import json

import pytest

from answerable.agents.calls import Request, Response
from answerable.agents.hints import is_message
from answerable.agents.nodes import Effect
from answerable.approvals.node import Approval
from answerable.examples.logistics import system as declared
from answerable.examples.logistics.goods import TIERS
from answerable.examples.logistics.messages import Plan, Report, Storm
from answerable.examples.logistics.options import FLOOR, TIER_ORDER, alternatives
from answerable.examples.logistics.people import DISPATCH_LEAD, EMPLOYEES, NIGHT_DESK, RESPONSIBLE


@pytest.fixture(scope="module")
def plan(world: Storm) -> Plan:
    forecast = declared.forecast.fn(world)
    allocation = declared.allocate.fn(forecast, world)
    proposed = declared.execute.fn(declared.route.fn(allocation, world), world)
    assert isinstance(proposed, Plan)
    return proposed


def test_it_passes_every_check() -> None:
    app = declared.system.build(Storm, Report)
    assert app.graph.tiers == TIERS
    assert app.graph.responsible == RESPONSIBLE
    assert all(is_message(kind) for kind in app.graph.message_types())


def test_each_effect_is_fed_by_the_sign_off_alone() -> None:
    graph = declared.system.build(Storm, Report).graph
    effects = [node for node in graph.nodes.values() if isinstance(node, Effect)]
    assert [effect.name for effect in effects] == ["carrier.dispatch", "warehouse.release"]
    for effect in effects:
        (feed,) = graph.incoming(effect.name, effect.inputs[0].name)
        assert (feed.source, feed.port) == ("sign-off", "")
        assert isinstance(graph.nodes[feed.source], Approval)
        assert feed.each in ("dispatches", "releases")


def test_the_tiers_are_those_of_the_orders(world: Storm) -> None:
    known = declared.tiers_of(world)
    assert known.keys() == {order.key for order in world.orders}
    assert {demand.tier for demand in known.values()} == set(TIERS)
    assert sum(demand.quantity for demand in known.values()) == sum(order.units for order in world.orders)


def test_the_agents_plan_is_asked_about_and_one_in_tier_order_is_not(world: Storm, plan: Plan) -> None:
    options = alternatives(plan, world)
    assert not declared.keeps_tier_order(plan, world)
    assert not declared.keeps_tier_order(options[FLOOR], world)
    assert declared.keeps_tier_order(options[TIER_ORDER], world)


def test_goods_that_were_not_ordered_are_asked_about(world: Storm, plan: Plan) -> None:
    fields = alternatives(plan, world)[TIER_ORDER].model_dump()
    fields["dispatches"][0]["stops"][0]["goods"] = "toys"
    assert not declared.keeps_tier_order(Plan.model_validate(fields), world)


def test_the_effects_describe_their_requests_and_read_the_receipts(plan: Plan) -> None:
    dispatch = declared.dispatch.fn(plan.dispatches[0])
    request = next(dispatch)
    assert isinstance(request, Request)
    assert (request.method, request.path) == ("POST", "/dispatches")
    assert json.loads(request.body) == plan.dispatches[0].model_dump(mode="json")
    with pytest.raises(StopIteration) as end:
        dispatch.send(Response(status=200, headers={}, body=b'{"reference": "r", "truck": "kent-1", "units": 3}'))
    assert (end.value.value.truck, end.value.value.units) == ("kent-1", 3)
    release = declared.release.fn(plan.releases[0])
    assert next(release).path == "/releases"
    with pytest.raises(StopIteration) as end:
        release.send(Response(status=200, headers={}, body=b'{"reference": "r", "depot": "Kent", "units": 3}'))
    assert end.value.value.depot == "Kent"


def test_the_calls_are_the_same_bytes_each_time(world: Storm, plan: Plan) -> None:
    again = Plan.from_bytes(plan.to_bytes())
    for first, second in zip(plan.dispatches, again.dispatches, strict=True):
        assert next(declared.dispatch.fn(first)).body == next(declared.dispatch.fn(second)).body


def test_everybody_is_somebody_else() -> None:
    teams = {team for employee in EMPLOYEES for team in employee.teams}
    owners = {node.owner for node in declared.system.build(Storm, Report).graph.nodes.values() if node.owner}
    assert owners == teams
    roles = {employee.handle: employee.roles for employee in EMPLOYEES}
    assert "dispatch-lead" in roles[DISPATCH_LEAD]
    assert not any(employee.teams for employee in EMPLOYEES if "dispatch-lead" in employee.roles)
    assert len({RESPONSIBLE, NIGHT_DESK, DISPATCH_LEAD} & roles.keys()) == 3
