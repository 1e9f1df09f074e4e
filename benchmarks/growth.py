"""Growth: what one run leaves in its database, and the memory that it took, each chain in a process of its own.

As a program, `python -m benchmarks.growth CHAIN STEPS`, it runs that chain once with a message of 1,000 bytes and
prints one line of JSON: `bytes`, by how much the run made the closed database larger than an empty one (pages that it
freed, and that will be used again, included; 0 for a chain without a database), and `memory`, the largest resident size
of the process, in bytes, Python and libraries included.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.chains import chain

TEXT = "x" * 1000  # bytes
SIZES = (10, 100, 1000)  # steps
KIB = 1024  # what Linux counts resident memory in


class Grown(NamedTuple):
    """One run: bytes that it added to its database, per step, and bytes of memory at its highest."""

    bytes_per_step: float
    memory: int


def grow(name: str, steps: int) -> Grown:
    """Run a chain of `steps` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.growth", name, str(steps)]
    said = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return Grown(said["bytes"] / steps, said["memory"])


async def _run(name: str, steps: int, folder: Path, *, times: int) -> None:
    async with chain(name)(folder, steps, TEXT) as run:
        for _ in range(times):
            await run()


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.db*"))


def main(name: str, steps: int) -> None:
    """Run one chain here, and say what it took."""
    with TemporaryDirectory() as folder:
        asyncio.run(_run(name, steps, Path(folder), times=0))
        empty = _size(Path(folder))
        asyncio.run(_run(name, steps, Path(folder), times=1))
        grown = _size(Path(folder)) - empty
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
    print(json.dumps({"bytes": grown, "memory": memory}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
