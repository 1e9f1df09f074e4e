"""Budgets: how much one person decides in a day before they have to say why.

People wave things through when there are too many. A budget forbids nothing: beyond it a reason is required, and the
decision's record says that it was beyond.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, bindparam, func, select

from answerable.errors import InvalidInput
from answerable.tracing.clock import micros
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import decisions, votes

DAY_SECONDS: Final = 24 * 3600

_LATELY: Final = tuple(
    Statement(
        select(func.count())
        .select_from(table)
        .where(table.c.by == bindparam("person"), table.c.at > bindparam("since", type_=BigInteger))
    )
    for table in (decisions, votes)
)


def decided_lately(tx: Tx, person: str, *, at: int) -> int:
    """How often a person (an id) decided or voted in the 24 hours before a time."""
    found = [tx.one(one, person=person, since=at - micros(DAY_SECONDS)) for one in _LATELY]
    return sum(int(row[0]) for row in found if row)


def check_budget(tx: Tx, person: str, budget: int, reason: str, *, at: int) -> int:
    """How many decisions a person took before this one, if that is beyond the budget; else 0.

    Raises: InvalidInput if it is, and there is no reason.
    """
    taken = decided_lately(tx, person, at=at) if budget else 0
    if not budget or taken < budget:
        return 0
    if not reason.strip():
        raise InvalidInput(
            f"{taken} decisions within 24 hours are beyond the budget of {budget}, so this one needs a reason",
            hint="say what you looked at, or leave it to somebody who is rested",
        )
    return taken
