"""What is installed is what requirements/ locks, and that is what pyproject.toml asks for.

`make lock` writes the files; this test fails if it was forgotten.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_REPOSITORY = Path(__file__).parents[2]
_LOCKED = _REPOSITORY / "requirements"
_FORGOTTEN = "pyproject.toml changed: run make lock"


def _project() -> dict[str, Any]:
    return tomllib.loads((_REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def _entries(name: str) -> list[str]:
    """The entries of a file in requirements/, each with its hashes, on one line."""
    text = (_LOCKED / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if not line.startswith("#")]


def _versions(name: str) -> dict[str, set[str]]:
    """Which versions of each package a file names; several, where they differ by Python or platform."""
    found: dict[str, set[str]] = {}
    for entry in _entries(name):
        requirement = Requirement(entry.split(" --hash=")[0].strip())
        (version,) = requirement.specifier
        found.setdefault(canonicalize_name(requirement.name), set()).add(version.version)
    return found


def _asked_for(*, extras: list[str], groups: list[str]) -> list[Requirement]:
    project = _project()
    declared = [*project["project"]["dependencies"]]
    for extra in extras:
        declared += project["project"]["optional-dependencies"][extra]
    for group in groups:
        declared += [line for line in project["dependency-groups"][group] if isinstance(line, str)]
    return [Requirement(line) for line in declared]


def _unmet(asked: list[Requirement], versions: dict[str, set[str]]) -> list[str]:
    return [
        str(requirement)
        for requirement in asked
        if not (found := versions.get(canonicalize_name(requirement.name)))
        or not all(requirement.specifier.contains(version) for version in found)
    ]


def test_everything_that_is_asked_for_is_locked() -> None:
    project = _project()
    extras = list(project["project"]["optional-dependencies"])
    asked = _asked_for(extras=extras, groups=list(project["dependency-groups"]))
    assert _unmet(asked, _versions("all")) == [], _FORGOTTEN


def test_what_the_demo_asks_for_is_locked() -> None:
    assert _unmet(_asked_for(extras=["logistics"], groups=[]), _versions("demo")) == [], _FORGOTTEN


def test_what_the_container_asks_for_is_locked() -> None:
    extras = list(_project()["project"]["optional-dependencies"])
    assert _unmet(_asked_for(extras=extras, groups=[]), _versions("container")) == [], _FORGOTTEN


def test_the_project_is_built_by_the_locked_backend() -> None:
    asked = [Requirement(line) for line in _project()["build-system"]["requires"]]
    assert _unmet(asked, _versions("setup")) == [], _FORGOTTEN


@pytest.mark.parametrize("name", ["container", "demo", "setup"])
def test_no_set_has_versions_of_its_own(name: str) -> None:
    everything = _versions("all")
    assert {package for package, versions in _versions(name).items() if not versions <= everything[package]} == set()


@pytest.mark.parametrize("name", ["all", "container", "demo", "setup"])
def test_each_version_has_its_hashes_and_no_address(name: str) -> None:
    """Whoever installs decides where from; the hashes say what."""
    for entry in _entries(name):
        assert re.search(r" --hash=sha256:[0-9a-f]{64}", entry), entry
        assert "://" not in entry
        assert "index-url" not in entry


def test_an_unlocked_or_outgrown_requirement_is_found() -> None:
    asked = [Requirement("here>=2"), Requirement("Old.One>=2"), Requirement("absent")]
    assert _unmet(asked, {"here": {"2.1"}, "old-one": {"1.9", "2.0"}}) == ["Old.One>=2", "absent"]
