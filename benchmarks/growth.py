"""Growth: what one run leaves in its database, and the memory that it took, each chain in a process of its own.

As a program, `python -m benchmarks.growth CHAIN STEPS`, it runs that chain once with a message of 1 KB and prints one
line of JSON: `bytes`, the size of everything in its database folder after closing (0 for a chain without one), and
`memory`, the largest resident size of the process, in bytes, Python and libraries included.
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
    """One run: bytes in its database per step, and bytes of memory at its highest."""

    bytes_per_step: float
    memory: int


def grow(name: str, steps: int) -> Grown:
    """Run a chain of `steps` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.growth", name, str(steps)]
    said = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return Grown(said["bytes"] / steps, said["memory"])


async def _run_once(name: str, steps: int, folder: Path) -> None:
    async with chain(name)(folder, steps, TEXT) as run:
        await run()


def main(name: str, steps: int) -> None:
    """Run one chain here, and say what it took."""
    with TemporaryDirectory() as folder:
        asyncio.run(_run_once(name, steps, Path(folder)))
        size = sum(file.stat().st_size for file in Path(folder).rglob("*.db*"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
    print(json.dumps({"bytes": size, "memory": memory}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
