"""Caps: how often and how much a rule may decide per hour or day, counted in the transaction of the decision.

1. What was used is one row for each cap, which all versions of a rule share: a new one begins where the old one was.
2. Using it is one conditional update. Of two workers that race for the last unit, the database lets one through. Where
   there are several caps, it is looked first whether all have room, behind a lock: what was not used is left as it is.
3. A window is an hour or a day of UTC. A window that is older than the newest one that was used is closed: a clock that
   jumps back gives nothing anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Integer, bindparam, case, or_, select, update
from sqlalchemy.dialects.postgresql import insert  # with ON CONFLICT, which SQLite writes in the same way

from answerable.approvals.rules.contexts import number_at
from answerable.approvals.rules.file import COUNT
from answerable.tracing.clock import window_of
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.rules import rule_uses

Cap: TypeAlias = tuple[str, int, str]  # of what, at most, per

_insert = insert(rule_uses).inline()
_same = rule_uses.c.window == _insert.excluded.window
_USE = Statement(
    _insert.on_conflict_do_update(
        index_elements=[rule_uses.c.system, rule_uses.c.name, rule_uses.c.cap],
        set_={
            "window": _insert.excluded.window,
            "used": case((_same, rule_uses.c.used + _insert.excluded.used), else_=_insert.excluded.used),
        },
        where=or_(
            rule_uses.c.window < _insert.excluded.window,
            _same & (rule_uses.c.used + _insert.excluded.used <= bindparam("most", type_=Integer)),
        ),
    ),
    [column.name for column in rule_uses.columns],
)
_THIS = (
    rule_uses.c.system == bindparam("system_"),
    rule_uses.c.name == bindparam("name_"),
    rule_uses.c.cap == bindparam("cap_"),
)
_LOCK = Statement(
    select(rule_uses.c.cap, rule_uses.c.window, rule_uses.c.used)
    .where(rule_uses.c.system == bindparam("system_"), rule_uses.c.name == bindparam("name_"))
    .order_by(rule_uses.c.cap)
    .with_for_update()
)
_GIVE_BACK = Statement(update(rule_uses).where(*_THIS).values(used=rule_uses.c.used - bindparam("amount")))
_USED = Statement(select(rule_uses.c.window, rule_uses.c.used).where(*_THIS))


def named_cap(of: str, per: str) -> str:
    """How a cap is named in rows and records."""
    return f"{of}/{per}"


def amounts(caps: Sequence[Cap], context: Mapping[str, Any]) -> dict[str, int] | None:
    """What an option would use of each cap; None if a number is not there, or is negative."""
    found: dict[str, int] = {}
    for of, _, per in caps:
        amount = 1 if of == COUNT else number_at(context, of)
        if amount is None or amount < 0:
            return None
        found[named_cap(of, per)] = amount
    return found


def use(tx: Tx, system: str, name: str, caps: Sequence[Cap], wanted: Mapping[str, int], *, at: int) -> bool:
    """Use what is wanted of every cap; False, with nothing used, where one does not have it."""
    if len(caps) > 1 and not _have_room(tx, system, name, caps, wanted, at=at):
        return False
    done: list[str] = []  # given back where several use them for the first time at once
    for of, most, per in caps:
        cap = named_cap(of, per)
        amount, window = wanted[cap], window_of(per, at)
        if amount <= most and tx.run(_USE, system=system, name=name, cap=cap, window=window, used=amount, most=most):
            done.append(cap)
            continue
        for used in done:
            tx.run(_GIVE_BACK, system_=system, name_=name, cap_=used, amount=wanted[used])
        return False
    return True


def _have_room(tx: Tx, system: str, name: str, caps: Sequence[Cap], wanted: Mapping[str, int], *, at: int) -> bool:
    known = {cap: (window, amount) for cap, window, amount in tx.all(_LOCK, system_=system, name_=name)}
    for of, most, per in caps:
        cap, now = named_cap(of, per), window_of(per, at)
        window, before = known.get(cap, (now, 0))
        if window > now or wanted[cap] + (before if window == now else 0) > most:
            return False
    return True


def used(tx: Tx, system: str, name: str, caps: Sequence[Cap], *, at: int) -> list[int]:
    """What was used of each cap in its present window."""
    found = []
    for of, _, per in caps:
        row = tx.one(_USED, system_=system, name_=name, cap_=named_cap(of, per))
        found.append(int(row[1]) if row and row[0] >= window_of(per, at) else 0)
    return found
