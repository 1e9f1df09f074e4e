"""The storm of the example, as its agents are given it."""

from __future__ import annotations

import pytest

from answerable.examples.logistics.messages import Storm
from answerable.examples.logistics.world import storm


@pytest.fixture(scope="module")
def world() -> Storm:
    return storm()
