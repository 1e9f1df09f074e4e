"""A site on each database, as the inbox's tests have it."""

from __future__ import annotations

from tests.commands.conftest import desk
from tests.inbox.conftest import site

__all__ = ["desk", "site"]
