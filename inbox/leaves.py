"""The leaves of a JSON value, as text, each by its place: what two messages differ by is told leaf by leaf."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_CENTS: Final = "_cents"


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Each leaf of a JSON value, in its order: its place (`dispatches.1.units`), and what it says."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from leaves(inner, f"{place}.{name}" if place else name)
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value, start=1):
            yield from leaves(inner, f"{place}.{number}")
    else:
        yield place, _said(value, place)


def named(place: str) -> str:
    """A place, for people: `dispatches › 1 › units`."""
    return place.removesuffix(_CENTS).replace("_", " ").replace(".", " › ")


def _said(value: Any, place: str) -> str:
    if isinstance(value, list | Mapping):  # an empty one
        return "none"
    if isinstance(value, bool) or value is None or not isinstance(value, int | float):
        return {True: "yes", False: "no", None: "nothing"}.get(value, "none") if not isinstance(value, str) else value
    return f"{value / 100:,.2f}" if place.endswith(_CENTS) else f"{value:,}"
