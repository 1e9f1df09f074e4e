"""What an approval declares of its clocks: to whom it escalates, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from answerable.agents.people import Person, Quorum, Role, Whom, as_quorum, either
from answerable.approvals.node import BreakGlass
from answerable.errors import DeclarationError

MOST_STAGES = 10
LONGEST_SECONDS = 100 * 365 * 86_400.0


def check_glass(glass: BreakGlass | None, *, valued: bool, what: str) -> None:
    """Raises: DeclarationError where nobody could break it, or nobody could tell whether they may."""
    if glass is None:
        return
    if not isinstance(glass, BreakGlass) or not isinstance(glass.by, Role | Person):
        raise DeclarationError(
            f"{what}: break_glass={glass!r} names no role or person",
            hint='BreakGlass(by=role("duty-officer"), at_most=1_000, per_day=3)',
        )
    if isinstance(glass.per_day, bool) or not isinstance(glass.per_day, int) or glass.per_day < 1:
        raise DeclarationError(f"{what}: glass that is broken {glass.per_day!r} times a day", hint="at least 1")
    if glass.at_most is None:
        return
    if isinstance(glass.at_most, bool) or not isinstance(glass.at_most, int) or glass.at_most < 0:
        raise DeclarationError(f"{what}: at_most={glass.at_most!r} is no value", hint="a whole number, 0 or more")
    if not valued:
        raise DeclarationError(
            f"{what}: glass is broken for a value of at most {glass.at_most}, and no option has a value",
            hint="say what an option is worth with value=",
        )


def check_times(within: Any, execute_within: Any, *, what: str) -> None:
    """Raises: DeclarationError where one is no time in seconds to decide in, or to send in."""
    if not _is_time(within) or not within > 0:
        raise DeclarationError(f"{what}: within={within!r} is no time in seconds to decide in", hint="4 * HOUR")
    if not _is_time(execute_within) or not 0 < execute_within <= LONGEST_SECONDS:
        raise DeclarationError(
            f"{what}: execute_within={execute_within!r} is no time in seconds to send in",
            hint=f"more than 0, at most {LONGEST_SECONDS:,}",
        )


def _is_time(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def escalation(stages: Mapping[float, Whom], *, by: Whom, within: float, what: str) -> tuple[tuple[float, Quorum], ...]:
    """Who may decide as well after how many seconds, the first stage first. Raises: DeclarationError."""
    if not isinstance(stages, Mapping):
        raise DeclarationError(f"{what}: escalate={stages!r} is no mapping", hint='{1 * HOUR: role("ops-manager")}')
    for after in stages:
        if not isinstance(after, int | float) or not 0 < after < within:
            raise DeclarationError(
                f"{what}: it cannot escalate after {after!r} seconds, and be over after {within:g}",
                hint="each time lies between 0 and within=",
            )
    if len(stages) > MOST_STAGES:
        raise DeclarationError(f"{what}: it escalates {len(stages)} times; nobody can follow more than {MOST_STAGES}")
    made = tuple((float(after), as_quorum(stages[after])) for after in sorted(stages))
    either(by, *(to for _, to in made))  # what would be too much for one expression is said here
    return made
