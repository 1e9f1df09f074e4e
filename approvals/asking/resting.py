"""What a request shows of the facts that it rests on, and of a decision that it takes the place of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class FactShown:
    """One fact as JSON: what it is, and what it was when it was asked before; None where it was or is not there."""

    name: str
    now: str | None
    was: str | None

    @property
    def moved(self) -> bool:
        """Whether it is another one than before."""
        return self.now != self.was


def facts_shown(view: Mapping[str, Any]) -> tuple[FactShown, ...]:
    """The facts of a request's view by name; of one that takes another's place, those of before beside them."""
    now: Mapping[str, Any] = view.get("facts") or {}
    before = view.get("before")
    was: Mapping[str, Any] = before["facts"] if before else now
    return tuple(FactShown(name=name, now=_json(now, name), was=_json(was, name)) for name in sorted({*now, *was}))


def why_anew(before: Mapping[str, Any], by: str) -> str:
    """Why it is asked anew, in words; `by` is what to call the person."""
    edited = "; what had been approved was an edit, and is the option as-edited here" if before.get("edited") else ""
    if before["cause"] == "facts":
        return f"what the decision rested on had changed before it was sent{edited}"
    if before["cause"] == "rule":
        return f"{by} revoked the rule {before['rule']} that had decided it"
    return f"{by} took the decision back{edited}"


def _json(facts: Mapping[str, Any], name: str) -> str | None:
    return json.dumps(facts[name], ensure_ascii=False, sort_keys=True) if name in facts else None
