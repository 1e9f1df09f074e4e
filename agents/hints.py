"""What a function consumes and produces, read once from its annotations.

1. Types are read as resolved hints, at declaration. A user's function is never called to find out.
2. A parameter annotated with a message type, a union of them, or `list[Ended[T]]` is an input; a first parameter that
   is annotated with `Step[...]` is the context. Anything else is a mistake.
3. The return annotation is a message type, a union of them, or one of these with None (which produces nothing).
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from answerable.agents.context import Step
from answerable.agents.messages import Message
from answerable.agents.outcomes import Ended
from answerable.errors import DeclarationError


@dataclass(frozen=True, kw_only=True)
class Input:
    """One parameter that takes messages: any of `types` one at a time, and `gathers` (of T, for `list[Ended[T]]`)."""

    name: str
    types: tuple[type[Message], ...]
    gathers: type[Message] | None = None

    def __str__(self) -> str:
        names = [kind.__name__ for kind in self.types]
        if self.gathers is not None:
            names.append(f"list[Ended[{self.gathers.__name__}]]")
        return f"{self.name}: {' | '.join(names)}"

    def accepts(self, kind: type[Message]) -> bool:
        """Whether a message of type `kind` may go in (a subclass may)."""
        return any(issubclass(kind, accepted) for accepted in self.types)


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a function consumes and produces. `context` says whether it takes the step as its first parameter."""

    inputs: tuple[Input, ...]
    outputs: tuple[type[Message], ...]
    context: bool
    optional: bool


def read_signature(fn: Callable[..., Any], *, what: str) -> Signature:
    """The signature of the agent function `fn`; `what` names it in errors.

    Raises: DeclarationError where an annotation is missing, cannot be resolved, or is no message type.
    """
    hints = resolved_hints(fn, what=what)
    inputs: list[Input] = []
    context = False
    for place, parameter in enumerate(inspect.signature(fn).parameters.values()):
        hint = hints.get(parameter.name)
        if hint is None:
            raise DeclarationError(
                f"{what}: parameter {parameter.name!r} has no annotation",
                hint="annotate it with the message type that it takes",
            )
        if get_origin(hint) is Step or hint is Step:
            if place:
                raise DeclarationError(f"{what}: Step must be the first parameter, not {parameter.name!r}")
            context = True
        elif parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise DeclarationError(f"{what}: *{parameter.name} cannot be an input", hint="name each input")
        else:
            inputs.append(_input(parameter.name, hint, what=what))
    if not inputs:
        raise DeclarationError(f"{what} takes no message", hint="give it at least one parameter of a message type")
    outputs, optional = _outputs(hints.get("return", inspect.Parameter.empty), what=what)
    return Signature(inputs=tuple(inputs), outputs=outputs, context=context, optional=optional)


def resolved_hints(fn: Callable[..., Any], *, what: str) -> dict[str, Any]:
    """The annotations of `fn` as types.

    Raises: DeclarationError if one cannot be resolved.
    """
    try:
        return typing.get_type_hints(fn)
    except NameError as error:
        raise DeclarationError(
            f"{what}: the annotation {error.name!r} cannot be resolved",
            hint="define the type at module level, or leave out `from __future__ import annotations` there",
        ) from error


def members(hint: Any) -> tuple[Any, ...]:
    """The members of a union, or the one type itself."""
    return get_args(hint) if get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def is_message(hint: Any) -> typing.TypeGuard[type[Message]]:
    """Whether `hint` is a message type."""
    return isinstance(hint, type) and issubclass(hint, Message)


def _input(name: str, hint: Any, *, what: str) -> Input:
    kinds: list[type[Message]] = []
    gathers: type[Message] | None = None
    for member in members(hint):
        if is_message(member):
            kinds.append(member)
        elif (gathered := _gathered(member)) is not None:
            gathers = gathered
        else:
            raise DeclarationError(
                f"{what}: parameter {name!r} is annotated with {member!r}, which is no message type",
                hint="use a subclass of answerable.Message, a union of them, or list[Ended[T]] for a gather",
            )
    return Input(name=name, types=tuple(kinds), gathers=gathers)


def _gathered(hint: Any) -> type[Message] | None:
    """T, where `hint` is `list[Ended[T]]`."""
    if get_origin(hint) is not list:
        return None
    (item,) = get_args(hint)
    if not (isinstance(item, type) and issubclass(item, Ended)):
        return None
    arguments = item.__pydantic_generic_metadata__["args"]
    return arguments[0] if arguments and is_message(arguments[0]) else None


def _outputs(hint: Any, *, what: str) -> tuple[tuple[type[Message], ...], bool]:
    if hint is inspect.Parameter.empty:
        raise DeclarationError(f"{what} has no return annotation", hint="annotate the message type that it returns")
    kinds: list[type[Message]] = []
    optional = False
    for member in members(hint):
        if member is type(None):
            optional = True
        elif is_message(member):
            kinds.append(member)
        else:
            raise DeclarationError(
                f"{what} returns {member!r}, which is no message type",
                hint="return a subclass of answerable.Message, a union of them, or None for nothing",
            )
    return tuple(kinds), optional
