"""Targets: where notices go. They are in a file beside the server, and never in the store or in a log.

1. The address of a target holds passwords, so the file says where it is (a file, or an environment variable), not what
   it is. `repr` does not show it, and what a library says about it is cleaned of its parts.
2. A mistake in the file is said before anything is served. What it names of the system (roles, tiers) is not checked:
   the server may serve systems that it does not know yet.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from answerable.agents.texts import check_text
from answerable.errors import InvalidInput

KINDS: Final = ("new", "escalated", "expiring", "ruled", "break-glass", "frozen", "review", "proposed")
_SETTINGS: Final = ("url_file", "url_env", "kinds", "systems", "roles", "least_tier")
_LISTS: Final = ("kinds", "systems", "roles")
_SHORTEST_SECRET: Final = 4  # characters; shorter parts of an address are words like "to"


@dataclass(frozen=True, kw_only=True)
class Target:
    """One target: what it is told of. Empty `systems`, `roles` and `least_tier` mean any."""

    name: str
    url: str = field(repr=False)
    kinds: tuple[str, ...] = KINDS
    systems: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    least_tier: str = ""

    def cleaned(self, said: str) -> str:
        """What somebody said about this target, without any part of its address."""
        parts = {part for part in re.split(r"[^A-Za-z0-9_-]+", self.url) if len(part) >= _SHORTEST_SECRET}
        for part in (self.url, *sorted(parts, key=len, reverse=True)):
            said = said.replace(part, "…")
        return said


def read_targets(file: Path, environment: Mapping[str, str] = os.environ) -> tuple[Target, ...]:
    """The targets of a TOML file. Raises: InvalidInput, which says which target and what, and never an address."""
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{file} cannot be read as TOML: {error}", hint="docs/guide/inbox.md has one") from error
    tables = said.get("targets")
    if set(said) != {"targets"} or not isinstance(tables, dict) or not tables:
        raise InvalidInput(f"{file} names no targets", hint="a table [targets.NAME] for each")
    return tuple(_target(file, name, table, environment) for name, table in tables.items())


def _target(file: Path, name: str, table: Any, environment: Mapping[str, str]) -> Target:
    what = f"target {name!a:.80} of {file}"
    check_text(f"the name of {what}", name, lines=False, required=True)
    if not isinstance(table, dict):
        raise InvalidInput(f"{what} is no table", hint=f"[targets.{name}]")
    unknown = sorted(set(table) - set(_SETTINGS))
    if unknown:
        raise InvalidInput(f"{what} has {', '.join(map(repr, unknown))}", hint=f"it may have {', '.join(_SETTINGS)}")
    for setting in _LISTS:
        value = table.get(setting, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise InvalidInput(f"{setting} of {what} is no list of names", hint=f'{setting} = ["…"]')
    kinds = tuple(table.get("kinds", KINDS))
    wrong = [kind for kind in kinds if kind not in KINDS]
    if wrong or not kinds:
        raise InvalidInput(f"{what} has no kind {', '.join(wrong)}", hint=f"the kinds are {', '.join(KINDS)}")
    least = table.get("least_tier", "")
    if not isinstance(least, str):
        raise InvalidInput(f"least_tier of {what} is no name of a tier", hint='least_tier = "…"')
    return Target(
        name=name,
        url=_url(what, table, environment),
        kinds=kinds,
        systems=tuple(table.get("systems", ())),
        roles=tuple(table.get("roles", ())),
        least_tier=least,
    )


def _url(what: str, table: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    given = [setting for setting in ("url_file", "url_env") if setting in table]
    if len(given) != 1 or not isinstance(table[given[0]], str):
        raise InvalidInput(f"{what} has to say where its address is", hint="url_env = NAME, or url_file = PATH")
    where = table[given[0]]
    if given[0] == "url_env":
        url = environment.get(where, "")
    else:
        try:
            url = Path(where).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise InvalidInput(f"the address of {what} cannot be read from {where}", hint="is it there?") from error
    if not url.strip():
        raise InvalidInput(
            f"{where}, which has the address of {what}, is empty", hint="put an address of apprise there"
        )
    return url.strip()
