"""What a message is about."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field

from answerable.agents.messages import MOST_SUBJECT, Message, subject_of
from answerable.errors import DeclarationError


class Dispatch(Message, subject="shipment"):
    shipment: str
    units: int = 1


class Pallet(Message, subject="number"):
    number: Annotated[int, Field(gt=0)]


class Express(Dispatch):
    hours: int = 1


class Plain(Message):
    shipment: str = "S-1"


@pytest.mark.parametrize(
    ("message", "about"),
    [
        (Dispatch(shipment="S-1"), "S-1"),
        (Pallet(number=7), "7"),
        (Express(shipment="S-2"), "S-2"),
        (Plain(), ""),
        (Dispatch(shipment=""), ""),
        (Dispatch(shipment="a\x00b"), ""),
        (Dispatch(shipment="x" * MOST_SUBJECT), "x" * MOST_SUBJECT),
        (Dispatch(shipment="x" * (MOST_SUBJECT + 1)), ""),
    ],
)
def test_what_a_message_is_about(message: Message, about: str) -> None:
    assert subject_of(message) == about


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"shipment": list[str]},
        {"shipment": bool},
        {"shipment": float},
        {"shipment": str | None},
        {"shipment": Dispatch},
        {"shipments": str},
    ],
)
def test_a_subject_is_a_field_with_a_str_or_an_int(fields: dict[str, Any]) -> None:
    make: Any = type(Message)
    with pytest.raises(DeclarationError, match="its subject 'shipment' is no field"):
        make("Wrong", (Message,), {"__annotations__": fields, "__module__": __name__}, subject="shipment")
