"""What can be answered: by a person, or without asking one; and what an answer comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from answerable.approvals.deciding.decisions import Decision, Outcome
from answerable.approvals.voting.votes import Vote
from answerable.approvals.who.signatures import Signed

Given: TypeAlias = Decision | Vote
"""What an answer came to: it decided, or it is a vote that waits for others."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is answered: the outcome, for a yes the option; `for_person`: the handle of whoever delegated it, or "".

    `budget` is how often a day whoever answers decides without saying why; 0: as often as they like. `signed` is their
    own signature, `proposes` the digest of the message that an edit proposes, as they sign it.
    """

    outcome: Outcome
    option: str = ""
    reason: str = ""
    for_person: str = ""
    budget: int = 0
    signed: Signed | None = None
    proposes: str = ""
    code: str = ""  # of the reason
    break_glass: bool = False


@dataclass(frozen=True, kw_only=True)
class Passing:
    """What passes without asking anybody: by the exemption or the standing rule `by` (NAME@VERSION).

    Of a rule also its id, the ids of the persons behind it, and what was used of its caps.
    """

    outcome: Literal["exempted", "ruled"]
    option: str
    by: str
    rule: str = ""
    behind: Sequence[str] = ()
    spent: Mapping[str, int] = field(default_factory=dict)
    review: Literal["", "sample"] = ""  # whether a person is to look at it afterwards
