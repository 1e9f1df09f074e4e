"""The live view of a run, drawn without a terminal."""

from __future__ import annotations

import io

import anyio
import pytest
from rich.console import Console

from answerable.commands.live import RunPicture, sentence, watched
from answerable.orchestrator.progress import Progress, State
from answerable.tracing.storage.store import open_store
from tests.commands.conftest import Desk
from tests.commands.serving import app
from tests.orchestrator.letters import CARRIER, Ask


class Seconds:
    """A clock that is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def picture(seconds: Seconds) -> RunPicture:
    return RunPicture(app.graph, "run_1", clock=seconds)


def told(picture: RunPicture, node: str, *states: State, detail: str = "", value: object = None) -> None:
    for state in states:
        picture.tell(Progress("run_1", node, state, detail, value))


def drawn(picture: RunPicture, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    with console.capture() as printed:
        console.print(picture.drawn(width))
    lines = printed.get().splitlines()
    assert max(len(line) for line in lines) <= width
    return lines


def line_of(picture: RunPicture, node: str, width: int = 80) -> str:
    (line,) = [line for line in drawn(picture, width) if line[2:].startswith(f"{node} ") and line[0] in "○◐◆●✗■"]
    return line


def test_who_works_and_for_how_long(picture: RunPicture, seconds: Seconds) -> None:
    assert line_of(picture, "write").startswith("○")
    told(picture, "write", "working")
    seconds.now = 2.5
    assert line_of(picture, "write").startswith("◐") and "works for 2.5 s" in line_of(picture, "write")
    told(picture, "write", "emitted", value="half of it")
    assert "half of it" in line_of(picture, "write")
    told(picture, "write", "done")
    assert line_of(picture, "write").startswith("●") and "2.5 s" in line_of(picture, "write")


def test_a_node_with_several_steps_works_until_the_last_has_ended(picture: RunPicture) -> None:
    told(picture, "write", "working", "working", "done")
    assert line_of(picture, "write").startswith("◐")
    told(picture, "write", "failed")
    assert line_of(picture, "write").startswith("✗")


def test_who_waits(picture: RunPicture) -> None:
    told(picture, "sign", "working", "done", "waiting", detail="req_1")
    assert line_of(picture, "sign").startswith("◆") and "waits for a person" in line_of(picture, "sign")


def test_what_happens_in_other_runs_is_not_shown(picture: RunPicture) -> None:
    picture.tell(Progress("run_2", "write", "working"))
    picture.tell(Progress("run_1", "nobody", "working"))
    assert line_of(picture, "write").startswith("○")


def test_what_an_agent_says_does_not_command_the_terminal(picture: RunPicture) -> None:
    assert sentence(Progress("run_1", "write", "emitted", value="\x1b[2J\u202e")) == "write says \\u001b[2J\\u202e"
    told(picture, "write", "working", "emitted", value="\x1b[2J")
    assert "\x1b" not in "".join(drawn(picture))


def test_purposes_are_shown_where_there_is_room(picture: RunPicture) -> None:
    assert "may it be sent?" in line_of(picture, "sign", 160)
    assert "may it be sent?" not in line_of(picture, "sign", 80)


def test_hops_and_calls_are_read_from_the_store(desk: Desk) -> None:
    run = desk.waiting()
    picture = RunPicture(app.graph, run.id)
    store = open_store(desk.url)
    try:
        anyio.run(store.read, picture.count)
    finally:
        store.close()
    lines = drawn(picture)
    assert "2 hops · 2 calls prepared" in lines
    assert line_of(picture, "write").startswith("●") and "1 in" in line_of(picture, "write")
    assert "2 prepared" in line_of(picture, "post")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_run_is_watched(desk: Desk, terminal: bool) -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=terminal, _environ={})
    with app.connect(desk.url, origins={CARRIER: desk.receiver.origin}) as service:
        with watched(service, "run_1", console):
            service.run(Ask(), by="nils", run_id="run_1")
        service.run(Ask(), by="nils")
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    assert "sign waits for a person: req_" in printed
    assert ("2 hops" in printed) is terminal
    assert terminal or printed.splitlines()[:2] == ["write works", "write done"]
