"""The wheel, built by way of the sdist, is whole: installed by itself, each of its modules can be imported."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import answerable

_REPOSITORY = Path(__file__).parents[2]
_UV = Path(sys.executable).with_name("uv")

_IMPORT_EVERYTHING = """
import importlib, pathlib, pkgutil, sys
import answerable

assert pathlib.Path(answerable.__file__).is_relative_to(sys.prefix), answerable.__file__
names = [module.name for module in pkgutil.walk_packages(answerable.__path__, "answerable.")]
for name in names:
    importlib.import_module(name)
print(*sorted(names), sep="\\n")
"""


def _run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    # the sdist, and from that the wheel, by the backend that is installed here
    build: list[str | Path] = [
        _UV,
        "build",
        "--quiet",
        "--python",
        sys.executable,
        "--no-build-isolation",
        "--out-dir",
        out,
    ]
    _run(*build, cwd=_REPOSITORY)
    (built,) = out.glob("*.whl")
    return built


def _source_files() -> set[str]:
    """Every file of the package, as the links show it, by its path under the repository."""
    package = Path(answerable.__file__).parent
    linked = [package, *(path for path in package.iterdir() if path.is_symlink())]
    files = {path for folder in linked for path in folder.rglob("*") if path.is_file()}
    return {str(path.relative_to(_REPOSITORY)) for path in files if "__pycache__" not in path.parts}


def test_the_wheel_holds_each_file_of_the_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packed = {name for name in names if not name.startswith("answerable-")}
    assert packed == _source_files()
    assert len(names) == len(set(names))


def test_each_module_of_the_installed_wheel_can_be_imported(wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    _run(_UV, "venv", "--quiet", "--python", sys.executable, "venv", cwd=tmp_path)
    locked = _REPOSITORY / "requirements" / "all.txt"
    install: list[str | Path] = [_UV, "pip", "install", "--quiet", "--python", python, "--constraints", locked]
    _run(*install, f"{wheel}[inbox,logistics,postgres,timestamps]", cwd=tmp_path)
    _run(_UV, "pip", "check", "--quiet", "--python", python, cwd=tmp_path)

    imported = set(_run(python, "-I", "-c", _IMPORT_EVERYTHING, cwd=tmp_path).split())

    sources = {Path(name) for name in _source_files() if name.endswith(".py") and name != "answerable/__init__.py"}
    expected = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in sources}
    assert imported == expected
