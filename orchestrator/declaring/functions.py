"""Reading the functions that a declaration names: effects, conditions, exemptions, options. None is called here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from answerable.agents.calls import Request, Response, Transaction
from answerable.agents.hints import Input, is_message, members, read_signature, resolved_hints
from answerable.agents.messages import Message
from answerable.approvals.rules.contexts import schema_of
from answerable.errors import DeclarationError


def read_effect(fn: Callable[..., Any], *, what: str) -> tuple[Input, type[Message]]:
    """The input and the result type of an effect's function: one message in, `Call[T]` out.

    Raises: DeclarationError if it has another shape.
    """
    hints = resolved_hints(fn, what=what)
    returned = hints.pop("return", None)
    arguments = get_args(returned)
    if get_origin(returned) is not Generator or arguments[:2] != (Request, Response) or not is_message(arguments[2]):
        raise DeclarationError(f"{what} does not return Call[T]", hint="annotate it with `-> Call[TheResult]`")
    if not inspect.isgeneratorfunction(fn):
        raise DeclarationError(f"{what} yields no request", hint="write `response = yield POST(path, json=…)`")
    return _one_input(hints, fn, what=what), arguments[2]


def read_opaque_effect(fn: Callable[..., Any], *, what: str) -> tuple[Input, type[Message]]:
    """The input and the result type of an opaque effect's function: one message in, one message type out.

    Raises: DeclarationError if it has another shape.
    """
    signature = read_signature(fn, what=what)
    if signature.context or signature.optional or len(signature.outputs) != 1:
        raise DeclarationError(
            f"{what} must go from one message to one message", hint="give it one parameter, and one type to return"
        )
    return _only(signature.inputs, what=what), signature.outputs[0]


def read_transactional_effect(fn: Callable[..., Any], *, what: str) -> tuple[Input, type[Message]]:
    """The input and the result type of a plain function of an open transaction and one message.

    Raises: DeclarationError if it has another shape.
    """
    hints = resolved_hints(fn, what=what)
    returned = hints.pop("return", None)
    names = list(inspect.signature(fn).parameters)
    if len(names) != 2 or hints.get(names[0]) is not Transaction or inspect.iscoroutinefunction(fn):
        raise DeclarationError(
            f"{what} must be a plain function of the open transaction and one message",
            hint="write `def book(tx: Transaction, order: Order) -> Booking`",
        )
    kinds = members(hints.get(names[1]))
    if not is_message(returned) or not all(is_message(kind) for kind in kinds):
        raise DeclarationError(f"{what} must go from one message to one message", hint="annotate both with their types")
    return Input(name=names[1], types=kinds), returned


def check_condition(fn: Callable[..., Any], *, what: str) -> None:
    """Refuse a condition without a name, or one that is not a plain function of one message.

    Raises: DeclarationError
    """
    if not inspect.isfunction(fn) or inspect.iscoroutinefunction(fn) or inspect.isgeneratorfunction(fn):
        raise DeclarationError(f"{what}: when= takes a plain function", hint="write `def is_large(plan: Plan) -> bool`")
    if fn.__name__ == "<lambda>":
        raise DeclarationError(f"{what}: a condition must have a name", hint="make the lambda a function with a name")
    hints = parameter_hints(fn, what=what)
    if len(hints) != 1 or not all(is_message(member) for member in members(hints[0])):
        raise DeclarationError(
            f"{what}: the condition {fn.__name__!r} must take one message", hint="annotate its one parameter"
        )


def parameter_hints(fn: Callable[..., Any], *, what: str) -> tuple[Any, ...]:
    """The annotations of the parameters of `fn`, in order.

    Raises: DeclarationError where one is missing or cannot be resolved.
    """
    hints = resolved_hints(fn, what=what)
    names = list(inspect.signature(fn).parameters)
    for name in names:
        if name not in hints:
            raise DeclarationError(
                f"{what}: parameter {name!r} of {fn.__name__!r} has no annotation",
                hint="annotate it with the message type that it takes",
            )
    return tuple(hints[name] for name in names)


def takes(hint: Any, kind: type[Message]) -> bool:
    """Whether a parameter that is annotated with `hint` may be given a `kind`."""
    return hint is Any or any(isinstance(member, type) and issubclass(kind, member) for member in members(hint))


def option_type(fn: Callable[..., Any], *, what: str) -> Any:
    """M, where `fn` returns `dict[str, M]` (or a Mapping), else None.

    Raises: DeclarationError if an annotation cannot be resolved.
    """
    returned = resolved_hints(fn, what=what).get("return")
    arguments = get_args(returned)
    if get_origin(returned) not in (dict, Mapping) or len(arguments) != 2 or arguments[0] is not str:
        return None
    return arguments[1]


def seen_type(fn: Callable[..., Any], *, what: str) -> type[BaseModel]:
    """The model that `fn` returns, which a standing rule sees.

    Raises: DeclarationError if it is none, or has a field that no rule can see.
    """
    parameter_hints(fn, what=what)
    returned = resolved_hints(fn, what=what).get("return")
    if not isinstance(returned, type) or not issubclass(returned, BaseModel):
        raise DeclarationError(
            f"{what}: context= must return a pydantic model, whose fields standing rules see",
            hint="annotate what it returns: `def seen(plan: Plan, storm: Storm) -> Seen`",
        )
    schema_of(effects=(), tiers=(), seen=returned, value=False)
    return returned


def _one_input(hints: dict[str, Any], fn: Callable[..., Any], *, what: str) -> Input:
    if len(inspect.signature(fn).parameters) != 1 or len(hints) != 1:
        raise DeclarationError(f"{what} must take one message", hint="give it one annotated parameter")
    ((name, hint),) = hints.items()
    kinds = tuple(member for member in members(hint) if is_message(member))
    if len(kinds) != len(members(hint)):
        raise DeclarationError(f"{what}: {name!r} is annotated with {hint!r}, which is no message type")
    return Input(name=name, types=kinds)


def _only(inputs: tuple[Input, ...], *, what: str) -> Input:
    if len(inputs) != 1 or inputs[0].gathers is not None:
        raise DeclarationError(f"{what} must take one message", hint="gather in an agent, and send what it returns")
    return inputs[0]
