"""The types of the decorators of a system: what an editor needs to know of a function to check the edges.

A function of one to four messages, with or without a `Step` before them, async or plain, becomes an `Agent` of the
union of what it takes. Those with a step come first, as they would match the others too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar, overload

from answerable.agents.calls import Transaction
from answerable.agents.context import Step
from answerable.agents.messages import Message
from answerable.agents.nodes import Agent, Effect

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
R = TypeVar("R", bound=Message | None)


class AgentDecorator(Protocol):
    """What `System.agent(…)` returns."""

    @overload
    def __call__(self, fn: Callable[[Step[Any], A], Awaitable[R]], /) -> Agent[A, R]: ...
    @overload
    def __call__(self, fn: Callable[[Step[Any], A], R], /) -> Agent[A, R]: ...
    @overload
    def __call__(self, fn: Callable[[Step[Any], A, B], Awaitable[R]], /) -> Agent[A | B, R]: ...
    @overload
    def __call__(self, fn: Callable[[Step[Any], A, B], R], /) -> Agent[A | B, R]: ...
    @overload
    def __call__(self, fn: Callable[[Step[Any], A, B, C], Awaitable[R]], /) -> Agent[A | B | C, R]: ...
    @overload
    def __call__(self, fn: Callable[[Step[Any], A, B, C], R], /) -> Agent[A | B | C, R]: ...
    @overload
    def __call__(self, fn: Callable[[Step[Any], A, B, C, D], Awaitable[R]], /) -> Agent[A | B | C | D, R]: ...
    @overload
    def __call__(self, fn: Callable[[Step[Any], A, B, C, D], R], /) -> Agent[A | B | C | D, R]: ...
    @overload
    def __call__(self, fn: Callable[[A], Awaitable[R]], /) -> Agent[A, R]: ...
    @overload
    def __call__(self, fn: Callable[[A], R], /) -> Agent[A, R]: ...
    @overload
    def __call__(self, fn: Callable[[A, B], Awaitable[R]], /) -> Agent[A | B, R]: ...
    @overload
    def __call__(self, fn: Callable[[A, B], R], /) -> Agent[A | B, R]: ...
    @overload
    def __call__(self, fn: Callable[[A, B, C], Awaitable[R]], /) -> Agent[A | B | C, R]: ...
    @overload
    def __call__(self, fn: Callable[[A, B, C], R], /) -> Agent[A | B | C, R]: ...
    @overload
    def __call__(self, fn: Callable[[A, B, C, D], Awaitable[R]], /) -> Agent[A | B | C | D, R]: ...
    @overload
    def __call__(self, fn: Callable[[A, B, C, D], R], /) -> Agent[A | B | C | D, R]: ...


class OpaqueEffectDecorator(Protocol):
    """What `System.opaque_effect(…)` returns."""

    @overload
    def __call__(self, fn: Callable[[Transaction, A], R], /) -> Effect[A, R]: ...
    @overload
    def __call__(self, fn: Callable[[A], Awaitable[R]], /) -> Effect[A, R]: ...
    @overload
    def __call__(self, fn: Callable[[A], R], /) -> Effect[A, R]: ...
