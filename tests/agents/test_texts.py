"""Texts that people give."""

from __future__ import annotations

from typing import Any

import pytest

from answerable.agents.texts import LONGEST, check_handle, check_names, check_text, shortened
from answerable.errors import InvalidInput


@pytest.mark.parametrize("text", ["", "because", "für uns\n\t- und euch", "می\u200cخواهم", "x" * LONGEST])
def test_what_is_a_text(text: str) -> None:
    assert check_text("the reason", text) == text


@pytest.mark.parametrize(
    "text", [None, 5, b"x", ["x"], "a\x00", "a\x1b[2J", "\ud800", "a\r", "\u202eb", "x" * (LONGEST + 1)]
)
def test_what_is_no_text(text: Any) -> None:
    with pytest.raises(InvalidInput, match="the reason"):
        check_text("the reason", text)


def test_some_are_required_and_some_have_one_line() -> None:
    with pytest.raises(InvalidInput, match="the reason is empty"):
        check_text("the reason", " \n", required=True)
    with pytest.raises(InvalidInput, match=r"the name has the character U\+000A"):
        check_text("the name", "a\nb", lines=False)


@pytest.mark.parametrize("handle", [None, 5, "", "a b", "a\n", "\ud800", "a\x00", "bo\u202eb", ["bob"]])
def test_what_is_no_handle(handle: Any) -> None:
    with pytest.raises(InvalidInput, match="no handle"):
        check_handle(handle)


def test_names_are_several() -> None:
    assert check_names("roles", iter(["buyer", "lead"])) == ("buyer", "lead")
    wrong: Any
    for wrong in ("buyer", b"buyer", None, 5, [5], [""], ["a\nb"], ["\ud800"]):
        with pytest.raises(InvalidInput, match="roles"):
            check_names("roles", wrong)


def test_what_is_cut_says_so() -> None:
    assert shortened("short", 5) == "short"
    assert shortened("x" * 1_505, 5) == "xxxxx … and 1,500 more characters"
