"""A worker in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.commands.conftest import Desk

ANSWERABLE = Path(sys.executable).with_name("answerable")


@contextmanager
def working(desk: Desk, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`answerable work`, from when it says that it works."""
    process = subprocess.Popen(
        [ANSWERABLE, "work", *words],
        env=os.environ | desk.environment,
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "working for letters\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(("told", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_worker_takes_up_what_was_decided_and_ends_when_told(desk: Desk, told: signal.Signals, code: int) -> None:
    run = desk.waiting()
    with working(desk) as process:
        desk("approve", run.waiting_for[0].id, "--option", "as-proposed", "--as", "dora")
        while desk.json("runs", "show", run.id)["status"] != "done":  # if it never is, this test hangs, and is ended
            assert process.poll() is None
        process.send_signal(told)
        said, trouble = process.communicate()
        assert process.returncode == code, trouble
    assert ("told to stop" in said) is (told is signal.SIGTERM)
    assert ("stopped; what was recorded is kept" in trouble) is (told is signal.SIGINT)
    assert len(desk.receiver.happened) == 1


def test_a_worker_needs_a_store_and_a_program(desk: Desk) -> None:
    assert "there is no store" in desk("work", code=1).stderr
    desk.waiting()
    assert "no program is installed for the system 'letters'" in desk("work", code=1, ANSWERABLE_SERVICE="").stderr
    assert "this store has no system 'parcels'" in desk("work", "parcels", code=1, ANSWERABLE_SERVICE="").stderr
