"""What is wrong with the address of a page, in the page's words: whoever reads it typed it, or followed an old link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError

from answerable.agents.texts import plain
from answerable.errors import AnswerableError, InvalidInput, UnknownId
from answerable.inbox.api.cursors import after


def in_words(error: RequestValidationError) -> AnswerableError:
    """What an address asks that the page cannot show."""
    wrong = error.errors()
    if any(each["loc"][0] == "path" for each in wrong):
        return UnknownId("nothing here has the name that the address ends with")
    said = [f"{plain(str(each['loc'][-1]))} {_takes(each)}" for each in wrong]
    return InvalidInput(f"the address asks for what this page does not have: {'; '.join(said)}")


def of_status(status: int) -> AnswerableError:
    """Of an address that is no page (404), or one that a button sends to (405)."""
    if status == 405:
        return InvalidInput("this address is where a button of a page sends to, and nothing to look at")
    return UnknownId("there is no page at this address")


def place_in_list(cursor: str, sort: str, kinds: Sequence[type]) -> tuple[Any, ...]:
    """Where a list goes on, () at its beginning. Raises: InvalidInput."""
    try:
        return after(cursor, sort, kinds)
    except InvalidInput as error:
        raise InvalidInput("the address does not say where in this list to go on") from error


def _takes(wrong: Mapping[str, Any]) -> str:
    """What a part of the address would take."""
    kind, context = wrong["type"], wrong.get("ctx", {})
    if kind == "literal_error":
        return f"is {context['expected']}"
    if kind == "greater_than_equal":
        return f"is at least {context['ge']}"
    if kind == "less_than_equal":
        return f"is at most {context['le']}"
    if kind.startswith("bool"):
        return "is true or false"
    if kind.startswith("int"):
        return "is a whole number"
    if kind == "string_too_long":
        return f"has at most {context['max_length']} characters"
    return "has characters that it cannot have"
