"""What the tests of several processes share."""

from tests.support.fixtures import forks, receiver

__all__ = ["forks", "receiver"]
