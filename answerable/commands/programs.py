"""Finding the program of a system, for commands that need more than the store.

1. A program is an `App`, or a function that takes a store's URL and returns a service (or something that has its `app`
   and opens one in `with`).
2. It is named on the command line (`--service module:name`), or installed under the system's name in the entry-point
   group `answerable.services`. Nothing that a database says is ever imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, Protocol, cast

from answerable.errors import InvalidInput
from answerable.orchestrator.app import App
from answerable.orchestrator.blueprint import Blueprint
from answerable.orchestrator.service import Service

GROUP: Final = "answerable.services"
_HINT: Final = "name it with --service module:name, where name is an App or a function from a store's URL to a service"


class Program(Protocol):
    """Something that opens a service in `with`, and has its app before."""

    @property
    def app(self) -> Any: ...
    def __enter__(self) -> Service[Any, Any]: ...
    def __exit__(self, *error: Any) -> bool | None: ...


def find_program(service: str, system: str, store: str) -> Program:
    """The program that `service` names ("module:name"), else the one that is installed for `system`; not opened yet.

    Raises: InvalidInput if there is none, or it is something else.
    """
    found = _named(service) if service else _installed(system)
    if isinstance(found, App):
        return found.connect(store)
    if not callable(found):
        raise InvalidInput(f"{service or system} is a {type(found).__name__}, which makes no service", hint=_HINT)
    made = found(store)
    opens = isinstance(made, AbstractContextManager)
    if not opens or not isinstance(getattr(made, "app", None), Blueprint):
        raise InvalidInput(f"{service or system} made a {type(made).__name__}, which is no service", hint=_HINT)
    return cast("Program", made)


def _named(service: str) -> App[Any, Any] | Callable[[str], Any]:
    module, _, name = service.partition(":")
    if not module or not name:
        raise InvalidInput(f"{service!r} names nothing", hint=_HINT)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # as `python -m` does: one's own module is usually there
    try:
        found: Any = getattr(import_module(module), name, None)
    except ImportError as error:
        raise InvalidInput(f"{module} cannot be imported: {error}", hint=_HINT) from error
    if found is None:
        raise InvalidInput(f"{module} has no {name!r}", hint=_HINT)
    program: App[Any, Any] | Callable[[str], Any] = found
    return program


def _installed(system: str) -> App[Any, Any] | Callable[[str], Any]:
    found = list(entry_points(group=GROUP, name=system)) if system else []
    if not found:
        known = ", ".join(sorted(each.name for each in entry_points(group=GROUP)))
        raise InvalidInput(
            f"no program is installed for the system {system!r} (there is: {known or 'none'})", hint=_HINT
        )
    try:
        program: App[Any, Any] | Callable[[str], Any] = found[0].load()
    except ImportError as error:
        raise InvalidInput(f"the program of {system!r} cannot be imported: {error}", hint=_HINT) from error
    return program
