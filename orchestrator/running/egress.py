"""Undeclared egress: connections and programs that a step's code opens, which no effect declares.

An audit hook sees them (`sys.addaudithook`; it cannot be removed, so there is one for the process, which does nothing
outside a step). It is an alarm and not a wall: raw threads and native code pass unseen.
"""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from answerable.agents.texts import shortened

_EVENTS = frozenset({"socket.connect", "socket.sendto", "subprocess.Popen", "os.system", "os.posix_spawn", "os.exec"})
_LONGEST = 200  # characters of where it went
_MOST = 20  # alarms for one step; the first tell what is to be known


@dataclass(frozen=True, slots=True)
class Egress:
    """One attempt: the audit event, and where to (an address, a program)."""

    event: str
    to: str


_seen: contextvars.ContextVar[list[Egress] | None] = contextvars.ContextVar("answerable_egress", default=None)


@contextmanager
def watch_egress(seen: list[Egress]) -> Iterator[None]:
    """Append to `seen` what code in this context opens, also in threads that carry the context on."""
    _install()
    token = _seen.set(seen)
    try:
        yield
    finally:
        _seen.reset(token)


@cache
def _install() -> None:
    sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _EVENTS:
        return
    seen = _seen.get()
    if seen is not None and len(seen) < _MOST:
        to = arguments[1] if event.startswith("socket.") and len(arguments) > 1 else arguments[:1]
        seen.append(Egress(event, shortened(str(to), _LONGEST)))
