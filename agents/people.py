"""People as a declaration names them: persons, teams and roles.

In code a person is a handle ("alice"). In records and spans a person is an opaque generated id; the registry in the
store (`answerable people`) maps one to the other and holds names, teams and roles.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Role:
    """Everybody who has this role in the registry."""

    name: str

    def __str__(self) -> str:
        return f"role {self.name}"


@dataclass(frozen=True)
class Person:
    """One person, by handle."""

    handle: str

    def __str__(self) -> str:
        return self.handle


def role(name: str) -> Role:
    """Everybody who has the role `name` in the registry."""
    return Role(name)


def person(handle: str) -> Person:
    """The person with this handle in the registry."""
    return Person(handle)
