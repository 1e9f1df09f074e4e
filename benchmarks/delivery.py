"""What is lost while a collector is away: `python -m benchmarks.delivery [--json] [--seconds N] [--kills N]`.

One process makes 202 spans of ours a second (a run of 100 steps) and as many with OpenTelemetry's stock
`BatchSpanProcessor`, to the same collector over OTLP HTTP. The collector takes spans for a while, is away for
`seconds`, and is back for a while. `kills` of the process in between, with SIGKILL, each followed by a new one on the
same store.

`lost` is the part of what was made that never came: of ours, what the records of the ledger call for; of the stock's,
what it said that it had made, a second behind, which is in its favour. `changed` are spans of ours that came with
bytes that the ledger does not give. `came_again` is how many arrivals of ours were copies, byte for byte.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import select

from answerable.tracing.export.flow import Flow
from answerable.tracing.export.outbox import Outgoing, outgoing
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.ledger.placed import placed_of
from answerable.tracing.spans.projection import project_all
from answerable.tracing.spans.span import SCOPE
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, open_store
from answerable.tracing.storage.tables.runs import runs
from benchmarks.collector import Journal, collecting, digest, free_port
from benchmarks.worker import STOCK

SECONDS = 30.0
AROUND_SECONDS = 6.0  # before and after: longer than the stock's processor waits with a batch
DRAIN_SECONDS = 600.0

_RUNS = Statement(select(runs.c.id))


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What came of what was made, in spans; `cpu_seconds` is what all working processes took."""

    seconds: float
    kills: int
    ours: int
    ours_missing: int
    ours_changed: int
    ours_came_again: int
    stock: int
    stock_missing: int
    cpu_seconds: float

    @property
    def ratios(self) -> dict[str, float]:
        """The lost part of each."""
        return {"ours_lost": self.ours_missing / self.ours, "stock_lost": self.stock_missing / self.stock}


def measure(folder: Path, *, seconds: float, kills: int) -> Delivered:
    """Have a collector go away for `seconds`, and see what came. The store comes into `folder`."""
    store, port, journal = f"sqlite:///{folder / 'delivery.db'}", free_port(), Journal()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with ExitStack() as stack:
        first = stack.enter_context(ExitStack())
        first.enter_context(collecting(journal, port))
        worker = _Worker(folder, store, port)
        worker.wait()
        time.sleep(AROUND_SECONDS)
        first.close()
        stock = 0
        for _ in range(kills):
            time.sleep(seconds / (kills + 1))
            stock += worker.kill()
            worker = _Worker(folder, store, port)
        time.sleep(seconds / (kills + 1))
        stack.enter_context(collecting(journal, port))
        time.sleep(AROUND_SECONDS)
        stock += worker.end()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        ours, missing, changed = asyncio.run(_compare(store, port, journal))
    return Delivered(
        seconds=seconds,
        kills=kills,
        ours=ours,
        ours_missing=missing,
        ours_changed=changed,
        ours_came_again=journal.came[SCOPE] - len(journal.spans[SCOPE]),
        stock=stock,
        stock_missing=max(0, stock - len(journal.spans[STOCK])),
        cpu_seconds=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
    )


async def _compare(url: str, port: int, journal: Journal) -> tuple[int, int, int]:
    """How many spans the ledger calls for, how many of them never came, and how many came as something else."""
    store = open_store(url)
    flow = Flow(store, ExportSettings(endpoint=f"http://127.0.0.1:{port}/v1/traces"))
    assert await flow.drain(DRAIN_SECONDS), "the spans did not leave in time"
    came = journal.spans[SCOPE]
    called = missing = 0
    changed = set(came)
    for (run,) in await store.read(lambda tx: tx.all(_RUNS)):
        for span in await _spans(store, run):
            called += 1
            missing += span.key not in came
            if came.get(span.key) == {digest(span.data)}:
                changed.discard(span.key)
    store.close()
    return called, missing, len(changed)


async def _spans(store: Store, run: str) -> list[Outgoing]:
    return outgoing(project_all(await store.read(lambda tx: placed_of(tx, run))))


class _Worker:
    """A running `benchmarks.worker`."""

    def __init__(self, folder: Path, store: str, port: int) -> None:
        self._said = folder / f"said-{time.monotonic_ns()}"
        command = [sys.executable, "-m", "benchmarks.worker", store, f"http://127.0.0.1:{port}"]
        with self._said.open("w") as out:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.DEVNULL)

    def wait(self) -> None:
        """Wait until it works."""
        while not self._said.read_text() and self._process.poll() is None:
            time.sleep(0.1)

    def kill(self) -> int:
        """Kill it; how many stock spans it had made."""
        self._process.send_signal(signal.SIGKILL)
        return self.end()

    def end(self) -> int:
        """Have it end well; how many stock spans it had made."""
        self._process.communicate()
        whole = [line for line in self._said.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return int(whole[-1]) if whole else 0


def main() -> None:
    """Measure, and print a line or one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.delivery", description="What an outage loses")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"how long it is away (default: {SECONDS:g})")
    parser.add_argument("--kills", type=int, default=0, help="of the process, meanwhile (default: 0)")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        found = measure(Path(folder), seconds=arguments.seconds, kills=arguments.kills)
    if arguments.json:
        print(json.dumps({**asdict(found), **found.ratios}, indent=2))
    else:
        print(say(found))


def say(found: Delivered) -> str:
    """What was measured, in words."""
    return (
        f"collector away for {found.seconds:g} s, {found.kills} kills: of {found.ours:,} spans of ours "
        f"{found.ours_missing:,} were lost ({found.ratios['ours_lost']:.0%}), {found.ours_changed:,} came changed, "
        f"{found.ours_came_again:,} came again; of {found.stock:,} of the stock BatchSpanProcessor "
        f"{found.stock_missing:,} were lost ({found.ratios['stock_lost']:.0%}); {found.cpu_seconds:.0f} s of CPU"
    )


if __name__ == "__main__":
    main()
