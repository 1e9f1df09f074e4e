"""The logistics company as a multi-agent system that somebody answers for.

forecast → allocate → route → execute → sign-off → carriers and warehouses → report. The agents optimise margin and
cost; the sign-off asks a dispatch lead as soon as their plan serves something while something more critical waits.
"""

from __future__ import annotations

from answerable import (
    END,
    HOUR,
    POST,
    START,
    Call,
    Demand,
    Ended,
    Expired,
    Receiver,
    Rejected,
    Retry,
    System,
    exemption,
    role,
)
from answerable.examples.logistics.allocation import by_margin
from answerable.examples.logistics.execution import carry_out
from answerable.examples.logistics.forecast import expected_demand
from answerable.examples.logistics.goods import TIERS
from answerable.examples.logistics.messages import (
    Allocation,
    Dispatched,
    DispatchOrder,
    Forecast,
    Outcome,
    Plan,
    Released,
    ReleaseOrder,
    Report,
    Routes,
    Storm,
)
from answerable.examples.logistics.options import alternatives
from answerable.examples.logistics.people import RESPONSIBLE
from answerable.examples.logistics.result import account, account_of_denial, outcome_of
from answerable.examples.logistics.routing import drive
from answerable.examples.logistics.seen import seen
from answerable.examples.logistics.tiers import demands, keeps_to_orders, tally_of

system = System("logistics", responsible=RESPONSIBLE, tiers=list(TIERS))
carrier = Receiver("carrier", keeps_keys_for=24 * HOUR)
warehouse = Receiver("warehouse", keeps_keys_for=24 * HOUR)


@system.tiers(Storm)
def tiers_of(storm: Storm) -> dict[str, Demand]:
    """Each order's tier, units and depot, from the run's input."""
    return demands(storm)


@system.agent(owner="demand-team", timeout=60)
def forecast(storm: Storm) -> Forecast:
    """What will be ordered until the depots are restocked."""
    return expected_demand(storm)


@system.agent(owner="allocation-team", timeout=60)
def allocate(forecast: Forecast, storm: Storm) -> Allocation:
    """The units of each order that earn most."""
    return by_margin(storm, forecast)


@system.agent(owner="routing-team", timeout=60)
def route(allocation: Allocation, storm: Storm) -> Routes:
    """The trucks' routes that earn most."""
    return drive(storm, allocation)


@system.agent(owner="dispatch-team")
def execute(routes: Routes, storm: Storm) -> Plan:
    """The routes as calls to carriers and warehouses."""
    return carry_out(storm, routes)


@exemption(version=1)
def keeps_tier_order(plan: Plan, storm: Storm) -> bool:
    """Nothing passes a more critical order, and nothing is carried that was not ordered."""
    return tally_of(plan, storm).inversions == 0 and keeps_to_orders(plan, storm)


sign_off = system.approval(
    "sign-off",
    of=Plan,
    by=role("dispatch-lead"),
    within=4 * HOUR,
    exempt=keeps_tier_order,
    options=alternatives,
    context=seen,
)


@system.effect("carrier.dispatch", to=carrier, guarantee="idempotent", owner="dispatch-team", retry=Retry(attempts=3))
def dispatch(order: DispatchOrder) -> Call[Dispatched]:
    """Send one truck."""
    response = yield POST("/dispatches", json=order)
    return Dispatched.model_validate(response.json())


@system.effect(
    "warehouse.release", to=warehouse, guarantee="idempotent", owner="dispatch-team", retry=Retry(attempts=3)
)
def release(order: ReleaseOrder) -> Call[Released]:
    """Hand one depot's goods out to its trucks."""
    response = yield POST("/releases", json=order)
    return Released.model_validate(response.json())


@system.agent(owner="dispatch-team")
def collect(dispatched: list[Ended[Dispatched]], released: list[Ended[Released]]) -> Outcome:
    """Which calls succeeded."""
    return outcome_of(dispatched, released)


@system.agent(owner="dispatch-team")
def report(storm: Storm, proposed: Plan, approved: Plan, outcome: Outcome) -> Report:
    """What was sent, and what it did to whom."""
    return account(storm, proposed, approved, outcome)


@system.agent(owner="dispatch-team")
def report_denial(storm: Storm, proposed: Plan, denied: Rejected | Expired) -> Report:
    """That nothing was sent, and why."""
    return account_of_denial(storm, proposed, denied)


system.edge(START, forecast, purpose="a storm warning arrived")
system.edge(START, allocate, purpose="orders, stock and trucks")
system.edge(START, route, purpose="roads and trucks")
system.edge(START, execute, purpose="the orders to carry out")
system.edge(forecast, allocate, purpose="what the stock has to last for")
system.edge(allocate, route, purpose="what is to go out")
system.edge(route, execute, purpose="who drives where")
system.edge(execute, sign_off, purpose="may this be sent?")
system.edge(sign_off, dispatch, each="dispatches", purpose="tell the carriers")
system.edge(sign_off, release, each="releases", purpose="tell the warehouses")
system.edge(START, report, purpose="who ordered what")
system.edge(execute, report, to="proposed", purpose="what would have been sent without a decision")
system.edge(sign_off, report, to="approved", purpose="what was decided")
system.edge(dispatch, collect, gather=True, purpose="what became of each truck")
system.edge(release, collect, gather=True, purpose="what became of each depot's goods")
system.edge(collect, report, purpose="what really left")
system.edge(START, report_denial, purpose="who ordered what")
system.edge(execute, report_denial, purpose="what would have been sent without a decision")
system.edge(sign_off.denied, report_denial, purpose="nothing was sent")
system.edge(report, END, purpose="the account")
system.edge(report_denial, END, purpose="the account")
