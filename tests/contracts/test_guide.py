"""Undocumented fails: what a user may set, type or be told has its line in the guide, and the guide invents nothing.

1. What there is comes from the code: the registry of attributes, click's commands, the error classes, signatures.
2. What is documented are the rows of the guide's tables, by the code in their first cell.
3. A link leads to a page, and to a heading of it.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import pytest

import answerable
from answerable.agents.nodes import AgentOptions
from answerable.agents.options import Retry
from answerable.approvals.gate import EffectRow
from answerable.commands import exits
from answerable.commands.cli import cli
from answerable.errors import AnswerableError
from answerable.orchestrator.app import App
from answerable.orchestrator.system import System
from answerable.testing import run as run_in_a_test
from answerable.tracing.export import metrics
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.ledger.records.every import AnyRecord
from answerable.tracing.ledger.records.runs import ENDS
from answerable.tracing.spans import attributes
from tests.support.guide import with_table

_PACKAGE = Path(answerable.__file__).parent
_GUIDE = Path(__file__).parents[2] / "docs" / "guide"
_ROOMS = ["agents", "answerable", "approvals", "inbox", "orchestrator", "tracing"]
_CELL = re.compile(r"(?<!\\)\|")
_SETTING = re.compile(r"\b(?:ANSWERABLE|OTEL|XDG)_[A-Z_]*[A-Z]\b")
_CODE = re.compile(r"[a-z]+(-[a-z]+)+")


def _text(page: str) -> str:
    return (_GUIDE / f"{page}.md").read_text(encoding="utf-8")


def _rows(page: str, first: str) -> dict[str, str]:
    """The table of a page whose header's first cell is `first`: the text of the row by the code in its first cell."""
    lines = _text(page).splitlines()
    begin = next(place for place, line in enumerate(lines) if line.startswith(f"| {first} |"))
    found: dict[str, str] = {}
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        for name in _CELL.split(line)[1].strip().split(", "):
            assert name.strip("`") not in found, line
            found[name.strip("`")] = line
    return found


def _sources() -> Iterator[Path]:
    rooms = {(_PACKAGE / room).resolve() for room in _ROOMS if room != "answerable"} | {_PACKAGE}
    for room in rooms:
        yield from room.rglob("*.py")


def _commands() -> dict[str, click.Command]:
    def below(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
        if not isinstance(command, click.Group):
            yield path, command
            return
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, name
            yield from below(found, f"{path} {name}")

    return dict(below(cli, "answerable"))


def _as_typed(name: str, command: click.Command) -> str:
    """A command as the guide prints it: `answerable runs retry RUN STEP`."""
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    named = [((one.metavar or one.name or "").upper(), one.required) for one in arguments]
    return " ".join([name, *(text if required else f"[{text}]" for text, required in named)])


def _errors() -> dict[str, str]:
    """Each error class of ours by its code."""
    found: dict[str, str] = {}
    waiting: list[type[AnswerableError]] = [AnswerableError]
    while waiting:
        error = waiting.pop()
        assert error.code not in found, f"{error.__name__} and {found[error.code]} share a code"
        found[error.code] = error.__name__
        waiting += [one for one in error.__subclasses__() if one.__module__ == AnswerableError.__module__]
    return found


def _problem_codes() -> set[str]:
    """Every code that a check of `build()` can give, from the source."""
    found: set[str] = set()
    for path in (_PACKAGE / "orchestrator").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            name = ast.unparse(call.func).split(".")[-1]
            given = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
            given += call.args[:1] if name in ("_mistake", "_problem") else []
            for node in (inner for one in given for inner in ast.walk(one)):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value):
                    found.add(node.value)
    return found


class _Asked(dict[str, str]):
    """An environment that notes what it is asked for."""

    def __init__(self, **said: str) -> None:
        super().__init__(said)
        self.names: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]  # one overload of dict's
        self.names.add(name)
        return super().get(name, default)


def _settings() -> set[str]:
    """Every environment variable that the package reads."""
    found = {
        name
        for path in _sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for name in _SETTING.findall(node.value)
    }
    for said in (_Asked(), _Asked(OTEL_TRACES_SAMPLER="traceidratio"), _Asked(OTEL_EXPORTER_OTLP_PROTOCOL="grpc")):
        ExportSettings.from_environment(said)
        found |= said.names
    return found


def test_every_span_attribute() -> None:
    page = _text("tracing")
    assert page == with_table(page, attributes.table()), "`make guide` writes the table anew"


def test_every_metric() -> None:
    assert metrics.table() in _text("tracing"), "the table is that of answerable.tracing.export.metrics.table()"


def test_every_kind_of_record() -> None:
    kinds = get_args(get_args(AnyRecord)[0])
    assert set(_rows("tracing", "kind")) == {kind.model_fields["kind"].default for kind in kinds}


def test_every_setting() -> None:
    assert set(_rows("reference", "variable")) == _settings()


def test_settings_that_have_a_default_of_ours() -> None:
    rows = _rows("reference", "variable")
    assert str(int(ExportSettings().timeout_seconds)) in rows["OTEL_EXPORTER_OTLP_TIMEOUT"]
    assert ExportSettings().protocol in rows["OTEL_EXPORTER_OTLP_PROTOCOL"]


def test_every_command() -> None:
    assert set(_rows("reference", "command")) == {_as_typed(name, one) for name, one in _commands().items()}


@pytest.mark.parametrize("name", _commands())
def test_every_option_of_a_command(name: str) -> None:
    command = _commands()[name]
    row = _CELL.split(_rows("reference", "command")[_as_typed(name, command)])[3]
    options = {opt for one in command.params if isinstance(one, click.Option) for opt in one.opts}
    assert set(re.findall(r"`(--?[a-z-]+)`", row)) == options


def test_every_exit_code() -> None:
    codes = {str(value) for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    documented = set(re.findall(r"^\| (\d+) \|", _text("reference"), re.MULTILINE))
    assert documented == codes | {"2"}  # 2 is click's own


def test_every_error() -> None:
    section = _text("reference").split("## Errors")[1]
    assert dict(re.findall(r"^\| `([a-z-]+)` \| `(\w+)` \|", section, re.MULTILINE)) == _errors()


def test_every_mistake_in_a_graph() -> None:
    assert set(_rows("graph", "code")) == _problem_codes()


@pytest.mark.parametrize(
    ("page", "first", "function"),
    [
        ("runs", "argument of `connect()`", App.connect),
        ("agents", "argument of `agent()`", System.agent),
        ("approvals", "argument of `approval()`", System.approval),
        ("graph", "argument", System.edge),
        ("testing", "argument", run_in_a_test),
    ],
)
def test_every_argument(page: str, first: str, function: object) -> None:
    assert callable(function)
    taken = set(inspect.signature(function).parameters) - {"self", "app", "run_input", "source", "target"}
    taken -= {"name"} if page == "approvals" else set()  # the first argument, which the text shows
    assert {name.split("=")[0] for name in _rows(page, first)} == taken


def test_defaults_of_an_agent() -> None:
    rows = _rows("agents", "argument of `agent()`")
    assert f"| {AgentOptions().limit} |" in rows["limit"]
    assert f"pause_seconds={Retry().pause_seconds}, factor={Retry().factor:g}" in rows["retry"]


def test_every_status_of_a_run() -> None:
    assert set(_rows("runs", "status")) == {"running", "waiting", "frozen", *ENDS}


def test_every_state_of_an_effect() -> None:
    words = (inspect.getdoc(EffectRow) or "").split(":")[1].split(".")[0]
    assert set(_rows("effects", "state")) == {word.strip() for word in words.replace(" or ", ",").split(",")}


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", sorted(_GUIDE.glob("*.md")), ids=lambda path: path.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        there = page.parent / name if name else page
        assert there.is_file(), f"{page.name} → {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(_anchor, headings), f"{page.name} → {target}"


def test_every_page_is_on_the_map() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", _text("index")))
    assert linked == {path.name for path in _GUIDE.glob("*.md")} - {"index.md"}
