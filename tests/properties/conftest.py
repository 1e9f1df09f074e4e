"""What the property tests share: one receiver for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.properties import receiver as receivers
from tests.properties.receiver import Receiver


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """A receiver that answers and keeps a journal; each game begins a new one."""
    with receivers.receiving() as running:
        yield running
