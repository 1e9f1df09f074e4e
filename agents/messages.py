"""Messages: the typed values that flow on edges.

1. A message is an immutable pydantic model that refuses unknown fields.
2. Its type has a `version`. A stored message of an older version is lifted to the present one by the type's
   `upcasters`, one version at a time, before it is validated; one of a newer version is refused.
3. A message is stored, hashed and shown as its JSON bytes, fields in the order of their declaration.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticSerializationError

from answerable.errors import InvalidMessage

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


class Message(BaseModel):
    """The base of all message types.

    Class attributes: `version`, the schema version of this type (default 1); `upcasters`, for each older version the
    function that turns its fields (a dict as stored) into those of the next version.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    version: ClassVar[int] = 1
    upcasters: ClassVar[Mapping[int, Upcaster]] = {}

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


def invalid(expected: type[BaseModel], error: ValidationError) -> InvalidMessage:
    """The `InvalidMessage` that says which fields of `expected` are wrong, without repeating their values."""
    fields = "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'the message'}: {item['msg']}"
        for item in error.errors(include_input=False, include_url=False)
    )
    return InvalidMessage(f"not a valid {expected.__name__}: {fields}", hint="correct these fields and try again")
