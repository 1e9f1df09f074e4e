"""A desk: a store with the letters' people on it, their receiver, and the command line in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from answerable.commands.cli import cli
from answerable.orchestrator.reports import Run
from answerable.testing import FakeReceiver
from tests.commands import serving
from tests.orchestrator.letters import CARRIER, Ask


@dataclass(frozen=True, kw_only=True)
class Desk:
    """`file` is the store; every command is given it by the environment."""

    file: Path
    receiver: FakeReceiver

    @property
    def url(self) -> str:
        return f"sqlite:///{self.file}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "ANSWERABLE_STORE": self.url,
            "ANSWERABLE_SERVICE": serving.PROGRAM,
            serving.ORIGIN: self.receiver.origin,
        }

    def __call__(self, *words: str, code: int = 0, given: str | None = None, **environment: str) -> Result:
        """Run a command and expect its exit code."""
        done = CliRunner().invoke(cli, words, input=given, env=self.environment | environment)
        trouble = done.exception if not isinstance(done.exception, SystemExit) else None
        assert done.exit_code == code and trouble is None, f"{words}: {done.exit_code}, {trouble!r}\n{done.output}"
        return done

    def json(self, *words: str, code: int = 0) -> Any:
        """What a command prints on stdout as JSON."""
        return json.loads(self(*words, "--json", code=code).stdout)

    def waiting(self, text: str = "a") -> Run[Any]:
        """A run that "nils" began and that waits for a lead."""
        with serving.app.connect(self.url, origins={CARRIER: self.receiver.origin}) as service:
            service.people.add("dora", roles=["lead"])
            return service.run(Ask(text=text), by="nils")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with FakeReceiver() as receiver:
        yield Desk(file=tmp_path / "letters.db", receiver=receiver)
