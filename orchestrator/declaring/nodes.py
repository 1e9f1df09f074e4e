"""What every node declares: its name; and how often, how long and how many at once its steps run."""

from __future__ import annotations

import re
from dataclasses import replace

from answerable.agents.nodes import AgentOptions
from answerable.agents.options import Retry
from answerable.errors import DeclarationError

NAME = re.compile(r"[a-zA-Z0-9_.-]+")
RESERVED = ("START", "END")
RESERVED_ENDINGS = (".denied", ".response")


def check_name(name: str, *, what: str) -> None:
    """Raises: DeclarationError for what is no name, or is the framework's own."""
    if not NAME.fullmatch(name):
        raise DeclarationError(f"{what}: {name!r} is no name", hint="use letters, digits, '_', '.' and '-'")
    if name in RESERVED or name.startswith("_") or name.endswith(RESERVED_ENDINGS):
        raise DeclarationError(f"{what}: the name {name!r} is the framework's own", hint="choose another")


def options_of(retry: int | Retry, timeout: float | None, limit: int, *, what: str) -> AgentOptions:
    """The options of a node. Raises: DeclarationError where they leave no try, no time or no step."""
    tries = replace(retry) if isinstance(retry, Retry) else Retry(attempts=retry)
    if tries.attempts < 1 or tries.pause_seconds < 0 or tries.factor <= 0:
        raise DeclarationError(f"{what}: retry={retry!r} leaves no try", hint="1 means: no second try")
    if timeout is not None and not timeout > 0:
        raise DeclarationError(f"{what}: timeout={timeout!r} is no time in seconds")
    if limit < 1:
        raise DeclarationError(f"{what}: limit={limit} leaves no step", hint="allow at least 1 side by side")
    return AgentOptions(retry=tries, timeout=timeout, limit=limit)
