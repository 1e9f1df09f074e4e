"""Which orders get the trucks' scarce capacity: a mixed-integer program, solved by HiGHS.

1. Today's orders compete for what today's trucks can load at their depot, and for the depot's stock.
2. The stock has to last until the depots are restocked: a unit that goes out today is missing on the days ahead, where
   the forecast expects demand and the fleet's capacity of those days limits what can be earned with it.
3. `by_margin` maximises the margin over all days. That is all that the company asks of it.
4. The alternatives put another goal first and maximise the margin among the plans that reach it best: the units served
   of a tier (`by_tier`), or the share that every tier at a depot gets of its demand (`evenly`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import highspy

from answerable.errors import AnswerableError
from answerable.examples.logistics.goods import CATALOGUE, TIERS
from answerable.examples.logistics.messages import Allocation, Forecast, Order, Storm


def by_margin(storm: Storm, forecast: Forecast) -> Allocation:
    """The allocation that earns most."""
    return _Program(storm, forecast).solve()


def by_tier(storm: Storm, forecast: Forecast, *, first: Sequence[str]) -> Allocation:
    """The allocation that earns most among those that serve each tier in `first`, in turn, as far as possible."""
    program = _Program(storm, forecast)
    for tier in first:
        program.reach(program.served(tier))
    return program.solve()


def evenly(storm: Storm, forecast: Forecast) -> Allocation:
    """The allocation that earns most among those that give every tier at a depot the same share of what it asks for."""
    program = _Program(storm, forecast)
    program.reach(program.even_shares())
    return program.solve()


class _Program:
    """The mixed-integer program of one storm: variables, limits, and goals that are reached one after the other."""

    def __init__(self, storm: Storm, forecast: Forecast) -> None:
        self._orders = storm.orders
        self._depot = {place.name: place.depot for place in storm.places}
        self._solver = highspy.Highs()  # type: ignore[no-untyped-call]  # highspy has types, but not for this
        self._solver.silent()
        self._solver.setOptionValue("threads", 1)
        self._solver.setOptionValue("mip_rel_gap", 0.0)
        self._units = {order.key: self._solver.addIntegral(lb=0, ub=order.units) for order in storm.orders}
        self._margin = [order.margin_cents * self._units[order.key] for order in storm.orders]
        stock: dict[tuple[str, str], list[highspy.highs.highs_var]] = defaultdict(list)
        capacity: dict[tuple[int, str], list[highspy.highs.highs_var]] = defaultdict(list)
        for order in storm.orders:
            stock[self._depot[order.city], order.goods].append(self._units[order.key])
            capacity[0, self._depot[order.city]].append(self._units[order.key])
        for line in forecast.expected:
            for day in range(1, len(storm.ahead) + 1):
                later = self._solver.addIntegral(lb=0, ub=line.units[day])
                self._margin.append(CATALOGUE[line.goods].margin_cents * later)
                stock[line.depot, line.goods].append(later)
                capacity[day, line.depot].append(later)
        for (depot, goods), units in stock.items():
            available = {str(kind): number for kind, number in storm.stock[depot].items()}
            self._solver.addConstr(self._solver.qsum(units) <= available.get(goods, 0))
        for (day, depot), units in capacity.items():
            trucks = (storm.today, *storm.ahead)[day].trucks.get(depot, 0)
            self._solver.addConstr(self._solver.qsum(units) <= trucks * storm.fleet.truck_units)

    def served(self, tier: str) -> highspy.highs.highs_linear_expression:
        """The units of today's orders of one tier."""
        return self._solver.qsum(self._units[order.key] for order in self._orders if _tier(order) == tier)

    def even_shares(self) -> highspy.highs.highs_linear_expression:
        """The sum over the depots of the share of its demand that every tier there gets at least."""
        shares = []
        for depot in sorted(set(self._depot.values())):
            share = self._solver.addVariable(lb=0, ub=1)
            for tier in TIERS:
                orders = [order for order in self._orders if (self._depot[order.city], _tier(order)) == (depot, tier)]
                if orders:
                    served = self._solver.qsum(self._units[order.key] for order in orders)
                    self._solver.addConstr(served >= sum(order.units for order in orders) * share)
            shares.append(share)
        return self._solver.qsum(shares)

    def reach(self, goal: highspy.highs.highs_linear_expression) -> None:
        """Find the most that `goal` can reach, and hold every later solution to it."""
        self._solver.maximize(goal)
        best = self._optimum()
        self._solver.addConstr(goal >= best - 1e-6)

    def solve(self) -> Allocation:
        """Maximise the margin.

        Raises: AnswerableError if the solver finds no optimum.
        """
        self._solver.maximize(self._solver.qsum(self._margin))
        self._optimum()
        units = {order.key: round(self._solver.val(self._units[order.key])) for order in self._orders}
        return Allocation(
            units=units, margin_cents=sum(order.margin_cents * units[order.key] for order in self._orders)
        )

    def _optimum(self) -> float:
        status = self._solver.getModelStatus()
        if status == highspy.HighsModelStatus.kModelEmpty:  # nothing is ordered and nothing expected
            return 0.0
        if status != highspy.HighsModelStatus.kOptimal:
            raise AnswerableError(f"the allocation has no optimum: {status}")
        return float(self._solver.getObjectiveValue())


def _tier(order: Order) -> str:
    return CATALOGUE[order.goods].tier
