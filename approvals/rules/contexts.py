"""Contexts: what a standing rule sees of one option, and the schema that its policy is checked against.

1. What the framework knows is counted from the run's input: `tiers` (demand, served, waiting), `inversions`, `calls` by
   effect. `seen` is what the system's own `context=` makes of the message and the run's input. No agent's words are
   taken for either, so no agent can relabel what a rule looks at.
2. Cedar has whole numbers of 64 bits, texts, booleans, sets and records. A model with anything else is refused where it
   is declared. A number that canonical JSON cannot hold makes no context, and then a person is asked.
3. Every option's context stands in its request's body, so that a rule can be tried on what was asked before.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from answerable.agents.prioritization import Tally
from answerable.errors import DeclarationError, InvalidInput
from answerable.tracing.canonical import canonical

LARGEST: Final = 2**53 - 1
"""The largest whole number of canonical JSON. Source: RFC 8785, section 3.2.2.3."""

SEEN: Final = "seen"
MOST_NESTED: Final = 8
_LONG: Final = {"type": "Long"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a rule decides: its approval's schema, the effects that its options may release, whom it asks.

    `options` are those that it offers; empty where a function computes others, so that nobody knows them before.
    """

    system: str
    approval: str
    schema: Mapping[str, Any]
    effects: Sequence[str]
    asked: Mapping[str, Any]
    options: Sequence[str] = ()

    @cached_property
    def schema_text(self) -> str:
        """The schema as canonical JSON."""
        return canonical(dict(self.schema)).decode()


def schema_of(
    *, effects: Sequence[str], tiers: Sequence[str], seen: type[BaseModel] | None, value: bool
) -> dict[str, Any]:
    """The Cedar schema (its JSON form) of an approval: one action, `decide`, on an option.

    `effects` are those that its options may release; `tiers` is empty where nothing is ranked; `value` says whether an
    option has one. Raises: DeclarationError for a model that Cedar cannot hold.
    """
    known: dict[str, Any] = {"calls": _record(dict.fromkeys(effects, _LONG))}
    if tiers:
        line = _record(dict.fromkeys(("demand", "served", "waiting"), _LONG))
        known |= {"tiers": _record(dict.fromkeys(tiers, line)), "inversions": _LONG}
    if value:
        known["value"] = _LONG
    if seen is not None:
        known[SEEN] = _model(seen, seen.__name__)
    applies = {"principalTypes": ["System"], "resourceTypes": ["Option"], "context": _record(known)}
    return {"": {"entityTypes": {"System": {}, "Option": {}}, "actions": {"decide": {"appliesTo": applies}}}}


def context_of(
    *, calls: Mapping[str, int], tally: Tally | None, seen: BaseModel | None, value: int | None
) -> dict[str, Any]:
    """What a rule sees of one option, as plain JSON. Raises: InvalidInput for a number that is too large."""
    made: dict[str, Any] = {"calls": dict(calls)}
    if tally is not None:
        made["tiers"] = {
            line.tier: {"demand": line.demand, "served": line.served, "waiting": line.waiting} for line in tally.tiers
        }
        made["inversions"] = tally.inversions
    if value is not None:
        made["value"] = value
    if seen is not None:
        made[SEEN] = seen.model_dump(mode="json", exclude_none=True)
    _check_numbers(made, "context")
    return made


def number_at(context: Mapping[str, Any], path: str) -> int | None:
    """The whole number at a path such as "seen.units"; None where there is none."""
    found = _at(context, path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def is_number(schema: Mapping[str, Any], path: str) -> bool:
    """Whether a schema's context always has a whole number at a path."""
    return bool(_at(_required(schema[""]["actions"]["decide"]["appliesTo"]["context"]), path) == "Long")


def _required(kind: Mapping[str, Any]) -> Any:
    """A type of the schema as plain nesting: name → the same, or the name of the type; what may be missing is not."""
    if kind["type"] != "Record":
        return kind["type"]
    return {name: _required(inner) for name, inner in kind["attributes"].items() if inner.get("required", True)}


def _at(value: Any, path: str) -> Any:
    """What lies at a path. A name may have dots of its own ("calls.carrier.dispatch")."""
    if not isinstance(value, Mapping):
        return None
    if path in value:
        return value[path]
    found = (_at(value[name], path.removeprefix(f"{name}.")) for name in sorted(value) if path.startswith(f"{name}."))
    return next((one for one in found if one is not None), None)


def _record(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "Record", "attributes": dict(attributes)}


def _model(kind: type[BaseModel], where: str) -> dict[str, Any]:
    if where.count(".") > MOST_NESTED:
        raise DeclarationError(f"a standing rule cannot see {where}: it is nested too deeply", hint="say less of it")
    made = {}
    for name, field in kind.model_fields.items():
        optional, annotation = _without_none(field.annotation)
        made[name] = _type(annotation, f"{where}.{name}") | ({"required": False} if optional else {})
    return _record(made)


def _without_none(annotation: Any) -> tuple[bool, Any]:
    arguments = get_args(annotation)
    if get_origin(annotation) not in (Union, types.UnionType) or types.NoneType not in arguments:
        return False, annotation
    left = tuple(one for one in arguments if one is not types.NoneType)
    return True, left[0] if len(left) == 1 else Union[left]  # noqa: UP007 - made of values, not written


def _type(annotation: Any, where: str) -> dict[str, Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0], where)
    if origin is Literal and all(isinstance(one, str) for one in arguments):
        return {"type": "String"}
    if origin in (list, set, frozenset) or (origin is tuple and arguments[1:] == (...,)):
        return {"type": "Set", "element": _type(arguments[0], where)}
    if isinstance(annotation, type):
        if issubclass(annotation, BaseModel):
            return _model(annotation, where)
        if issubclass(annotation, bool):
            return {"type": "Boolean"}
        if issubclass(annotation, int) and not issubclass(annotation, enum.Enum):
            return _LONG
        if issubclass(annotation, str):
            return {"type": "String"}
    raise DeclarationError(
        f"a standing rule cannot see {where}: {getattr(annotation, '__name__', annotation)} is no type of Cedar's",
        hint="use int, str, bool, a list of those, or a model of them; say amounts in cents, times in seconds",
    )


def _check_numbers(value: Any, where: str) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_numbers(inner, f"{where}.{name}")
    elif isinstance(value, list):
        for inner in value:
            _check_numbers(inner, where)
    elif isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        raise InvalidInput(f"{where} is {value}, which is more than a rule can count")
