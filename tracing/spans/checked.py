"""Checked spans: in tests, each span is held against the registry of attributes, in whatever process it is made.

1. `ANSWERABLE_SPAN_FAULTS=FILE` turns it on: what is wrong with a span is appended to the file, a line of JSON for each
   fault. Nothing is raised, so that the program under test does what it would do. Without it a span costs one look-up.
2. A key is registered, has its type, stands there once, and may stand on what the span shows; those that always stand
   on it are there. Of another library's span only the keys are looked at that could be taken for ours.
3. A span that is encoded is on its way to somebody: what always stands on it says something.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from answerable.tracing.spans.attributes import CHECKPOINT, EVERY, OTHER, REGISTRY, RESOURCE, Attribute

FILE: Final = os.environ.get("ANSWERABLE_SPAN_FAULTS", "")
_MOST_BYTES: Final = 100_000  # of the file: nobody reads more
_OURS: Final = "accountability."
_TYPES: Final[Mapping[str, Any]] = {"string": str, "int": int, "bool": bool, "string[]": tuple}


def faults_of(shows: str, pairs: Iterable[tuple[str, Any]], *, filled: bool = False) -> Iterator[str]:
    """What is wrong with the attributes of a span that shows `shows` (or `RESOURCE`, of a resource).

    With `filled`, what always stands on it must say something, too.
    """
    kinds = {shows} if shows in (RESOURCE, CHECKPOINT) else {shows, EVERY}
    said: dict[str, Any] = {}
    for key, value in pairs:
        if key in said:
            yield f"{key} stands there twice"
        said[key] = value
        yield from _one(key, value, kinds)
    for key, known in REGISTRY.items():
        if kinds.isdisjoint(known.always):
            continue
        if key not in said:
            yield f"{key} is missing"
        elif filled and said[key] == "":
            yield f"{key} says nothing"


def faults_of_other(pairs: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """What is wrong with the attributes of another library's span."""
    for key, value in pairs:
        if key.startswith(_OURS):
            yield from _one(key, value, {OTHER})


def _one(key: str, value: Any, kinds: Collection[str]) -> Iterator[str]:
    known: Attribute | None = REGISTRY.get(key)
    if known is None:
        yield f"{key} is not in the registry"
        return
    if type(value) is not _TYPES[known.type]:
        yield f"{key} is {value!r}, but has the type {known.type}"
    if not any(kind in known.always or kind in known.maybe for kind in kinds):
        yield f"{key} stands on a span that shows {', '.join(sorted(kinds))}"


def note(name: str, faults: Iterable[str]) -> None:
    """Write down what is wrong with the span of this name."""
    lines = "".join(json.dumps({"span": name, "fault": fault}) + "\n" for fault in faults)
    if lines and FILE:
        with open(FILE, "ab", buffering=0) as out:  # noqa: PTH123  # one write each: several processes append
            if out.tell() < _MOST_BYTES:
                out.write(lines.encode())
