"""How long a freeze takes under load: `python -m benchmarks.freeze [--json] [--store URL]`, or `make bench`.

Four processes send as fast as they can, through one store, to a receiver in a process of its own. This process, which
sends nothing, freezes their system again and again, and measures each time, in milliseconds:

- `committed`: from the command until it is committed, which is when nothing new is sent any more;
- `quiesced`: from there until each call that was in flight is known to have ended;
- `empty`: the peer: a durable transaction that writes one row, on the same store and beside the same load.

`sent_after` is how many calls were let go between a freeze and its lifting, by the records; it is 0, or a freeze is
broken. `ratio` is the median of `committed` as a part of the median of `empty`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import bindparam, func, select, update

from answerable.orchestrator.office import Office, open_office
from answerable.tracing.freezes import WHOLE_SYSTEM
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.ledger import records
from answerable.tracing.storage.tables.store import meta
from benchmarks.receiver import receiver
from benchmarks.sender import GATE, RESPONSIBLE, SYSTEM, connect

PROCESSES = 4
FREEZES = 60
PAUSE_SECONDS = 0.2  # about as long the processes send before each measurement
MOST_LOOKS = 20_000  # until it is given up
MEASURED = ("committed", "quiesced", "empty")

_ROW = "benchmark"
_MAKE = inserting(meta)
_TOUCH = Statement(update(meta).values(value=bindparam("to")).where(meta.c.key == bindparam("row")))
_LAST = Statement(select(func.max(records.c.id)).where(records.c.kind == bindparam("kind")))
_SENT = Statement(
    select(func.count()).where(
        records.c.kind == "effect.sent", records.c.id > bindparam("after"), records.c.id < bindparam("before")
    )
)


def main() -> None:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.freeze", description="How long a freeze takes")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--freezes", type=int, default=FREEZES, help=f"how often (default: {FREEZES})")
    parser.add_argument("--store", default="", help="an empty database (default: a file in a new folder)")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        store = arguments.store or f"sqlite:///{Path(folder) / 'freeze.db'}"
        measured = asyncio.run(measure(store, times=arguments.freezes))
    if arguments.json:
        print(json.dumps(measured, indent=2))
    else:
        show(measured)


async def measure(store: str, *, times: int) -> dict[str, Any]:
    """Freeze so many times while others send."""
    with receiver() as there:
        async with connect(store, there.endpoint) as service:
            await service.aaccept_exemption(GATE, by=RESPONSIBLE)
        with _sending(store, there.endpoint):
            async with open_office(store) as office:
                return await _freeze_often(office, times)


@contextmanager
def _sending(store: str, origin: str) -> Iterator[None]:
    """The processes that send, from when all of them do."""
    command = [sys.executable, "-m", "benchmarks.sender", store, origin]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
                )
            )
            for _ in range(PROCESSES)
        ]
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        yield
        for process in processes:
            process.communicate()


async def _freeze_often(office: Office, times: int) -> dict[str, Any]:
    took: dict[str, list[float]] = {name: [] for name in MEASURED}
    store, flying, after = office.store, [], 0
    await store.write(lambda tx: tx.run(_MAKE, key=_ROW, value=""))
    began, first = time.perf_counter(), await store.read(lambda tx: _count(tx, 0, 1 << 62))
    for number in range(times):
        await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))
        clock = time.perf_counter()
        await store.write(partial(_touch, to=str(number)), durable=True)
        took["empty"].append(time.perf_counter() - clock)
        await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))
        clock = time.perf_counter()
        freeze = await office.freeze(SYSTEM, WHOLE_SYSTEM, by=RESPONSIBLE, reason="drill")
        took["committed"].append(time.perf_counter() - clock)
        flying.append(len(freeze.in_flight))
        clock = time.perf_counter()
        await _quiesced(office, freeze.id)
        took["quiesced"].append(time.perf_counter() - clock)
        await asyncio.sleep(PAUSE_SECONDS / 8)  # for what should not happen
        await office.thaw(freeze.id, by=RESPONSIBLE, reason="drill is over")
        after += await store.read(_sent_while_frozen)
    sent = await store.read(lambda tx: _count(tx, 0, 1 << 62)) - first
    return {
        "store": store.dialect,
        "processes": PROCESSES,
        "freezes": times,
        "sent": sent,
        "sent_per_second": round(sent / (time.perf_counter() - began)),
        "in_flight": round(sum(flying) / times, 1),
        "sent_after": after,
        **{name: _milliseconds(seconds) for name, seconds in took.items()},
        "ratio": round(median(took["committed"]) / median(took["empty"]), 2),
    }


def _touch(tx: Tx, to: str) -> None:
    tx.run(_TOUCH, row=_ROW, to=to)


async def _quiesced(office: Office, freeze: str) -> None:
    for _ in range(MOST_LOOKS):
        if (await office.freeze_state(freeze)).state == "quiesced":
            return
        await asyncio.sleep(0.001)
    raise TimeoutError(f"{freeze} did not quiesce")


def _sent_while_frozen(tx: Tx) -> int:
    """Calls let go between the last freeze and its lifting: their records are in the order of the commits."""
    froze, thawed = (tx.one(_LAST, kind=kind) for kind in ("froze", "thawed"))
    assert froze is not None and thawed is not None and froze[0] < thawed[0]
    return _count(tx, froze[0], thawed[0])


def _count(tx: Tx, after: int, before: int) -> int:
    row = tx.one(_SENT, after=after, before=before)
    assert row is not None
    return int(row[0])


def _milliseconds(seconds: list[float]) -> dict[str, float]:
    hundredths = quantiles(seconds, n=100, method="inclusive")
    return {"p50": round(1000 * hundredths[49], 2), "p99": round(1000 * hundredths[98], 2)}


def show(measured: dict[str, Any]) -> None:
    """The table."""
    load = f"{measured['processes']} processes sent {measured['sent_per_second']:,} calls/s"
    table = Table("", "p50 ms", "p99 ms", title=f"{measured['freezes']} freezes on {measured['store']}, while {load}")
    for name in MEASURED:
        table.add_row(name, *(f"{value:,.2f}" for value in measured[name].values()))
    console = Console()
    console.print(table)
    console.print(
        f"sent after committed: {measured['sent_after']} of {measured['sent']:,}; in flight at a freeze: "
        f"{measured['in_flight']}; committed is {measured['ratio']} of an empty durable transaction"
    )


if __name__ == "__main__":
    main()
