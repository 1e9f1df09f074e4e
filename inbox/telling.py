"""A run in words: what happened, one line each, from its records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from answerable.tracing.ledger import records as kinds
from answerable.tracing.ledger.entries import records_of
from answerable.tracing.ledger.record import Record
from answerable.tracing.storage.store import Tx

MOST_LINES: Final = 500
_QUIET: Final = ("step.finished", "run.rested")  # what the machine does by itself


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line: when, what, whether a person or the outside world had a part in it, and the request it is about."""

    at: int
    said: str
    important: bool
    request: str


def timeline(tx: Tx, run: str, names: Mapping[str, str]) -> tuple[list[Line], int]:
    """The newest lines of a run, oldest first, and how many older ones there are."""
    found = [
        Line(
            at=entry.record.at,
            said=said,
            important=entry.record.kind not in _QUIET,
            request=getattr(entry.record, "request", ""),
        )
        for entry in records_of(tx, run)
        if (said := _said(entry.record, names))
    ]
    return found[-MOST_LINES:], max(0, len(found) - MOST_LINES)


def _said(record: Record, names: Mapping[str, str]) -> str:
    """A record in words; "" for one that says nothing to a person."""
    match record:
        case kinds.RunStarted():
            return f"{names.get(record.started_by, record.started_by)} started the run"
        case kinds.RunRested():
            return "it came to rest"
        case kinds.RunEnded():
            return f"it ended: {record.status}{_more(record.detail)}"
        case kinds.RunReopened():
            return f"{names.get(record.by, record.by)} had it go on{_more(record.reason)}"
        case kinds.StepFinished():
            return f"{record.node} {record.outcome}{_more(record.error)}"
        case kinds.RequestMade():
            return f"{record.approval} asks, with {len(record.calls)} option{'' if len(record.calls) == 1 else 's'}"
        case kinds.Decided():
            by = names.get(record.by, record.by) or "nobody, in time"
            return f"{record.approval}: {record.outcome}{_more(record.option)} by {by}"
        case kinds.RequestWithdrawn():
            return f"{record.approval} no longer asks{_more(record.reason)}"
        case kinds.EffectSent():
            return f"{record.name} was sent, attempt {record.attempt}"
        case kinds.EffectAnswered():
            return f"{record.name} was answered: {record.outcome} {record.status or ''}".strip()
        case kinds.EffectInDoubt():
            return f"nobody knows whether {record.name} happened{_more(record.error)}"
        case kinds.EffectSettled():
            return f"{names.get(record.by, record.by)} says of {record.name}: {record.outcome}{_more(record.reason)}"
        case kinds.EffectRefused():
            return f"{record.name} was refused{_more(record.reason)}"
        case kinds.UndeclaredEgress():
            return f"{record.node} opened something itself: {record.event} {record.to}"
    return ""


def _more(text: str) -> str:
    return f": {text}" if text else ""
