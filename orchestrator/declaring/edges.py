"""What an edge declares, read and checked at its own line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from answerable.agents.hints import is_message
from answerable.agents.messages import Message
from answerable.agents.nodes import Source, Target
from answerable.errors import DeclarationError
from answerable.orchestrator.declaring.declared import DeclaredEdge
from answerable.orchestrator.declaring.functions import check_condition


def read_edge(
    source: Source[Any],
    target: Target[Any],
    *,
    purpose: str,
    carries: type[Message] | tuple[type[Message], ...] | None,
    to: str | None,
    when: Callable[[Any], bool] | None,
    each: str | None,
    gather: bool,
    what: str,
) -> DeclaredEdge:
    """What `System.edge` declares, where its arguments are told. Raises: DeclarationError."""
    if not purpose.strip():
        raise DeclarationError(f"{what} has no purpose", hint="say in a few words what it is for")
    if each is not None and gather:
        raise DeclarationError(f"{what}: each= and gather= cannot be on one edge", hint="put a node in between")
    if when is not None:
        check_condition(when, what=what)
    kinds = carries if isinstance(carries, tuple) or carries is None else (carries,)
    if kinds is not None and not (kinds and all(is_message(kind) for kind in kinds)):
        raise DeclarationError(f"{what}: carries={carries!r} is no message type")
    return DeclaredEdge(
        source=source, target=target, purpose=purpose, carries=kinds, to=to, when=when, each=each, gather=gather
    )
