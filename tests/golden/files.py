"""Golden ledgers: stored records, and the spans that they give, byte for byte. `make golden` writes what is missing.

1. `records/VERSION/NAME.jsonl` has the records of a scenario as a store of that version of records held them, one in
   each line, in the order of their places. They are never made anew: what was once recorded is read for ever.
2. `spans/VERSION/NAME.jsonl` has their spans in that version of the projection, one in each line: its OTLP JSON, for
   people to review, and the digest of its bytes.
3. What is stored of a version is not written over. A projection that gives other spans is another version.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from sqlalchemy import select

from answerable.orchestrator.workers import host_of_this_process
from answerable.tracing.ledger.merkle import leaf_hash
from answerable.tracing.ledger.placed import Placed
from answerable.tracing.ledger.records.every import read_record
from answerable.tracing.ledger.records.record import RECORD_VERSION
from answerable.tracing.ledger.sequencer import sequence_all
from answerable.tracing.spans.otlp import as_resource_spans
from answerable.tracing.spans.projection import project_all
from answerable.tracing.spans.span import PROJECTION_VERSION, encode
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import open_store
from answerable.tracing.storage.tables.ledger import records
from tests.golden.scenarios import SCENARIOS

HERE = Path(__file__).parent
HOST = "depot/10.0.0.7"  # in the place of the machine that played the scenario

_BODIES = Statement(select(records.c.body).order_by(records.c.seq))


def stored_records(root: Path = HERE) -> list[Path]:
    """The files of all versions of records."""
    return sorted(root.glob("records/*/*.jsonl"))


def spans_file(of: Path, root: Path = HERE) -> Path:
    """Where the spans of a file of records are stored; the records of every version have spans in this one."""
    return root / "spans" / PROJECTION_VERSION / f"records-{of.parent.name}" / of.name


def read_stored(file: Path) -> list[Placed]:
    """The records of a file, at their places."""
    bodies = file.read_bytes().splitlines()
    return [Placed(place, read_record(body), leaf_hash(body)) for place, body in enumerate(bodies)]


def span_lines(file: Path) -> str:
    """The spans of a file of records, as they are stored."""
    lines = []
    for span in project_all(read_stored(file)):
        said = {"sha256": sha256(encode(span)).hexdigest(), "span": as_resource_spans(span)}
        lines.append(json.dumps(said, ensure_ascii=False) + "\n")
    return "".join(lines)


def play(name: str) -> bytes:
    """The records of a scenario, played now: lines."""

    async def played(url: str) -> list[bytes]:
        await SCENARIOS[name](url)
        store = open_store(url)
        try:
            await sequence_all(store)
            return [bytes(row[0]) for row in await store.read(lambda tx: tx.all(_BODIES))]
        finally:
            store.close()

    with tempfile.TemporaryDirectory() as folder:
        bodies = asyncio.run(played(f"sqlite:///{folder}/golden.db"))
    return b"\n".join([*bodies, b""]).replace(host_of_this_process().encode(), HOST.encode())


def write_missing(root: Path = HERE) -> list[Path]:
    """Write what is missing; which files that are."""
    written = []
    for name in SCENARIOS:
        file = root / "records" / str(RECORD_VERSION) / f"{name}.jsonl"
        if not file.exists():
            written.append(_write(file, play(name)))
    for of in stored_records(root):
        file = spans_file(of, root)
        if not file.exists():
            written.append(_write(file, span_lines(of).encode()))
    return written


def _write(file: Path, data: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


if __name__ == "__main__":
    sys.stdout.write("".join(f"{file.relative_to(HERE)}\n" for file in write_missing()))
