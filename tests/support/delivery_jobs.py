"""What a child process does whose spans go to a collector that cannot be relied on: `perform(job)`.

A job is one of `parcels_jobs`, with the verb `work`: begin the run or go on with it, decide what is asked, go on again.
The collector is in the job's `environment`.
"""

from __future__ import annotations

import importlib

from tests.support import parcels_jobs
from tests.support.forks import Job


async def perform(job: Job) -> int:
    """Do one job; how it ended."""
    if job["verb"] != "work":
        return await parcels_jobs.perform(job)
    code = parcels_jobs.WAITING
    for verb in ("run", "decide", "run"):
        code = await parcels_jobs.perform({**job, "verb": verb})
    return code


def warm() -> None:
    """As `parcels_jobs`, and import the exporters."""
    parcels_jobs.warm()
    for kind in ("http", "grpc"):
        importlib.import_module(f"opentelemetry.exporter.otlp.proto.{kind}.trace_exporter")
