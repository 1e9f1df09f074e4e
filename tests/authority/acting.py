"""What every act draws from: persons, places in a list, and how the receiver feels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from hypothesis import strategies as st

from tests.authority.process import PEOPLE

T = TypeVar("T")
people = st.sampled_from(PEOPLE)
places = st.integers(0, 63)
moods = st.sampled_from(("answers", "answers", "answers", "hangs-up", "fails"))


def in_order(before: Mapping[str, T], now: Mapping[str, T]) -> dict[str, T]:
    """The same in the order in which they came to be: their ids are drawn by lot, and a play has to repeat itself."""
    return {id: now[id] for id in (*before, *(now.keys() - before.keys())) if id in now}
