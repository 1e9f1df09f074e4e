"""Protobuf's wire format, the writing half: fields to bytes.

1. The same values give the same bytes with every version of every library, because nothing but this file writes them:
   a span that is sent again years later must not differ in one byte. (protobuf promises no such thing.)
2. Fields are written in the order of their numbers, and empty ones not at all, as protobuf's own libraries do.

Source: protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

_BYTES = 2  # wire types
_FIXED64 = 1
_ONE_BYTE = [bytes((value,)) for value in range(128)]


def varint(value: int) -> bytes:
    """A number, 7 bits in each byte, lowest first; a negative one as 64 bits."""
    if 0 <= value < 128:
        return _ONE_BYTE[value]
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(field: int, wire_type: int = _BYTES) -> bytes:
    """What comes before a field's value."""
    return varint(field << 3 | wire_type)


def counted(tagged: bytes, value: bytes) -> bytes:
    """A field of bytes, text or a message: its tag, its length, its value."""
    length = len(value)
    return tagged + (_ONE_BYTE[length] if length < 128 else varint(length)) + value


def fixed64(field: int, value: int) -> bytes:
    """A field of 64 bits."""
    return tag(field, _FIXED64) + value.to_bytes(8, "little")
