"""From when until when a rule has force: as its file says, within what is allowed."""

from __future__ import annotations

import os
from typing import Final

from answerable.approvals.rules.file import RuleFile
from answerable.errors import InvalidInput, InvalidRule
from answerable.tracing.clock import micros

DAY_SECONDS: Final = 86400
LONGEST_DAYS: Final = 90


def longest_days() -> int:
    """How many days a rule may have force. Raises: InvalidInput if the setting is no number of days."""
    said = os.environ.get("ANSWERABLE_RULE_DAYS", str(LONGEST_DAYS))
    if not said.isdecimal() or not 1 <= int(said) <= 3650:
        raise InvalidInput(f"ANSWERABLE_RULE_DAYS is {said!r}", hint="a whole number of days, 1 to 3650")
    return int(said)


def times_of(rule: RuleFile, *, at: int) -> tuple[int, int]:
    """When a rule that is proposed at a time begins (0: when it is approved) and expires. Raises: InvalidRule."""
    begins = micros(rule.not_before.timestamp()) if rule.not_before else 0
    longest = longest_days()
    latest = max(begins, at) + micros(longest * DAY_SECONDS)
    expires = micros(rule.expires.timestamp()) if rule.expires else latest
    if expires <= at:
        raise InvalidRule(f"rule {rule.name}@{rule.version} expires before it is proposed", hint="give it a later time")
    if expires > latest:
        raise InvalidRule(
            f"rule {rule.name}@{rule.version} would have force for more than {longest} days",
            hint="let it expire earlier; a new version can be approved then",
        )
    return begins, expires
