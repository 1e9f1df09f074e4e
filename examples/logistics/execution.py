"""From routes to the plan: what is served, and the exact calls to carriers and warehouses that do it."""

from __future__ import annotations

from collections import Counter

from answerable.examples.logistics.messages import DispatchOrder, Pick, Plan, ReleaseOrder, Routes, Storm


def carry_out(storm: Storm, routes: Routes, *, instead_of: Plan | None = None) -> Plan:
    """The plan that drives `routes`; as an alternative to `instead_of`, it says what margin it gives up."""
    date = storm.today.weather.date
    served: Counter[str] = Counter()
    for route in routes.routes:
        for stop in route.stops:
            served[stop.order] += stop.units
    margin_cents = margin(storm, served)
    return Plan(
        served=dict(sorted(served.items())),
        date=date,
        margin_cents=margin_cents,
        driving_cents=routes.driving_cents,
        costs_cents=0 if instead_of is None else margin(storm, instead_of.served) - margin_cents,
        dispatches=[
            DispatchOrder(date=date, truck=route.truck, depot=route.depot, stops=route.stops, metres=route.metres)
            for route in routes.routes
        ],
        releases=[
            ReleaseOrder(
                date=date,
                depot=depot,
                picks=[
                    Pick(order=stop.order, goods=stop.goods, truck=route.truck, units=stop.units)
                    for route in routes.routes
                    if route.depot == depot
                    for stop in route.stops
                ],
            )
            for depot in sorted({route.depot for route in routes.routes})
        ],
    )


def margin(storm: Storm, served: dict[str, int]) -> int:
    """What the served units earn in cents, by the orders of the run's input; units beyond an order earn nothing."""
    return sum(order.margin_cents * max(0, min(order.units, served.get(order.key, 0))) for order in storm.orders)
