"""What the property tests share: one receiver for all of them, and the profile for long runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.properties import profiles
from tests.properties import receiver as receivers
from tests.properties.receiver import Receiver

assert profiles.LONG  # importing it makes the profile known before the command line asks for it


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """A receiver that answers and keeps a journal; each game begins a new one."""
    with receivers.receiving() as running:
        yield running
