"""Rule files: a standing rule as somebody writes it, in TOML, and what must be true of it.

1. Everything that a rule may do stands in it: where it decides, the option that it chooses, the effects that it may
   release, how often and how much, from when until when, its policy, and cases that show what it means.
2. A rule that permits has a cap and a case of each kind: one that it decides, one that it leaves to a person.
3. Whatever is wrong is told at once, in words, with where it stands.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from answerable.approvals.rules.contexts import LARGEST
from answerable.errors import InvalidRule

MOST_BYTES: Final = 64 * 1024
COUNT: Final = "count"
VALUE: Final = "value"

Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Words: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Cap(_Strict):
    """At most so much of something per hour or day: "count" of decisions, their "value", or a number that is seen."""

    of: str = Field(min_length=1, max_length=200)
    most: int = Field(ge=0, le=LARGEST)
    per: Literal["hour", "day"]

    def __str__(self) -> str:
        what = {COUNT: "decisions", VALUE: "value"}.get(self.of, self.of)
        return f"{self.most:,} {what} per {self.per}"


class Case(_Strict):
    """What a rule does with one context: decides, or leaves it to a person."""

    name: Words
    decides: bool
    context: dict[str, Any]


class RuleFile(_Strict):
    """A standing rule as its file says. `author` is a handle; `option` is "" for one that only forbids.

    `sample` is how many percent of what it decides are reviewed by a person afterwards.
    """

    name: Name
    version: int = Field(ge=1, le=1_000_000)
    purpose: Words
    author: str = Field(min_length=1)
    system: str = Field(min_length=1)
    approval: str = Field(min_length=1)
    option: str = ""
    effects: list[str] = Field(default_factory=list, max_length=100)
    caps: list[Cap] = Field(default_factory=list, max_length=10)
    not_before: AwareDatetime | None = None
    expires: AwareDatetime | None = None
    sample: int = Field(default=5, ge=0, le=100)
    policy: str = Field(min_length=1)
    tests: list[Case] = Field(min_length=1, max_length=200)


def read_rule_file(path: Path) -> RuleFile:
    """The rule in a file. Raises: InvalidRule."""
    try:
        written = path.read_bytes()
    except OSError as error:
        raise InvalidRule(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        text = written.decode()
    except UnicodeDecodeError as error:
        raise InvalidRule(f"{path} is no text in UTF-8") from error
    return read_rule(text, where=str(path))


def read_rule(text: str, *, where: str) -> RuleFile:
    """The rule that a text says. Raises: InvalidRule."""
    if len(text.encode()) > MOST_BYTES:
        raise InvalidRule(f"{where} has more than {MOST_BYTES:,} bytes", hint="nobody approves what they cannot read")
    try:
        rule = RuleFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidRule(f"{where} is no TOML: {error}") from error
    except ValidationError as error:
        wrong = "\n".join(_said(one["loc"], one["msg"]) for one in error.errors(include_url=False, include_input=False))
        raise InvalidRule(f"{where} is no rule:\n{wrong}", hint="docs/guide/rules.md has each field") from error
    problems = list(_problems(rule))
    if problems:
        raise InvalidRule(f"{where} cannot be a rule:\n" + "\n".join(problems))
    return rule


def _said(where: tuple[int | str, ...], what: str) -> str:
    place = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in where).lstrip(".")
    if where and where[-1] in ("not_before", "expires"):
        what = "a time with its time zone, such as 2026-11-01T00:00:00Z"
    return f"{place}: {what}"


def _problems(rule: RuleFile) -> Iterator[str]:
    """What a rule's fields do not say together."""
    for cap in rule.caps:
        if cap.most == 0:
            yield (
                f"a cap of zero {cap.of} per {cap.per} lets the rule decide nothing: leave the rule out, or give a cap"
            )
    caps = [(cap.of, cap.per) for cap in rule.caps]
    twice = sorted({one for one in caps if caps.count(one) > 1})
    yield from (f"there are two caps of {of} per {per}" for of, per in twice)
    if rule.option and not rule.caps:
        yield "a rule that decides needs a cap: how often, or how much, per hour or day"
    if not rule.option and (rule.caps or rule.effects):
        yield "a rule without an option decides nothing, so it has neither caps nor effects: name the option it chooses"
    if rule.option and {case.decides for case in rule.tests} != {True, False}:
        yield "a rule that decides needs a case that it decides, and one that it leaves to a person"
    if not rule.option and any(case.decides for case in rule.tests):
        yield "a rule without an option decides no case"
    if rule.not_before and rule.expires and rule.expires <= rule.not_before:
        yield "it expires before it begins"
