"""How long an answer to "why?" takes: `python -m benchmarks.why [--json]`, or `make bench`.

A ledger of 1,000,000 records in one SQLite file: runs that are chains of 50 agents, and one run each of 1,000 and of
10,000 records. The records are what the runtime writes (a step that begins, one that ends, a crossing), with ids that
are derived as the runtime derives them; they are written straight into the tables, placed and taken into the index.

Counted is the time on the wall in a warm process, in milliseconds, the median and the worst of `--asked` ids at random:

- `find`: from an id to its run; `why`, `why_by_beginning`, `why_by_subject`: from what is typed (an id at the end of a
  chain, its first 16 characters, a number that the last message is about) to the whole story, 50 hops back;
- `impact`: from the first crossing of a chain, 50 hops forward; `json`, `page`: making these of a story that is there;
- `why_1000`, `why_10000`: the end of a run of so many records.

`command` is the whole command in a new process, imports and the record of who read included. `feed` is how many records
a second are taken into the index, and `index_bytes` what it takes on disk for each record.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from answerable.orchestrator.runs import insert_run
from answerable.tracing import ids
from answerable.tracing.evidence.story.answers import explain
from answerable.tracing.evidence.story.document import document_of
from answerable.tracing.evidence.story.page import page_of
from answerable.tracing.evidence.story.story import Story
from answerable.tracing.ledger import naming
from answerable.tracing.ledger.entries import append_all
from answerable.tracing.ledger.naming import find_ids
from answerable.tracing.ledger.records.record import MessageRef, Record
from answerable.tracing.ledger.records.runs import RunEnded, RunStarted
from answerable.tracing.ledger.records.steps import Crossed, StepFinished, StepStarted
from answerable.tracing.ledger.sequencer import sequence
from answerable.tracing.people import register_system
from answerable.tracing.storage.statements import inserting
from answerable.tracing.storage.store import Store, Tx, open_store
from answerable.tracing.storage.tables.runs import subjects

RECORDS: Final = 1_000_000
HOPS: Final = 50
LARGE: Final = (1_000, 10_000)  # records of one run
BEGAN: Final = 1_700_000_000_000_000
_INSERT_SUBJECT: Final = inserting(subjects)


def main() -> None:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.why", description='How long an answer to "why?" takes')
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--records", type=int, default=RECORDS, help=f"of the ledger (default: {RECORDS})")
    parser.add_argument("--asked", type=int, default=200, help="how many ids are asked for (default: 200)")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        measured = asyncio.run(measure(Path(folder), arguments.records, arguments.asked))
    if arguments.json:
        print(json.dumps(measured, indent=2))
    else:
        show(measured)


async def measure(folder: Path, records: int, asked: int) -> dict[str, Any]:
    """Make the ledger, and ask."""
    file = folder / "why.db"
    store = open_store(f"sqlite:///{file}")
    try:
        made = await fill(store, records)
        before = _bytes(file)
        began = time.perf_counter()
        fed = 0
        while count := await store.write(lambda tx: naming.feed(tx, at_most=1024)):
            fed += count
        took = time.perf_counter() - began

        said: dict[str, Any] = {
            "records": fed,
            "runs": made,
            "feed": round(fed / took),
            "index_bytes": round((_bytes(file) - before) / fed, 1),
        }
        said |= await ask(store, made, asked)
    finally:
        store.close()
    said["command"] = [round(min(whole_command(file, crossing_of(name(0), HOPS)) for _ in range(3)), 1)]
    return said


def _bytes(file: Path) -> int:
    """How large the database is, with nothing left in its log."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return file.stat().st_size


async def fill(store: Store, records: int) -> int:
    """Chains of `HOPS` hops up to so many records, and the large runs; how many chains."""
    await store.write(lambda tx: register_system(tx, "bench", responsible="alice", version="1", at=BEGAN))
    chains = -(-records // (3 * HOPS + 3))
    sizes = [HOPS] * chains + [size // 3 for size in LARGE if size * 10 <= records or records == RECORDS]
    for start in range(0, len(sizes), 100):
        part = list(enumerate(sizes))[start : start + 100]
        await store.write(lambda tx, part=part: _write(tx, part))  # type: ignore[misc]  # mypy does not infer the default
        while await store.write(lambda tx: sequence(tx, at_most=10_000)):
            pass
    return chains


def _write(tx: Tx, part: list[tuple[int, int]]) -> None:
    for number, hops in part:
        run = name(number, hops)
        append_all(tx, chain(run, hops))
        insert_run(tx, id=run, system="bench", version="1", started_by="", input=message_of(run, 0), at=BEGAN + number)
        tx.run(_INSERT_SUBJECT, subject=f"S-{number}", run=run, message=message_of(run, hops))


def name(number: int, hops: int = HOPS) -> str:
    """The id of a run."""
    return f"run-{number}" if hops == HOPS else f"run-of-{hops}"


def message_of(run: str, place: int) -> str:
    """The message that the agent at `place` of a chain makes; 0 is the input."""
    return ids.derive(ids.MESSAGE, run, str(place))


def crossing_of(run: str, place: int) -> str:
    """The crossing of that message."""
    return ids.derive(ids.CROSSING, run, str(place))


def chain(run: str, hops: int) -> Iterator[Record]:
    """The records of a chain of so many agents, as the runtime writes them."""
    person, desk, host = "prs_" + "a" * 32, "prs_" + "b" * 32, "bench/127.0.0.1"
    at = BEGAN

    def stamp() -> dict[str, Any]:
        return {"at": at, "system": "bench", "run": run, "responsible": person, "chain": (person,)}

    def ref(place: int) -> MessageRef:
        return MessageRef(id=message_of(run, place), type="Text", commitment="c" * 64)

    yield RunStarted(**stamp(), version="1", started_by=desk, message=ref(0))
    for place in range(hops + 1):
        at += 1000
        source = f"agent-{place}" if place else "START"
        target = f"agent-{place + 1}" if place < hops else "END"
        step, sender = ids.derive(ids.STEP, run, str(place + 1)), ids.derive(ids.STEP, run, str(place))
        yield Crossed(
            **stamp(),
            crossing=crossing_of(run, place),
            edge=f"{source}→{target}.text",
            source=source,
            target=target,
            input="text",
            step=sender if place else "",
            purpose="hand it on",
            message=ref(place),
            host=host,
        )
        if place < hops:
            parent = sender if place else ""
            yield StepStarted(**stamp(), step=step, node=target, attempt=1, parent=parent, host=host)
            at += 1000
            yield StepFinished(
                **stamp(),
                step=step,
                node=target,
                role="agent",
                owner="bench-team",
                started_at=at - 1000,
                outcome="done",
                parent=parent,
                consumed={"text": crossing_of(run, place)},
                links=(crossing_of(run, place),),
                produced=(ref(place + 1),),
                host=host,
            )
    yield RunEnded(**stamp(), status="done", result=ref(hops))


async def ask(store: Store, chains: int, asked: int) -> dict[str, Any]:
    """What it takes to answer, in milliseconds: median and worst."""
    chosen = random.Random(4).choices(range(chains), k=asked)
    last = [crossing_of(name(number), HOPS) for number in chosen]
    first = [crossing_of(name(number), 0) for number in chosen]
    story: Story = await store.read(lambda tx: explain(tx, last[0]))
    steps = sum(fact.kind == "step" for fact in story.path)
    assert steps == HOPS, steps
    said: dict[str, Any] = {"hops": steps, "facts": len(story.path)}
    questions: dict[str, list[Callable[[Tx], object]]] = {
        "find": [lambda tx, id=id: find_ids(tx, id) for id in last],  # type: ignore[misc]  # as above
        "why": [lambda tx, id=id: explain(tx, id) for id in last],  # type: ignore[misc]
        "why_by_beginning": [lambda tx, id=id: explain(tx, id[:16]) for id in last],  # type: ignore[misc]
        "why_by_subject": [lambda tx, one=one: explain(tx, f"S-{one}") for one in chosen],  # type: ignore[misc]
        "impact": [lambda tx, id=id: explain(tx, id, "impact") for id in first],  # type: ignore[misc]
    }
    for size in LARGE:
        end = crossing_of(name(0, size // 3), size // 3)
        if await store.read(lambda tx, end=end: find_ids(tx, end)):  # type: ignore[misc]
            questions[f"why_{size}"] = [lambda tx, id=end: explain(tx, id)] * 5  # type: ignore[misc]
    for what, works in questions.items():
        said[what] = await _times(store, works)
    said["json"] = _milliseconds([_clocked(lambda: document_of(story)) for _ in range(20)])
    said["page"] = _milliseconds([_clocked(lambda: page_of(story)) for _ in range(20)])
    return said


async def _times(store: Store, works: list[Callable[[Tx], object]]) -> list[float]:
    took = []
    for work in works:
        began = time.perf_counter()
        await store.read(work)
        took.append(time.perf_counter() - began)
    return _milliseconds(took)


def _clocked(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _milliseconds(seconds: list[float]) -> list[float]:
    return [round(1000 * median(seconds), 2), round(1000 * max(seconds), 2)]


def whole_command(file: Path, id: str) -> float:
    """Milliseconds of `answerable why` in a new process."""
    command = [sys.executable, "-m", "answerable", "why", id, "--store", f"sqlite:///{file}", "--as", "bench"]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return 1000 * (time.perf_counter() - began)


def show(measured: dict[str, Any]) -> None:
    """The table."""
    table = Table("", "median ms", "worst ms", title=f"{measured['records']:,} records, {measured['hops']} hops")
    for what, value in measured.items():
        if isinstance(value, list):
            table.add_row(what, *(f"{one:,}" for one in value))
    console = Console()
    console.print(table)
    console.print(
        f"the index takes in {measured['feed']:,} records/s, and {measured['index_bytes']} bytes for each; "
        f"{measured['facts']} facts on a path"
    )


if __name__ == "__main__":
    main()
