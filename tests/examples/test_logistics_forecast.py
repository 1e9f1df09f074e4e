from __future__ import annotations

import numpy as np
import pytest

from answerable.examples.logistics.forecast import expected_demand
from answerable.examples.logistics.founding import founding_case
from answerable.examples.logistics.messages import Forecast, Storm


@pytest.fixture(scope="module")
def forecast(world: Storm) -> Forecast:
    return expected_demand(world)


def _ordered(world: Storm) -> dict[tuple[str, str], int]:
    """What was really ordered on the day of the storm, by depot and goods."""
    depot = {place.name: place.depot for place in world.places}
    units: dict[tuple[str, str], int] = {}
    for order in world.orders:
        units[depot[order.city], order.goods] = units.get((depot[order.city], order.goods), 0) + order.units
    return units


def test_every_series_is_forecast_for_the_storm_and_each_day_ahead(world: Storm, forecast: Forecast) -> None:
    assert {f"{line.depot}/{line.goods}" for line in forecast.expected} == set(world.demand)
    assert all(len(line.units) == 1 + len(world.ahead) for line in forecast.expected)


def test_it_is_nearer_to_what_was_ordered_than_the_usual_demand_is(world: Storm, forecast: Forecast) -> None:
    ordered = _ordered(world)
    usual = {series: float(np.mean(units)) for series, units in world.demand.items()}
    off = sum(abs(line.units[0] - ordered[line.depot, line.goods]) for line in forecast.expected)
    naive = sum(abs(usual[f"{d}/{g}"] - units) for (d, g), units in ordered.items())
    assert off < naive


def test_it_knows_that_the_storm_brings_more_orders(world: Storm, forecast: Forecast) -> None:
    dry = world.today.weather.model_copy(update={"precipitation_mm": 0.0, "wind_mps": 3.0})
    calm = expected_demand(world.model_copy(update={"today": world.today.model_copy(update={"weather": dry})}))
    assert sum(line.units[0] for line in forecast.expected) > 1.2 * sum(line.units[0] for line in calm.expected)


def test_the_same_history_gives_the_same_bytes(world: Storm, forecast: Forecast) -> None:
    assert expected_demand(world).to_bytes() == forecast.to_bytes()


def test_without_a_history_nothing_is_expected() -> None:
    assert expected_demand(founding_case()) == Forecast(expected=[])
