"""What whoever looks at a page may do there: a button stands where it works, and elsewhere why it does not."""

from __future__ import annotations

from collections.abc import Callable

from answerable.errors import NotEligible, StoreCorrupt
from answerable.tracing.people import PersonRow, find_person
from answerable.tracing.storage.store import Tx


def why_not(tx: Tx, reader: str, check: Callable[[PersonRow], object]) -> str:
    """What `check` says against the reader (a handle); "" if it says nothing."""
    person = find_person(tx, reader)
    if person is None:
        return f"nobody is registered as {reader}"
    try:
        check(person)
    except (NotEligible, StoreCorrupt) as error:
        return error.message
    return ""
