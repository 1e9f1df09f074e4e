"""What an agent may be given besides its messages: the step it is in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Deps = TypeVar("Deps")


def _nowhere(_progress: Any) -> None:
    """Where progress goes when nobody watches."""


@dataclass(frozen=True, kw_only=True)
class Step(Generic[Deps]):
    """The step that an agent runs in; declare it as the first parameter: `ctx: Step[MyDeps]`.

    `deps` was made by the factory given to `connect(deps=…)`, on the worker that runs the step. `started_by` is the
    handle of the person or process that began the run, `attempt` counts from 1.
    """

    deps: Deps
    system: str
    run: str
    node: str
    step: str
    attempt: int
    started_by: str
    _emit: Callable[[Any], None] = field(default=_nowhere, repr=False)

    def emit(self, progress: Any) -> None:
        """Show progress (a text, a token, a JSON value) to whoever watches the run. It is not recorded."""
        self._emit(progress)
