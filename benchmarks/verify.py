"""How fast a ledger is verified: `python -m benchmarks.verify [--json]`, or `make bench`.

A ledger in SQLite with records as a chain of agents makes them (600 bytes on average), signed, and in this one process
and on one core:

- `verify`: `verify_ledger`, which reads every row, hashes its bytes, builds the tree, compares it with every stored
  hash and the signed checkpoint, and each row with what its bytes say;
- `deep`: the same, with every record read in full;
- `sha256`: the limit: nothing but SHA-256 over the same bytes, which lie in a list in memory;
- `pymerkle`: the peer: its tree in memory over the same list, built and its root computed. It reads no database, and
  checks nothing.

Counted is CPU time of this process, so that other programs on the machine do not count; the best of some rounds.
`ratio` is `verify` as a part of `sha256`; `ratio_pymerkle` is how many times faster than the peer it is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pymerkle import InmemoryTree
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from answerable.tracing.ledger.entries import append_all
from answerable.tracing.ledger.records.record import MessageRef, Record
from answerable.tracing.ledger.records.steps import Crossed, StepFinished, StepStarted
from answerable.tracing.ledger.sequencer import sequence_all
from answerable.tracing.ledger.signing import open_signer, sign_ledger
from answerable.tracing.ledger.verify import LedgerReport, verify_ledger
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, open_store
from answerable.tracing.storage.tables.ledger import records

RECORDS = 200_000
ROUNDS = 5
STEPS = 100  # of one run
PERSON = f"prs_{'a' * 32}"
NAMES = ("verify", "deep", "sha256", "pymerkle")

_BODIES = Statement(select(records.c.body).order_by(records.c.seq))


def _record(number: int) -> Record:
    step, run = number // 3, f"run_{number // 3 // STEPS:032x}"
    at, message = 1_800_000_000_000_000 + number, f"msg_{step:032x}"
    said: dict[str, Any] = {"at": at, "system": "chain", "run": run, "responsible": PERSON, "chain": (PERSON,)}
    id, node, ref = f"stp_{step:032x}", f"node{step % STEPS}", MessageRef(id=message, type="Text", commitment="c" * 64)
    if number % 3 == 0:
        return StepStarted(**said, step=id, node=node, attempt=1, host="bench/127.0.0.1")
    if number % 3 == 1:
        consumed = {"text": f"crs_{step:032x}"}
        return StepFinished(
            **said, step=id, node=node, role="agent", started_at=at, outcome="done", consumed=consumed, produced=(ref,)
        )
    return Crossed(
        **said,
        edge=f"{node}->next",
        source=node,
        target="next",
        input="text",
        purpose="hand it on",
        crossing=f"crs_{step + 1:032x}",
        message=ref,
        step=id,
    )


async def _fill(store: Store, count: int) -> None:
    for start in range(0, count, 5000):
        made = [_record(number) for number in range(start, min(count, start + 5000))]
        await store.write(lambda tx: append_all(tx, made))  # noqa: B023 - called at once
    await sequence_all(store)
    signer = await open_signer(store)
    await store.write(lambda tx: sign_ledger(tx, signer, at=1))


async def measure(folder: Path, count: int, rounds: int) -> dict[str, float]:
    """Records per second of CPU time, by name; and the records' average size in bytes."""
    store = open_store(f"sqlite:///{folder / 'ledger.db'}")
    try:
        await _fill(store, count)
        bodies = [bytes(row[0]) for row in await store.read(lambda tx: tx.all(_BODIES))]
        best = dict.fromkeys(NAMES, 0.0)
        for _ in range(rounds):
            for name in NAMES:
                begun = time.process_time()
                if name in ("verify", "deep"):
                    _sound(await store.read(lambda tx: verify_ledger(tx, deep=name == "deep")), count)  # noqa: B023 - as above
                else:
                    (_hash if name == "sha256" else _pymerkle)(bodies)
                best[name] = max(best[name], count / (time.process_time() - begun))
    finally:
        store.close()
    return {**best, "bytes_per_record": sum(map(len, bodies)) / count}


def _sound(report: LedgerReport, count: int) -> None:
    assert report.sound and report.head.size == report.signed == count, report.faults


def _hash(bodies: list[bytes]) -> None:
    for body in bodies:
        sha256(body).digest()


def _pymerkle(bodies: list[bytes]) -> None:
    tree = InmemoryTree(algorithm="sha256")
    append: Callable[[bytes], int] = tree.append_entry
    for body in bodies:
        append(body)
    tree.get_root()


def report(measured: dict[str, float], count: int) -> dict[str, Any]:
    """What was measured as plain values: records per second, bytes."""
    return {
        **{name: round(value) for name, value in measured.items()},
        "ratio": round(measured["verify"] / measured["sha256"], 3),
        "ratio_pymerkle": round(measured["verify"] / measured["pymerkle"], 2),
        "records": count,
    }


def main() -> None:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verify", description="How fast a ledger is verified")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--records", type=int, default=RECORDS, help=f"how many (default: {RECORDS:,})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often (default: {ROUNDS})")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        said = report(asyncio.run(measure(Path(folder), arguments.records, arguments.rounds)), arguments.records)
    if arguments.json:
        print(json.dumps(said, indent=2))
        return
    caption = f"verify / SHA-256 alone: {said['ratio']:.2f}; verify / pymerkle: {said['ratio_pymerkle']:.1f}"
    table = Table(title=f"Verifying {arguments.records:,} records of {said['bytes_per_record']} bytes", caption=caption)
    table.add_column("")
    table.add_column("records/s of CPU time", justify="right")
    for name in NAMES:
        table.add_row(name, f"{said[name]:,}")
    Console().print(table)


if __name__ == "__main__":
    main()
