"""The names that users import. A change here is a change for every user: it has its line in CHANGELOG.md.

Each public name lives in one defining module, and inside the package it is imported from there.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import answerable

PUBLIC = """
    DAY DELETE END HOUR MINUTE PATCH POST PUT SECOND START Agent AnswerableError App Approval BreakGlass Call Demand
    Effect Ended Expired Failed Message Prioritization Quota Receiver Rejected Request Response Retry Run Service Step
    System Transaction exemption person quorum request role tally
"""

_PACKAGE = Path(answerable.__file__).parent
_ROOMS = ["agents", "approvals", "orchestrator", "tracing"]
_MODULES = [path for room in _ROOMS for path in sorted((_PACKAGE / room).rglob("*.py"))]
_LARGEST_MODULE_LINES = 420  # the aim is 200, nine of ten under 350


def _name(path: Path) -> str:
    return str(path.relative_to(_PACKAGE.parent))


def test_the_public_names_are_pinned() -> None:
    assert list(answerable.__all__) == PUBLIC.split()


def test_each_public_name_is_there() -> None:
    for name in answerable.__all__:
        assert hasattr(answerable, name), name


def test_the_front_door_defines_nothing_itself() -> None:
    tree = ast.parse((_PACKAGE / "__init__.py").read_text())
    names_only = [
        node
        for node in tree.body
        if not isinstance(node, ast.Import | ast.ImportFrom)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    assert [ast.unparse(node).split(" ")[0].rstrip(":") for node in names_only] == ["__all__"]


def _imports(path: Path) -> list[tuple[str, str]]:
    """What a file imports from the package by `from … import …`: pairs of (module, name)."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    pairs = [(node.module or "", alias.name) for node in nodes for alias in node.names]
    return [(module, name) for module, name in pairs if module.split(".")[0] == "answerable"]


@pytest.mark.parametrize("path", _MODULES, ids=_name)
def test_inside_the_package_the_defining_module_is_imported(path: Path) -> None:
    """`from answerable.agents.messages import Message`, never from `answerable`, a room, or a borrower."""
    for module, name in _imports(path):
        folder = _PACKAGE.parent.joinpath(*module.split("."))
        if folder.is_dir():
            assert (folder / name).is_dir() or (folder / f"{name}.py").is_file(), f"{name} is no module of {module}"
        else:
            borrowed = {name for _, name in _imports(folder.with_suffix(".py"))}
            assert name not in borrowed, f"{name} is only borrowed by {module}: import it from where it is defined"


def test_no_module_is_longer_than_a_person_reads_at_once() -> None:
    modules = {*_PACKAGE.rglob("*.py"), *_MODULES}
    lengths = {_name(path): len(path.read_text().splitlines()) for path in modules}
    assert {name: lines for name, lines in lengths.items() if lines > _LARGEST_MODULE_LINES} == {}
