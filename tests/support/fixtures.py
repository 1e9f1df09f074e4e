"""Fixtures for tests whose processes are forked; a folder's conftest imports those that it uses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.forks import Forks, forking
from tests.support.receiver import Receiver, receiving


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """A warm parent of workers of the parcels system."""
    with forking("tests.support.parcels_jobs") as parent:
        yield parent


@pytest.fixture(scope="session")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """A receiver; each test has a place of its own there."""
    with receiving(tmp_path_factory.mktemp("receiver")) as running:
        yield running
