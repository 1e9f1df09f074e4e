from __future__ import annotations

import datetime

import numpy as np
import pytest

from answerable.agents.messages import Message
from answerable.errors import InvalidInput, InvalidMessage
from answerable.examples.logistics.founding import founding_case
from answerable.examples.logistics.geography import CITIES, DEPOTS, places, road_metres, straight_metres
from answerable.examples.logistics.goods import CATALOGUE
from answerable.examples.logistics.messages import Storm
from answerable.examples.logistics.weather import Climate, series, worst_storm
from answerable.examples.logistics.world import HISTORY_DAYS, storm


def test_the_weather_is_seattles_every_day_of_four_years() -> None:
    days = series()
    first = datetime.date(2012, 1, 1)
    assert [day.date for day in days] == [(first + datetime.timedelta(place)).isoformat() for place in range(1461)]
    assert days[3].precipitation_mm == 20.3


def test_the_storm_is_beyond_the_95th_percentile_and_the_data_choose_it() -> None:
    days = series()
    climate = Climate(days)
    day = days[worst_storm(days, climate, before=HISTORY_DAYS, after=2)]
    assert np.mean([other.precipitation_mm < day.precipitation_mm for other in days]) > 0.95
    assert np.mean([other.wind_mps < day.wind_mps for other in days]) > 0.95
    assert storm().today.weather == day
    assert climate.excess(day) >= max(climate.excess(other) for other in days if climate.is_storm(other))


def test_a_series_without_a_storm_is_refused() -> None:
    calm = [day for day in series() if day.precipitation_mm == 0][:200]
    with pytest.raises(InvalidInput, match="no day"):
        worst_storm(calm, Climate(series()), before=1, after=1)


def test_a_storm_keeps_trucks_off_the_road_and_slows_the_others() -> None:
    days = series()
    climate = Climate(days)
    place = worst_storm(days, climate, before=1, after=1)
    calm = next(day for day in days if climate.excess(day) == 0 and day.precipitation_mm == 0)
    assert climate.trucks(10, calm) == 10
    assert 1 <= climate.trucks(10, days[place]) < 10
    assert climate.metres_per_second(days[place]) < climate.metres_per_second(calm)


def test_distances_are_those_of_the_earth() -> None:
    seattle, portland = (next(city for city in CITIES if city.name == name) for name in ("Seattle", "Portland"))
    assert straight_metres(seattle, portland) == pytest.approx(234_000, rel=0.01)  # 145 miles as the crow flies
    assert road_metres(seattle, portland) == road_metres(portland, seattle)
    assert road_metres(seattle, seattle) == 0


def test_each_city_is_delivered_to_from_its_nearest_depot() -> None:
    depot = {place.name: place.depot for place in places()}
    assert set(depot.values()) == set(DEPOTS)
    assert all(depot[name] == name for name in DEPOTS)
    assert depot["Bellingham"] == "Kent"
    assert depot["Eugene"] == "Portland"


def test_the_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    assert storm().to_bytes() == storm().to_bytes()
    assert storm(7).to_bytes() != storm().to_bytes()
    assert storm(7).today == storm().today.model_copy(update={"trucks": storm(7).today.trucks})


def test_a_storm_survives_being_stored() -> None:
    assert Storm.from_bytes(storm().to_bytes()) == storm()


def test_wet_days_bring_more_orders() -> None:
    world = storm()
    total = np.sum(list(world.demand.values()), axis=0)
    rain = [day.precipitation_mm for day in world.history]
    assert np.corrcoef(total, rain)[0, 1] > 0.5


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"orders": [founding_case().orders[0], founding_case().orders[0]]}, "same key"),
        ({"orders": [founding_case().orders[0].model_copy(update={"city": "Atlantis"})]}, "Atlantis"),
        ({"places": [founding_case().places[0], founding_case().places[0]]}, "same name"),
        ({"stock": {}}, "no place with stock"),
        ({"demand": {"Kent/toys": [1, 2]}}, "2 days"),
        ({"demand": {"Atlantis/toys": []}}, "no depot of that name"),
    ],
)
def test_an_input_that_does_not_hang_together_is_refused(changes: dict[str, object], what: str) -> None:
    broken: Message = founding_case().model_copy(update=changes)
    with pytest.raises(InvalidMessage, match=what):
        Storm.from_bytes(broken.to_bytes())


def test_no_order_is_of_an_unknown_class_of_goods() -> None:
    broken = founding_case().to_bytes().replace(b'"goods":"insulin"', b'"goods":"retail insulin"')
    with pytest.raises(InvalidMessage, match="goods"):
        Storm.from_bytes(broken)
    assert {order.goods for order in storm().orders} <= set(CATALOGUE)
