"""Speed: all chains take turns in one process, so that whatever else the machine does meets each of them alike."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.chains import NAMES, SAVERS, Run, chain
from benchmarks.receiver import Receiver

STEPS = 100
TEXT = "x" * 100  # bytes
WARM_UPS = 3


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What was measured, by chain: the time and the CPU time of each run in µs per step, and how many spans arrived.

    `traced` is the saver of the traced peer: the cheaper one in the warm-up.
    """

    runs: Mapping[str, list[float]]
    cpu: Mapping[str, list[float]]
    spans: Mapping[str, list[int]]
    traced: str

    @property
    def medians(self) -> dict[str, float]:
        """The median run of each chain."""
        return {name: median(runs) for name, runs in self.runs.items()}

    @property
    def ratio(self) -> float:
        """A step of ours, everything on, as a part of a step of the cheaper saver as shipped, without tracing."""
        return self.medians["ours"] / min(self.medians[saver] for saver in SAVERS)

    @property
    def ratio_normal(self) -> float:
        """The same beside a saver that does not wait for the disk either."""
        return self.medians["ours"] / self.medians["sqlite_saver_normal"]


async def measure(folder: Path, collector: Receiver, rounds: int) -> Speed:
    """Run every chain once in each round, after warm-up rounds that do not count. Databases come into `folder`."""
    async with AsyncExitStack() as stack:

        async def open_chains(names: Iterable[str], saver: str = SAVERS[0]) -> dict[str, Run]:
            return {
                name: await stack.enter_async_context(chain(name, saver=saver)(folder, STEPS, TEXT)) for name in names
            }

        chains = await open_chains(name for name in NAMES if name != "openinference")
        warm, _, _ = await _take_turns(chains, WARM_UPS, collector)
        cheaper = min(SAVERS, key=lambda saver: median(warm[saver]))
        chains |= await open_chains(["openinference"], cheaper)
        chains = {name: chains[name] for name in NAMES}
        await _take_turns(chains, WARM_UPS, collector)
        runs, cpu, spans = await _take_turns(chains, rounds, collector)
    return Speed(runs=runs, cpu=cpu, spans=spans, traced=cheaper)


async def _take_turns(
    chains: Mapping[str, Run], rounds: int, collector: Receiver
) -> tuple[dict[str, list[float]], dict[str, list[float]], dict[str, list[int]]]:
    times: dict[str, list[float]] = {name: [] for name in chains}
    cpu: dict[str, list[float]] = {name: [] for name in chains}
    spans: dict[str, list[int]] = {name: [] for name in chains}
    for _ in range(rounds):
        for name, run in chains.items():
            began, worked = time.perf_counter(), time.process_time()
            await run()
            times[name].append((time.perf_counter() - began) / STEPS * 1e6)
            cpu[name].append((time.process_time() - worked) / STEPS * 1e6)
            spans[name].append(collector.spans())
    return times, cpu, spans
