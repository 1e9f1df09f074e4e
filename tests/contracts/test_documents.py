"""Every example in README.md and in the guide runs as it is printed.

1. The blocks of one file run in their order, in a folder of their own, and share their names, as a notebook's cells do.
2. A `python` block is executed; its names stay for the blocks after it.
3. A `bash` block holds commands that begin with `$ answerable` or `make`. The first are run; where lines follow, they
   are what the command prints, with `…` for what differs from run to run. A `make` command names an existing target.
4. A command that ends with 3 waits for a person; that is no mistake. With any other code but 0 it failed.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

_REPOSITORY = Path(__file__).parents[2]
_DOCUMENTS = [_REPOSITORY / "README.md", *sorted((_REPOSITORY / "docs" / "guide").glob("**/*.md"))]
_BLOCK = re.compile(r"^```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_ANSWERABLE = Path(sys.executable).with_name("answerable")
_WAITS_FOR_A_PERSON = 3


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: its language, its text, and the number of lines before that text in its file."""

    language: str
    code: str
    lines_before: int


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command of a `bash` block, and the text that follows it as its output (empty if none does)."""

    line: str
    expected: str


def blocks(text: str) -> list[Block]:
    return [
        Block(language=match["language"], code=match["code"], lines_before=text.count("\n", 0, match.start("code")))
        for match in _BLOCK.finditer(text)
    ]


def commands(code: str) -> list[Command]:
    """Take a `bash` block apart. Raises: ValueError for a line that is neither a command nor some command's output."""
    found: list[Command] = []
    for line in code.replace("\\\n", "").splitlines():
        known = re.match(r"(\$ )?(answerable|make)( |$)", line)
        if known and (known[1] or known[2] == "make"):
            found.append(Command(line=re.split(r" {2,}# ", line.removeprefix("$ "))[0], expected=""))
        elif found and not line.startswith("$ "):
            found[-1] = Command(line=found[-1].line, expected=f"{found[-1].expected}{line}\n")
        else:
            raise ValueError(f"not a known command: {line}")
    return found


def fits(printed: str, expected: str) -> bool:
    """Whether what was printed is what the document says; `…` stands for anything, and blank edges do not count."""
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("…"))
    unified = "\n".join(line.rstrip() for line in printed.strip().splitlines())
    return re.fullmatch(pattern, unified, re.DOTALL) is not None


def _execute(block: Block, document: Path, names: ModuleType) -> None:
    # padded to its place in the file, so that a traceback and inspect.getsource find the very lines
    code = compile("\n" * block.lines_before + block.code, document, "exec", dont_inherit=True)
    exec(code, vars(names))


def _run(command: Command, folder: Path) -> None:
    program, *arguments = shlex.split(command.line)
    if program == "make":
        subprocess.run(["make", "--dry-run", *arguments], cwd=_REPOSITORY, check=True, capture_output=True)
        return
    done = subprocess.run([_ANSWERABLE, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in {0, _WAITS_FOR_A_PERSON}, f"$ {command.line}\n{done.stdout}{done.stderr}"
    if command.expected:
        assert fits(done.stdout, command.expected), (
            f"$ {command.line}\n{done.stdout}\nbut documented:\n{command.expected}"
        )


@pytest.mark.parametrize("document", _DOCUMENTS, ids=lambda path: str(path.relative_to(_REPOSITORY)))
def test_each_example_runs_as_printed(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ModuleType(f"document_{document.stem.replace('-', '_')}")
    names.__file__ = str(document)
    monkeypatch.setitem(sys.modules, names.__name__, names)
    monkeypatch.chdir(tmp_path)
    for block in blocks(document.read_text(encoding="utf-8")):
        if block.language == "python":
            _execute(block, document, names)
        elif block.language == "bash":
            for command in commands(block.code):
                _run(command, tmp_path)
        else:
            assert block.language in {"json", "mermaid", "text", "toml"}, f"nobody runs {block.language} blocks"


def test_blocks_are_found_with_their_place() -> None:
    text = "# Title\n\n```python\nx = 1\n```\n\nand\n\n```text\nnot run\n```\n"
    assert blocks(text) == [
        Block(language="python", code="x = 1\n", lines_before=3),
        Block(language="text", code="not run\n", lines_before=9),
    ]


def test_commands_are_told_from_their_output() -> None:
    code = "make demo     # the storm\n$ answerable runs list\nrun …\ndone\n$ answerable inbox \\\n    --as ann\n"
    assert commands(code) == [
        Command(line="make demo", expected=""),
        Command(line="answerable runs list", expected="run …\ndone\n"),
        Command(line="answerable inbox     --as ann", expected=""),
    ]


@pytest.mark.parametrize("line", ["rm -rf x", "$ pip install answerable", "answerable inbox"])
def test_an_unknown_command_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not a known command"):
        commands(f"{line}\n")


def test_output_fits_what_is_printed() -> None:
    assert fits("run 7f3a  done \nok\n\n", "run …  done\nok\n")
    assert not fits("run 7f3a  waiting\nok\n", "run …  done\nok\n")
    assert not fits("run 7f3a  done\n", "run …  done\nok\n")
