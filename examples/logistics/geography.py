"""Where things are: cities of the Pacific Northwest, and how far it is by road.

City centres in degrees (WGS 84), and how many thousand people live there (census of 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt
from typing import Final

from answerable.examples.logistics.messages import Place

EARTH_RADIUS_METRES: Final = 6_371_008.8
"""Source: mean radius R1 of the Earth, GRS 80."""
ROAD_PER_STRAIGHT_LINE: Final = 1.417
"""Source: Boscoe, Henry and Zdeb, A Nationwide Comparison of Driving Distance Versus Straight-Line Distance (2012)."""

DEPOTS: Final = ("Kent", "Portland")


@dataclass(frozen=True, kw_only=True)
class City:
    """A city: its centre in degrees, and its people in thousands."""

    name: str
    latitude: float
    longitude: float
    thousands: int


CITIES: Final = (
    City(name="Seattle", latitude=47.6062, longitude=-122.3321, thousands=737),
    City(name="Tacoma", latitude=47.2529, longitude=-122.4443, thousands=219),
    City(name="Kent", latitude=47.3809, longitude=-122.2348, thousands=137),
    City(name="Everett", latitude=47.9790, longitude=-122.2021, thousands=111),
    City(name="Bellingham", latitude=48.7519, longitude=-122.4787, thousands=91),
    City(name="Olympia", latitude=47.0379, longitude=-122.9007, thousands=56),
    City(name="Bremerton", latitude=47.5673, longitude=-122.6326, thousands=44),
    City(name="Mount Vernon", latitude=48.4212, longitude=-122.3340, thousands=35),
    City(name="Portland", latitude=45.5152, longitude=-122.6784, thousands=653),
    City(name="Vancouver", latitude=45.6387, longitude=-122.6615, thousands=191),
    City(name="Eugene", latitude=44.0521, longitude=-123.0868, thousands=177),
    City(name="Salem", latitude=44.9429, longitude=-123.0351, thousands=176),
    City(name="Corvallis", latitude=44.5646, longitude=-123.2620, thousands=60),
    City(name="Longview", latitude=46.1382, longitude=-122.9382, thousands=38),
)


def straight_metres(a: Place | City, b: Place | City) -> float:
    """The great-circle distance between two places in metres (haversine formula)."""
    phi_a, phi_b = radians(a.latitude), radians(b.latitude)
    chord = sin((phi_b - phi_a) / 2) ** 2 + cos(phi_a) * cos(phi_b) * sin(radians(b.longitude - a.longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_METRES * asin(sqrt(chord))


def road_metres(a: Place | City, b: Place | City) -> int:
    """About how many metres it is by road."""
    return round(ROAD_PER_STRAIGHT_LINE * straight_metres(a, b))


def places() -> list[Place]:
    """All cities, each delivered to from the nearest depot."""
    depots = [city for city in CITIES if city.name in DEPOTS]
    return [
        Place(
            name=city.name,
            latitude=city.latitude,
            longitude=city.longitude,
            depot=min(depots, key=lambda depot: straight_metres(depot, city)).name,
        )
        for city in CITIES
    ]
