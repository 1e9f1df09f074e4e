"""Stores are made from nothing here."""

from __future__ import annotations

import pytest


@pytest.fixture
def postgres_url(empty_postgres_url: str) -> str:
    """The URL of a PostgreSQL database without tables."""
    return empty_postgres_url
