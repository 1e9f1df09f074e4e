"""A site on each database; and the desk of the command line's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.commands.conftest import desk
from tests.inbox.site import Site, standing

__all__ = ["desk", "site"]


@pytest.fixture
def site(store_url: str) -> Iterator[Site]:
    with standing(store_url) as made:
        yield made
