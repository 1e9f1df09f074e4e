"""The container file: what it copies is all that the wheel needs, and it builds and installs what it says it does."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FILE = (ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8")
IGNORED = (ROOT / "deploy" / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()


def stages() -> list[list[str]]:
    """The instructions of each stage."""
    found: list[list[str]] = []
    for line in FILE.splitlines():
        if line.startswith("FROM "):
            found.append([])
        elif line and not line.startswith("#") and found:
            found[-1].append(line)
    return found


def copied(stage: list[str]) -> Iterator[tuple[list[str], str]]:
    """The sources from the build's context, and where they go."""
    for line in stage:
        words = line.split()
        if words[0] == "COPY" and not any(word.startswith("--from=") for word in words):
            *sources, target = [word for word in words[1:] if not word.startswith("--")]
            yield sources, target


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first stage sees."""
    folder = tmp_path_factory.mktemp("source")
    for sources, target in copied(stages()[0]):
        for one in sources:
            there = folder / target / Path(one).name if target.endswith("/") else folder / target
            there.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / one).is_dir():
                shutil.copytree(ROOT / one, there, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / one, there)
    return folder


def test_every_source_is_there_and_is_let_through() -> None:
    for stage in stages():
        for sources, _ in copied(stage):
            for one in sources:
                assert (ROOT / one).exists(), one
                assert any(f"!{part}" in IGNORED for part in (one, one.split("/", maxsplit=1)[0])), one
    assert IGNORED[0] == "**", "nothing else gets into the build: no secret, no database, no .git"


def test_the_wheel_is_built_from_what_is_copied(source: Path, tmp_path: Path) -> None:
    (build,) = [line.removeprefix("RUN ") for line in stages()[0] if " build --wheel " in line]
    command = build.replace("/opt/build/bin/uv", str(Path(sys.executable).with_name("uv")))
    command = command.replace("/opt/build/bin/python", sys.executable).replace("/wheel", str(tmp_path))
    subprocess.run(command.split(), cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("answerable/")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    rooms = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for room in rooms:
        missing = {
            f"answerable/{path.relative_to(ROOT)}" for path in (ROOT / room).rglob("*.py") if path.is_file()
        } - packed
        assert not missing, room


def test_what_is_installed_is_locked_and_nothing_is_made_as_root_to_run_as_root() -> None:
    first, last = stages()
    installs = [line for line in first if " install " in line]
    assert len(installs) == 3
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
    assert re.search(r"^ARG PYTHON=python:\d+\.\d+\.\d+-slim-\w+$", FILE, re.MULTILINE)
    user = next(place for place, line in enumerate(last) if line == "USER 10001:10001")
    assert not any(line.startswith(("RUN", "USER")) for line in last[user + 1 :])
