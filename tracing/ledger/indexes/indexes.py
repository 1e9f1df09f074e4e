"""Indexes: what records have told so far of the rows of tables."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

Columns = dict[str, Any]
Plain = dict[str, Any]
Use = tuple[str, str, str, int]
"""What a rule used: its system and name, its cap, and when the hour or day began."""


class Indexes:
    """The rows that records tell of, by table and id; columns by name.

    `suspended` are grants that an offer holds, `spent` is what rules used of their caps, `erased` the decisions and
    messages that lost their words with a person.
    """

    def __init__(self, suspended: Iterable[str] = (), erased: Iterable[str] = ()) -> None:
        self.rows: dict[str, dict[str, Columns]] = defaultdict(dict)
        self.suspended = set(suspended)
        self.revoked: set[str] = set()  # grants
        self.erased = set(erased)  # ids, and runs of which everything was
        self.frozen: dict[str, set[str]] = defaultdict(set)  # system → targets that stand
        self.refused: dict[str, str] = {}  # effect → why it was last turned away
        self.twice: list[tuple[str, str]] = []  # table and id of what was recorded again, as something else perhaps
        self.cited: set[str] = set()  # decisions that a crossing came from
        self.spent: Counter[Use] = Counter()
        self.calls: dict[str, dict[str, list[str]]] = {}  # request → option → effects
        self.escalates: dict[str, list[int]] = {}  # request → when
        self.digests: dict[str, str] = {}  # effect → digest of its call
        self.last: dict[str, Plain] = {}  # effect → its last record that says how it stands
        self.ended: dict[str, str] = {}  # effect → the error that its step ended with, "" for none

    def is_new(self, table: str, id: str) -> bool:
        """Whether this is the first record that makes a row: another one after it changes nothing."""
        if id in self.rows[table]:
            self.twice.append((table, id))
            return False
        return True


Take: TypeAlias = Callable[[Indexes, Plain], None]
"""What takes a record of one kind."""


def exemption_key(system: str, approval: str, name: str, version: int) -> str:
    """How one accepted exemption is named here."""
    return f"{system}/{approval}/{name}@{version}"


def newest_uses(spent: Mapping[Use, int]) -> dict[str, Columns]:
    """What the rows of caps must say: for each the newest window that was used, and how much."""
    found: dict[str, Columns] = {}
    for (system, name, cap, window), used in sorted(spent.items()):  # of one cap, the newest window comes last
        row = {"system": system, "name": name, "cap": cap, "window": window, "used": used}
        found[f"{name} of {system}: {cap}"] = row
    return found
