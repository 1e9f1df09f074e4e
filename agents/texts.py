"""Texts that people give: handles, names, roles, teams, reasons, answers; and what others wrote, made safe to show.

A text is a `str` of characters that can be stored, printed and read: no half of a surrogate pair, no control or format
characters (a text that reads backwards misleads) but newline and tab, which only a text of several lines may have.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from answerable.errors import InvalidInput

LONGEST: Final = 20_000  # characters
CUT: Final = "more characters"  # how a text ends that was cut
_REFUSED: Final = frozenset({"Cc", "Cf", "Cs"})
_JOINERS: Final = frozenset("\u200c\u200d")  # format characters, but part of how some languages (and emoji) are written

# Characters that count as printable and draw nothing: fillers, an empty Braille cell, selectors of variants that no
# font has. (The two selectors of emoji stay.) Source: Unicode, Default_Ignorable_Code_Point.
_NOTHING: Final = frozenset(
    map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0))
) | frozenset(map(chr, (*range(0xFE00, 0xFE0E), *range(0xE0100, 0xE01F0))))


def check_text(what: str, text: str, *, required: bool = False, lines: bool = True) -> str:
    """`text`, if it is one; `what` is its name in the error, `lines` whether it may have several.

    Raises: InvalidInput.
    """
    if not isinstance(text, str):
        raise InvalidInput(f"{what} is a text and not {type(text).__name__}", hint="give a str")
    if len(text) > LONGEST:
        raise InvalidInput(f"{what} has {len(text)} characters", hint=f"at most {LONGEST}")
    allowed = _JOINERS | {"\n", "\t"} if lines else _JOINERS
    for character in text:
        if unicodedata.category(character) in _REFUSED and character not in allowed:
            raise InvalidInput(
                f"{what} has the character U+{ord(character):04X}, which cannot be shown", hint="take it out"
            )
    if required and not text.strip():
        hint = "say why, for whoever reads it later" if "reason" in what else "leave nothing out"
        raise InvalidInput(f"{what} is empty", hint=hint)
    return text


def shortened(text: str, most: int) -> str:
    """`text`, cut after `most` characters; then it says how many are not there."""
    left = len(text) - most
    return text if left <= 0 else f"{text[:most]} … and {left:,} {CUT}"


def like(name: str, known: Iterable[str]) -> str:
    """Which of the known names may have been meant, as a hint."""
    names = sorted(known)
    near = get_close_matches(name, names, n=3) or [one for one in names if one.casefold() == name.casefold()]
    return f"did you mean {' or '.join(near)}?" if near else f"there is {', '.join(names) or 'none'}"


def check_handle(handle: str) -> str:
    """`handle`, if it can be one. Raises: InvalidInput."""
    if not isinstance(handle, str) or not handle or not handle.isprintable() or any(map(str.isspace, handle)):
        raise InvalidInput(f"{handle!a:.80} is no handle", hint="use letters, digits, '-' and '_', for example dora")
    return check_text("a handle", handle, lines=False)


def check_id(what: str, id: str) -> str:
    """`id`, if it can be one, of a request or a run. Raises: InvalidInput."""
    if not isinstance(id, str):
        raise InvalidInput(f"{id!a:.40} is no id of a {what}", hint=f"give its id: {what}.id")
    return id


def check_names(what: str, names: Iterable[str]) -> tuple[str, ...]:
    """The `names` of roles or teams, one by one. Raises: InvalidInput."""
    if isinstance(names, str | bytes) or not isinstance(names, Iterable):
        raise InvalidInput(f"{what} are several texts, not one {type(names).__name__}", hint=f"{what}=['buyer']")
    found = tuple(names)
    for name in found:
        if not check_text(f"one of the {what}", name, lines=False).strip():
            raise InvalidInput(f"one of the {what} is empty", hint=f"{what}=['buyer']")
    return found


def plain(text: str) -> str:
    """Text that somebody else wrote, safe to show: no control or bidirectional character, and none that is not seen."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if one.isprintable() and one not in _NOTHING else _escaped(one) for one in text)


def plain_lines(text: str) -> str:
    """The same for a text of several lines."""
    return "\n".join(plain(line) for line in text.split("\n"))


def _escaped(one: str) -> str:
    return f"\\u{ord(one):04x}" if ord(one) <= 0xFFFF else f"\\U{ord(one):08x}"
