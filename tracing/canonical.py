"""Canonical JSON (RFC 8785): one value, one text, so that a digest of it is a digest of the value.

1. The library writes it. It is plain Python, and takes a third of what an approval costs.
2. Where a value is plain (ASCII texts, whole numbers), the C encoder of the standard library writes the same bytes with
   sorted names and no spaces, thirty times faster; the test says so of every such value. Any other is the library's.
"""

from __future__ import annotations

import json
from typing import Any, Final

import rfc8785

_SAFE_DIGITS: Final = 15  # every whole number of so many is one of canonical JSON; Source: RFC 8785, section 3.2.2.3
_LARGEST: Final = 2**53 - 1


class _NotPlain(Exception):
    """The library has to write it."""


def canonical(value: Any) -> bytes:
    """A value, whose names are all texts, as canonical JSON. Raises: rfc8785.CanonicalizationError if it has none."""
    try:
        text = _ENCODER.encode(value)
        if text.isascii():
            _CHECKER.decode(text)
            return text.encode()
    except (_NotPlain, TypeError, ValueError, RecursionError):
        pass
    return rfc8785.dumps(value)


def _whole(digits: str) -> None:
    if len(digits) > _SAFE_DIGITS and not -_LARGEST <= int(digits) <= _LARGEST:
        raise _NotPlain


def _other(_: str) -> None:
    raise _NotPlain


_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_CHECKER: Final = json.JSONDecoder(parse_int=_whole, parse_float=_other, parse_constant=_other)
