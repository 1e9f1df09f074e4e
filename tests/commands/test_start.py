"""What an interpreter does not load at its start: the reasons are in docs/decisions/0040-start.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Final

from tests.commands.conftest import Desk

HEAVY: Final = frozenset(
    {
        "fastapi",
        "google.protobuf",
        "grpc",
        "httpx",
        "langchain_core",
        "langgraph",
        "langsmith",
        "opentelemetry.sdk",
        "psycopg",
        "rich",
        "uvicorn",
    }
)
_REPORT: Final = """
import json, sys
print(json.dumps(sorted(set(sys.modules) & set(json.loads(sys.argv[1])))))
"""
_COMMANDS: Final = """
import json, sys
from click.testing import CliRunner
from answerable.commands.cli import cli
from answerable.commands.exits import WAITING

heavy, commands = map(json.loads, sys.argv[1:])
loaded = {}
for words in commands:
    done = CliRunner().invoke(cli, words)
    assert done.exit_code in (0, WAITING), (words, done.output)
    loaded[" ".join(words[:2])] = sorted(set(sys.modules) & set(heavy))
print(json.dumps(loaded))
"""


def _fresh(program: str, *arguments: object, **environment: str) -> str:
    command = [sys.executable, "-c", program, *map(json.dumps, arguments)]
    return subprocess.run(
        command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout  # what it says on stderr is seen with the failure


def test_the_front_door_loads_nothing_that_only_an_open_service_needs() -> None:
    assert json.loads(_fresh("import answerable" + _REPORT, sorted(HEAVY))) == []


def test_a_declared_and_built_system_needs_no_more() -> None:
    program = "import tests.orchestrator.letters as letters\nletters.letters()"
    assert json.loads(_fresh(program + _REPORT, sorted(HEAVY - {"rich"}))) == []


def test_a_command_that_needs_no_program_loads_no_langgraph(desk: Desk) -> None:
    run = desk.waiting("ann")
    request = run.waiting_for[0].id
    commands = [
        ["inbox"],
        ["show", request],
        ["approve", request, "--option", "as-proposed", "--as", "dora"],
        ["runs", "list"],
        ["runs", "show", run.id],
        ["effects", "list"],
        ["people", "list"],
        ["token", "list"],
        ["freeze", "--as", "dora", "--reason", "storm"],
        ["freezes"],
        ["decisions", "export", "--from", "2026-01-01", "--to", "2026-01-31", "-o", f"{desk.file}.csv"],
        ["why", run.id],
        ["ledger", "verify"],
        ["holds", "list"],
    ]
    loaded = json.loads(_fresh(_COMMANDS, sorted(HEAVY - {"rich"}), commands, **desk.environment))
    assert len(loaded) == len(commands)
    assert {words: names for words, names in loaded.items() if names} == {}


def test_one_that_does_loads_it(desk: Desk) -> None:
    run = desk.waiting("ann")
    loaded = json.loads(_fresh(_COMMANDS, sorted(HEAVY), [["runs", "resume", run.id]], **desk.environment))
    assert "langgraph" in loaded["runs resume"]
