"""Reasons: what somebody who denies, takes back or overrides something says of why.

1. A reason is a code from a short list, which can be counted, and a text, which can be understood. Both are needed.
2. The code is in the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from answerable.agents.texts import check_text
from answerable.errors import InvalidInput

OTHER: Final = "other"

CODES: Final[Mapping[str, str]] = {
    "wrong": "what is proposed is wrong",
    "unsafe": "it would do harm",
    "not-needed": "nobody needs it, or not any more",
    "not-known": "too little is known about it",
    "changed": "what it rests on has changed",
    "policy": "a rule, a law or a contract says so",
    "urgent": "harm would come of waiting",
    OTHER: "none of these; the text says what",
}
"""The codes, and what each of them says."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """A code of the list, and a text."""

    code: str
    text: str


def check_reason(code: str, text: str, *, what: str) -> Reason:
    """The reason that somebody gave for `what` ("a no"). Raises: InvalidInput if the code or the text is none."""
    if code not in CODES:
        raise InvalidInput(
            f"{what} needs a reason's code, and {code!r} is none" if code else f"{what} needs a reason's code",
            hint=f"one of {', '.join(CODES)}",
        )
    check_text("the reason", text)
    if not text.strip():
        raise InvalidInput(f"{what} needs a reason in words, too", hint="say why, for whoever reads it later")
    return Reason(code=code, text=text)
