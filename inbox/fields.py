"""A form made from a message's JSON schema, and the message read back from what was typed.

1. A field's name is its place in the message: `parcels/0/cents`. Lists have the items that they have; each may be left
   out. Where a form would not do (unions, mappings, items to be added), the place is typed as JSON. So is a text with
   characters that are not seen: they stand in it as escapes, and what nobody touches stays as it is.
2. What cannot be read is said at its field, and everything that was typed is kept. Whether the message fits its type is
   for the type to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from answerable.agents.texts import plain

Kind: TypeAlias = Literal["text", "long", "number", "yes-no", "choice", "json", "group", "list"]

MOST_FIELDS: Final = 300
_LONG_CHARACTERS: Final = 80
_DEEPEST: Final = 8


@dataclass(frozen=True, kw_only=True)
class Field:
    """One place of a message, as a form has it; `typed` is what stands in it."""

    name: str
    label: str
    kind: Kind
    typed: str = ""
    choices: Sequence[str] = ()
    optional: bool = False
    trouble: str = ""
    parts: Sequence[Field] = ()

    def __iter__(self) -> Iterator[Field]:
        """This field and all within it."""
        yield self
        for part in self.parts:
            yield from part

    @property
    def dropped(self) -> str:
        """The name of the box that leaves this item of a list out."""
        return f"{self.name}/-"


def form(schema: Mapping[str, Any], value: Any, typed: Mapping[str, str] | None = None) -> Field | None:
    """The form for a value of a schema, with what was `typed` instead; None if it would be too long."""
    made = _field(schema, schema, value, typed, "", "", 0)
    return made if sum(1 for _ in made) <= MOST_FIELDS and made.kind == "group" else None


def read_form(field: Field, typed: Mapping[str, str]) -> tuple[Any, dict[str, str]]:
    """The value that was typed into a form, and what is wrong, by the name of its field."""
    wrong: dict[str, str] = {}
    return _read(field, typed, wrong), wrong


def _field(
    root: Mapping[str, Any],
    schema: Mapping[str, Any],
    value: Any,
    typed: Mapping[str, str] | None,
    name: str,
    label: str,
    depth: int,
) -> Field:
    schema, optional = _plain(root, schema)
    text = _text(value)
    kind = _kind(schema, value, depth)
    said = text if typed is None else typed.get(name, "")
    shared: dict[str, Any] = {"name": name, "label": label or str(schema.get("title", "")), "optional": optional}

    def part(inner: Mapping[str, Any], within: Any, step: str, title: str) -> Field:
        return _field(root, inner, within, typed, f"{name}/{step}" if name else step, title, depth + 1)

    if kind == "group":
        fields = schema["properties"]
        parts = [part(inner, value.get(step), step, step.replace("_", " ")) for step, inner in fields.items()]
        return Field(**shared, kind=kind, parts=parts)
    if kind == "list":
        items = [part(schema["items"], one, str(place), f"{label} {place + 1}") for place, one in enumerate(value)]
        return Field(**shared, kind=kind, parts=items)
    if kind == "choice":
        return Field(**shared, kind=kind, typed=said, choices=[_text(one) for one in schema["enum"]])
    if kind == "json" and typed is None:
        said = _as_json(value)
    return Field(**shared, kind=kind, typed=said)


def _plain(root: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """The schema that a reference or an optional stands for, and whether nothing is allowed, too."""
    optional = False
    for _ in range(_DEEPEST):
        if "$ref" in schema:
            found: Any = root
            for step in str(schema["$ref"]).removeprefix("#/").split("/"):
                found = found[step]
            schema = found
        elif len(either := schema.get("anyOf", [])) == 2 and {"type": "null"} in either:
            optional, schema = True, next(one for one in either if one != {"type": "null"})
        elif "const" in schema:
            schema = {**{key: inner for key, inner in schema.items() if key != "const"}, "enum": [schema["const"]]}
        else:
            break
    return schema, optional


def _kind(schema: Mapping[str, Any], value: Any, depth: int) -> Kind:
    said = schema.get("type")
    if depth < _DEEPEST and said == "object" and "properties" in schema and isinstance(value, Mapping):
        return "group"
    if depth < _DEEPEST and said == "array" and "items" in schema and isinstance(value, list) and value:
        return "list"
    if all(isinstance(one, str) for one in schema.get("enum", [1])):
        return "choice"
    if said == "boolean":
        return "yes-no"
    if said in ("integer", "number"):
        return "number"
    if said == "string" and _unseen(_text(value)):
        return "json"
    if said == "string":
        return "long" if isinstance(value, str) and (len(value) > _LONG_CHARACTERS or "\n" in value) else "text"
    return "json"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _as_json(value: Any) -> str:
    """JSON of which every character is seen."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(json.dumps(one)[1:-1] if _unseen(one) else one for one in text)


def _unseen(text: str) -> bool:
    """Whether a page would show some of its characters as escapes."""
    seen = text.replace("\n", "").replace("\t", "")
    return plain(seen) != seen


def _read(field: Field, typed: Mapping[str, str], wrong: dict[str, str]) -> Any:
    if field.kind == "group":
        return {part.name.rpartition("/")[2]: _read(part, typed, wrong) for part in field.parts}
    if field.kind == "list":
        return [_read(part, typed, wrong) for part in field.parts if part.dropped not in typed]
    said = typed.get(field.name, "").replace("\r\n", "\n")
    if said == "" and field.optional:
        return None
    if field.kind == "yes-no":
        return said == "true"
    if field.kind in ("number", "json"):
        try:
            found = json.loads(said, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            found = None
            wrong[field.name] = "is no number" if field.kind == "number" else "is no JSON"
        if field.kind == "number" and (isinstance(found, bool) or not isinstance(found, int | float)):
            wrong[field.name] = "is no number"
        return found
    return said


def _no_constant(name: str) -> Any:
    raise ValueError(name)
