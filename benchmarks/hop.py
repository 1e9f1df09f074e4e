"""What a step costs: `python -m benchmarks.hop [--json]`, or `make bench`.

A chain of 100 nodes that do nothing but hand on a message of 100 bytes, so that all the time is the framework's:

- `bare`: LangGraph, nothing stored;
- `sqlite_saver`, `async_sqlite_saver`: LangGraph with each of its SQLite savers as it is shipped, `durability="sync"`,
  no tracing;
- `sqlite_saver_normal`: the first of these with `synchronous=NORMAL`, which is how our steps are committed;
- `openinference`: the cheaper of these two, traced by OpenInference, exported over OTLP HTTP;
- `ours`: every step, crossing and message recorded in SQLite, the ledger numbered and its tree extended, every span
  projected, put into the outbox and exported over OTLP HTTP.

Counted is the time on the wall from the call to its end, divided by the steps, the median over the rounds: with the
start and the end of the run, and, for those who export, until the collector has acknowledged every span. Not counted
are imports, building the graph and opening the database, and what the collector itself does: it is a process of its
own on loopback, which acknowledges at once. `cpu` is the CPU time of this process alone, all its threads. All chains
run in one process and take turns; the garbage collector stays on. Measure on a machine that has nothing else to do:
whoever hands work to other threads, processes or the disk waits longer for them on a busy one.

`ratio` is a step of ours with everything on, as a part of a step of the cheaper saver as shipped, without any tracing.
A part of what it gains comes from the disk: the savers wait for it at every commit, ours at persons' decisions and at
effects, and not at a step, which a power cut may undo and a resumed run repeats. `ratio_normal` leaves that gain out.

Besides: the bytes that one run adds to its database, per step, for 10, 100 and 1,000 steps with a message of 1,000
bytes, and the peak of memory of a process with a chain of 1,000. The state of the peers is overwritten at each step:
nothing accumulates in it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks.chains import NAMES, SAVERS
from benchmarks.growth import SIZES, Grown, grow
from benchmarks.receiver import receiver

if TYPE_CHECKING:
    from benchmarks.speed import Speed

ROUNDS = 21
Growth = dict[str, dict[int, Grown]]


def main() -> None:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hop", description="What a step costs, beside the peers")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each chain runs (default: {ROUNDS})")
    parser.add_argument("--speed-only", action="store_true", help="neither database sizes nor memory")
    arguments = parser.parse_args()
    with receiver() as collector, TemporaryDirectory() as folder:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.endpoint
        os.environ |= {"ANSWERABLE_ANCHORS": "file", "ANSWERABLE_ANCHOR_FOLDER": folder}  # no spans but those of runs
        # First, while this process is small: a child's peak of memory begins with that of its parent.
        growth = {} if arguments.speed_only else {name: _grow(name) for name in NAMES}
        collector.spans()
        from benchmarks.speed import measure

        speed = asyncio.run(measure(Path(folder), collector, arguments.rounds))
    if arguments.json:
        print(json.dumps(report(speed, growth), indent=2))
    else:
        _show(speed, growth)


def _grow(name: str) -> dict[int, Grown]:
    stores = name in (*SAVERS, "ours")  # the others store what their saver does
    return {steps: grow(name, steps) for steps in (SIZES if stores else SIZES[-1:])}


def report(speed: Speed, growth: Growth) -> dict[str, Any]:
    """What was measured as plain values: µs, bytes."""
    return {
        **{name: round(value, 1) for name, value in speed.medians.items()},
        "ratio": round(speed.ratio, 3),
        "ratio_normal": round(speed.ratio_normal, 3),
        "minimum": {name: round(min(runs), 1) for name, runs in speed.runs.items()},
        "cpu": {name: round(median(cpu), 1) for name, cpu in speed.cpu.items()},
        "rounds": len(speed.runs["ours"]),
        "openinference_on": speed.traced,
        "spans_per_run": {name: sorted(set(counts)) for name, counts in speed.spans.items() if any(counts)},
        "bytes_per_step": {
            name: {steps: round(grown.bytes_per_step) for steps, grown in sizes.items()}
            for name, sizes in growth.items()
            if len(sizes) > 1
        },
        "peak_memory_bytes": {name: sizes[SIZES[-1]].memory for name, sizes in growth.items()},
    }


def _show(speed: Speed, growth: Growth) -> None:
    caption = f"ours / the cheaper saver: {speed.ratio:.2f} as shipped, {speed.ratio_normal:.2f} at NORMAL"
    console = Console()
    title = (
        "What a step costs: µs (median, least, CPU), spans of a run, bytes added at 10, 100, 1,000 steps, peak memory"
    )
    table = Table(title=title, caption=caption)
    table.add_column("")
    for column in ("µs", "least", "CPU", "spans", *(f"B, {steps:,}" for steps in SIZES), "MB"):
        table.add_column(column, justify="right")
    for name in NAMES:
        sizes = growth.get(name, {})
        spans = sorted(set(speed.spans[name]))
        table.add_row(
            name,
            f"{speed.medians[name]:.0f}",
            f"{min(speed.runs[name]):.0f}",
            f"{median(speed.cpu[name]):.0f}",
            ", ".join(map(str, spans)) if any(spans) else "",
            *(f"{sizes[steps].bytes_per_step:,.0f}" if len(sizes) > 1 else "" for steps in SIZES),
            f"{sizes[SIZES[-1]].memory / 1e6:.0f}" if sizes else "",
        )
    console.print(table)


if __name__ == "__main__":
    main()
