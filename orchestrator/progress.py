"""Progress: what whoever watches a run is told, as it happens. Nothing of it is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

State = Literal["working", "done", "failed", "waiting", "sent", "in-doubt", "refused", "frozen", "emitted"]


@dataclass(frozen=True, slots=True)
class Progress:
    """A node of a run came into a state; `detail` says more, `value` is what `Step.emit` was given."""

    run: str
    node: str
    state: State
    detail: str = ""
    value: Any = None
