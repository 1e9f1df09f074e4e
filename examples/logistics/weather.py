"""Real weather: Seattle, every day of 2012 to 2015, as the package vega_datasets ships it (no network).

1. A storm is a day beyond the 95th percentile of the series in both precipitation and wind. The data choose it.
2. Bad weather slows trucks down, and keeps some of them off the road.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from answerable.errors import InvalidInput
from answerable.examples.logistics.messages import Weather

STORM_PERCENTILE = 95.0
DRY_METRES_PER_SECOND = 20.0
LIGHT_RAIN_SLOWS_BY = 0.10
"""Source: Prevedouros and Kongsil, Synthesis of the Effects of Wet Conditions on Highway Speed and Capacity (2003)."""
HEAVY_RAIN_SLOWS_BY = 0.16
"""Source: as above."""
TRUCKS_LOST_PER_EXCESS = 0.16
"""Share of the trucks that stay in for each whole multiple of the 95th percentile: an assumption about this company."""
TRUCKS_LOST_AT_MOST = 0.5


def series() -> list[Weather]:
    """The whole series, oldest day first.

    Raises: InvalidInput if the package with the data is not installed.
    """
    spec = find_spec("vega_datasets")  # found, not imported: importing it brings pandas, which takes a second
    if spec is None or spec.origin is None:
        raise InvalidInput(
            "the weather data are missing", hint="install them with: pip install 'answerable[logistics]'"
        )
    with (Path(spec.origin).parent / "_data" / "seattle-weather.csv").open(newline="", encoding="utf-8") as file:
        return [
            Weather(
                date=row["date"].replace("/", "-"),
                precipitation_mm=float(row["precipitation"]),
                wind_mps=float(row["wind"]),
                temp_max_c=float(row["temp_max"]),
            )
            for row in csv.DictReader(file)
        ]


class Climate:
    """What is usual in a series of days, and how far a day is from it."""

    def __init__(self, days: Sequence[Weather]) -> None:
        self.precipitation_mm = float(np.percentile([day.precipitation_mm for day in days], STORM_PERCENTILE))
        self.wind_mps = float(np.percentile([day.wind_mps for day in days], STORM_PERCENTILE))

    def excess(self, day: Weather) -> float:
        """How many times the 95th percentile the day's precipitation or wind is, whichever is more; 0 below it."""
        ratio = max(day.precipitation_mm / self.precipitation_mm, day.wind_mps / self.wind_mps)
        return ratio if ratio > 1 else 0.0

    def is_storm(self, day: Weather) -> bool:
        """Whether both precipitation and wind are beyond the 95th percentile."""
        return day.precipitation_mm > self.precipitation_mm and day.wind_mps > self.wind_mps

    def trucks(self, usual: int, day: Weather) -> int:
        """How many of the `usual` trucks run on that day; at least one."""
        lost = min(TRUCKS_LOST_AT_MOST, TRUCKS_LOST_PER_EXCESS * self.excess(day))
        return max(1, round(usual * (1 - lost)))

    def metres_per_second(self, day: Weather) -> float:
        """How fast a truck travels on that day."""
        if day.precipitation_mm > self.precipitation_mm:
            return DRY_METRES_PER_SECOND * (1 - HEAVY_RAIN_SLOWS_BY)
        if day.precipitation_mm > 0:
            return DRY_METRES_PER_SECOND * (1 - LIGHT_RAIN_SLOWS_BY)
        return DRY_METRES_PER_SECOND


def worst_storm(days: Sequence[Weather], climate: Climate, *, before: int, after: int) -> int:
    """The place in `days` of the storm that exceeds the usual most, among those with enough days before and after.

    Raises: InvalidInput if there is no storm in the series.
    """
    storms = [place for place in range(before, len(days) - after) if climate.is_storm(days[place])]
    if not storms:
        raise InvalidInput("no day of this series is a storm")
    return max(storms, key=lambda place: (climate.excess(days[place]), -place))
