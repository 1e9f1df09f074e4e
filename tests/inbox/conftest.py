"""A site on each database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.inbox.site import Site, standing


@pytest.fixture
def site(store_url: str) -> Iterator[Site]:
    with standing(store_url) as made:
        yield made
