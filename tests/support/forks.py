"""Workers that start at once: a warm parent process, with everything imported, which forks one child for each job.

1. The parent has one thread, no event loop and no connection when it forks.
2. A child is killed with SIGKILL at its failpoint, or when its time is over. What it returns is its exit code.
   One that hangs says where, and ends.
3. The parent is `python -m tests.support.forks MODULE`; it calls `MODULE.warm()` once, and in each child
   `MODULE.perform(job)`. It ends when its standard input does, and its children with it.
"""

from __future__ import annotations

import asyncio
import ctypes
import faulthandler
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from answerable.tracing import failpoints

ROOT = Path(__file__).parents[2]
KILLED = -signal.SIGKILL
FAILED = 70
LIFE_SECONDS = 480  # no job takes that long on a busy machine, so this one hangs

Job = Mapping[str, Any]
"""What a child does: MODULE's own keys; `environment` to be set; `failpoint` ("name:n"), `kill_after` (seconds)."""


class Forks:
    """The parent process, as a test sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, *jobs: Job) -> list[int]:
        """Run jobs side by side to their ends; their exit codes (negative: the signal)."""
        return self.wait(self.start(*jobs))

    def start(self, *jobs: Job) -> list[int]:
        """Begin jobs; their process ids."""
        return self._ask("start", list(jobs))

    def wait(self, pids: Sequence[int]) -> list[int]:
        """Wait for the ends of started jobs; their exit codes."""
        return self._ask("wait", list(pids))

    def _ask(self, verb: str, what: list[Any]) -> list[int]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([verb, what]) + "\n")
        self._process.stdin.flush()
        answer: list[int] = json.loads(self._process.stdout.readline())
        return answer


@contextmanager
def forking(module: str) -> Iterator[Forks]:
    """A warm parent for the jobs of `module`."""
    command = [sys.executable, "-m", "tests.support.forks", module]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "warm\n"
        yield Forks(process)
        process.stdin.close()


class _Parent:
    def __init__(self, module: str, answers: IO[str]) -> None:
        self._module = importlib.import_module(module)
        self._answers = answers
        self._deadlines: dict[int, float] = {}  # pid → when it is killed
        self._module.warm()
        assert threading.active_count() == 1, threading.enumerate()
        gc.collect()
        gc.freeze()

    def serve(self) -> None:
        self._say("warm")
        for line in sys.stdin:
            verb, what = json.loads(line)
            self._say(json.dumps([self._fork(job) for job in what] if verb == "start" else self._wait(what)))

    def _say(self, line: str) -> None:
        self._answers.write(line + "\n")
        self._answers.flush()

    def _fork(self, job: Job) -> int:
        pid = os.fork()
        if pid == 0:
            os._exit(self._child(job))
        if job.get("kill_after") is not None:
            self._deadlines[pid] = time.monotonic() + job["kill_after"]
        return pid

    def _child(self, job: Job) -> int:
        try:
            _die_with_parent()
            os.close(0)
            os.environ.update(job.get("environment", {}))
            failpoints.arm(job.get("failpoint", ""))
            faulthandler.dump_traceback_later(LIFE_SECONDS, exit=True)
            return int(asyncio.run(self._module.perform(job)))
        except BaseException:  # noqa: BLE001 - whatever it is, a child never goes on with the parent's work
            traceback.print_exc()
            sys.stderr.flush()
            return FAILED

    def _wait(self, pids: Sequence[int]) -> list[int]:
        """Kills come at their instants, whichever of the children ends first."""
        codes: dict[int, int] = {}
        poll = select.poll()
        handles = {os.pidfd_open(pid): pid for pid in pids}
        for handle in handles:
            poll.register(handle, select.POLLIN)
        while handles:
            due = [self._deadlines[pid] for pid in handles.values() if pid in self._deadlines]
            timeout = max(0.0, min(due) - time.monotonic()) * 1000 if due else None
            for handle, _ in poll.poll(timeout):
                pid = handles.pop(handle)
                poll.unregister(handle)
                os.close(handle)
                self._deadlines.pop(pid, None)
                codes[pid] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            for pid in handles.values():
                if self._deadlines.get(pid, float("inf")) <= time.monotonic():
                    del self._deadlines[pid]
                    os.kill(pid, signal.SIGKILL)
        return [codes[pid] for pid in pids]


def _die_with_parent() -> None:
    """Have the kernel kill this child when its parent ends (PR_SET_PDEATHSIG): a broken test leaves none behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main(module: str) -> None:
    """Serve on standard input and output; what children print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _Parent(module, answers).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
