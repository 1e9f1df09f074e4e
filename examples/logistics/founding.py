"""The case that the project was founded for, as small as it gets.

One depot, trucks for 100 units, 40 medical units at a margin of 3 and 80 retail units at a margin of 7. The best plan
for the margin earns 620 and leaves 20 medical units behind; the one that serves medicine first earns 540.
"""

from __future__ import annotations

from answerable.examples.logistics.messages import Conditions, Fleet, Order, Place, Storm, Weather


def founding_case() -> Storm:
    """The founding case as a run's input; margins in cents, so 620 is 62,000."""
    weather = Weather(date="2015-12-08", precipitation_mm=54.1, wind_mps=6.2, temp_max_c=15.6)
    return Storm(
        name="the founding case",
        today=Conditions(weather=weather, trucks={"Kent": 5}, metres_per_second=20.0),
        ahead=[],
        places=[
            Place(name="Kent", latitude=47.3809, longitude=-122.2348, depot="Kent"),
            Place(name="Seattle", latitude=47.6062, longitude=-122.3321, depot="Kent"),
        ],
        fleet=Fleet(truck_units=20, shift_seconds=39_600, unload_seconds=120, cents_per_hectometre=0),
        stock={"Kent": {"insulin": 40, "toys": 80}},
        orders=[
            Order(key="hospital", city="Seattle", goods="insulin", units=40, margin_cents=300),
            Order(key="shops", city="Seattle", goods="toys", units=80, margin_cents=700),
        ],
        history=[],
        demand={},
    )
