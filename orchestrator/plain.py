"""Plain values: how LangGraph's checkpoints are written, and the only things that can be read from them.

1. What is written is None, bool, int (64 bits), float, str, bytes, list, tuple, and dict with str keys. Anything else
   is refused where it is written, by name; our own state holds nothing else.
2. What is read can only ever become one of those, or an `Interrupt`, which LangGraph itself leaves with a checkpoint.
   No name of a type is stored or looked up, so whoever can write into the database cannot have anything called.
3. An exception that LangGraph notes beside a failed task is kept as its text.
"""

from __future__ import annotations

from typing import Any

import ormsgpack
from langgraph.types import Interrupt

from answerable.errors import InvalidInput, StoreCorrupt

# What the codec would otherwise write in a way of its own goes through `_special`, which refuses it.
_OPTIONS = (
    ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
)
_TUPLE, _INTERRUPT = 1, 2


def encode(value: Any) -> bytes:
    """The bytes of a plain value. Raises: InvalidInput if it is, or holds, anything else."""
    try:
        return ormsgpack.packb(value, default=_special, option=_OPTIONS)
    except ormsgpack.MsgpackEncodeError as error:
        raise InvalidInput(
            f"a checkpoint holds plain values only: {_fault(value) or error}",
            hint="keep messages in the store and their ids in the state, as the compiled graph does",
        ) from error


def decode(data: bytes) -> Any:
    """The value that was encoded. Raises: StoreCorrupt if these bytes are none."""
    try:
        return ormsgpack.unpackb(data, ext_hook=_restore)
    except (ValueError, TypeError) as error:  # the codec's own errors are ValueErrors
        raise StoreCorrupt(
            f"a checkpoint cannot be read: {error}", hint="delete it: the run goes on without"
        ) from error


class PlainSerializer:
    """The same, in the form in which LangGraph passes a serializer around."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """A plain value as ("plain", bytes)."""
        return "plain", encode(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value from ("plain", bytes). Raises: StoreCorrupt for any other type."""
        if data[0] != "plain":
            raise StoreCorrupt(f"a checkpoint has a value of type {data[0]!r}, which is never read")
        return decode(data[1])


def _special(value: Any) -> Any:
    if type(value) is tuple:
        return ormsgpack.Ext(_TUPLE, encode(list(value)))
    if type(value) is Interrupt:
        schema = value.response_schema if isinstance(value.response_schema, dict) else None
        return ormsgpack.Ext(_INTERRUPT, encode([value.value, value.id, schema]))
    if isinstance(value, BaseException):
        return repr(value)
    raise TypeError  # the codec reports its own error, and `_fault` finds the place


def _fault(value: Any, where: str = "it") -> str:
    """What in `value` is not plain and where, in the form of `it['a'][0] is a Point`; "" if nothing is found."""
    if type(value) is int and not -(2**63) <= value < 2**64:
        return f"{where} exceeds 64 bits"
    if value is None or type(value) in (bool, int, float, str, bytes) or isinstance(value, BaseException):
        return ""
    if type(value) is Interrupt:
        return _fault(value.value, f"{where}.value")
    if type(value) in (list, tuple):
        return next(filter(None, (_fault(item, f"{where}[{index}]") for index, item in enumerate(value))), "")
    if type(value) is not dict:
        return f"{where} is a {type(value).__qualname__}"
    for key, item in value.items():
        found = _fault(item, f"{where}[{key!r}]") if type(key) is str else f"{where} has the key {key!r}"
        if found:
            return found
    return ""


def _restore(code: int, data: bytes) -> Any:
    if code == _TUPLE:
        return tuple(decode(data))
    if code == _INTERRUPT:
        value, interrupt, schema = decode(data)
        return Interrupt(value, interrupt, response_schema=schema)
    raise ValueError(f"unknown extension {code}")
