"""What tests with real services of others may ask for.

1. `jaeger_program`: the program, as `scripts/jaeger` finds it. Where there is none, such a test is skipped, which with
   CI=true is a failure.
2. `receiver`: a receiver of effects.
3. `jaeger`: one Jaeger with memory storage for each test process. Give each system a name of its own in it: services of
   one name would mix.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.properties import receiver as receivers
from tests.properties.receiver import Receiver
from tests.real import jaeger_server
from tests.real.jaeger_client import Jaeger


@pytest.fixture(scope="session")
def jaeger_program() -> Path:
    """Jaeger's program."""
    found = jaeger_server.program()
    if found is None:
        pytest.skip("there is no Jaeger (`make setup` builds it where Go is installed)")
    return found


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """A receiver that answers as a game says, and keeps a journal."""
    with receivers.receiving() as running:
        yield running


@pytest.fixture(scope="session")
def jaeger(jaeger_program: Path) -> Iterator[Jaeger]:
    """A Jaeger that keeps traces in memory."""
    with jaeger_server.running(jaeger_program) as one:
        yield one
