"""Messages: the typed values that flow on edges.

1. A message is an immutable pydantic model that refuses unknown fields.
2. Its type has a `version`. A stored message of an older version is lifted to the present one by the type's
   `upcasters`, one version at a time, before it is validated; one of a newer version is refused.
3. A message is stored, hashed and shown as its JSON bytes, fields in the order of their declaration.
4. A type may say what its messages are about: `class Dispatch(Message, subject="shipment")` names the field that holds
   the number by which people know the thing. `answerable why` finds it by that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, Unpack

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticSerializationError

from answerable.errors import DeclarationError, InvalidMessage

MOST_SUBJECT = 200  # characters

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


class Message(BaseModel):
    """The base of all message types.

    Class attributes: `version`, the schema version of this type (default 1); `upcasters`, for each older version the
    function that turns its fields (a dict as stored) into those of the next version. `subject` is given with the class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    version: ClassVar[int] = 1
    upcasters: ClassVar[Mapping[int, Upcaster]] = {}
    subject_field: ClassVar[str] = ""

    def __init_subclass__(cls, *, subject: str = "", **config: Unpack[ConfigDict]) -> None:
        super().__init_subclass__(**config)
        if subject:
            cls.subject_field = subject

    @classmethod
    def __pydantic_init_subclass__(cls, **_kwargs: Any) -> None:
        """Check the type when its fields are known. Raises: DeclarationError if its subject is no field for one."""
        field = cls.model_fields.get(cls.subject_field) if cls.subject_field else None
        kind = field.annotation if field is not None else None
        if cls.subject_field and not (isinstance(kind, type) and issubclass(kind, str | int) and kind is not bool):
            raise DeclarationError(
                f"{cls.__name__}: its subject {cls.subject_field!r} is no field that holds a str or an int",
                hint=f"name one of its own fields: {', '.join(cls.model_fields) or 'it has none'}",
            )

    def to_bytes(self) -> bytes:
        """This message as JSON (UTF-8). Made without validation, it may give bytes that `from_bytes` refuses.

        Raises: InvalidMessage if something in it cannot be written, such as half of a surrogate pair.
        """
        try:
            return self.__pydantic_serializer__.to_json(self, warnings=False)
        except (PydanticSerializationError, UnicodeEncodeError) as error:
            raise InvalidMessage(
                f"this {type(self).__name__} cannot be written as JSON: {error}", hint="correct its fields"
            ) from error

    @classmethod
    def from_bytes(cls, data: bytes, *, version: int | None = None) -> Self:
        """Read a message that was written as JSON, lifting it from an older `version` if it has one.

        Raises: InvalidMessage if it does not fit the type, or is of a version that this type cannot read.
        """
        try:
            if version is None or version == cls.version:
                return cls.model_validate_json(data)
            return cls.model_validate_json(json.dumps(cls._lifted(json.loads(data), version)))
        except ValidationError as error:
            raise invalid(cls, error) from error

    @classmethod
    def _lifted(cls, fields: dict[str, Any], version: int) -> dict[str, Any]:
        if version > cls.version:
            raise InvalidMessage(
                f"a stored {cls.__name__} has version {version}; this program knows versions up to {cls.version}",
                hint="run it with the newer program that wrote it",
            )
        for older in range(version, cls.version):
            if older not in cls.upcasters:
                raise InvalidMessage(
                    f"a stored {cls.__name__} has version {version}, and there is no upcaster from {older}",
                    hint=f"add {cls.__name__}.upcasters[{older}], a function from the old fields to the new",
                )
            fields = cls.upcasters[older](fields)
        return fields


def subject_of(message: Message) -> str:
    """What a message is about, by the field that its type names; "" if that is nothing to find it by."""
    value = str(getattr(message, message.subject_field)) if message.subject_field else ""
    return value if value.isprintable() and len(value) <= MOST_SUBJECT else ""


def invalid(expected: type[BaseModel], error: ValidationError) -> InvalidMessage:
    """The `InvalidMessage` that says which fields of `expected` are wrong, without repeating their values."""
    fields = "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'the message'}: {item['msg']}"
        for item in error.errors(include_input=False, include_url=False)
    )
    return InvalidMessage(f"not a valid {expected.__name__}: {fields}", hint="correct these fields and try again")
