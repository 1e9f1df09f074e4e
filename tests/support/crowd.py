"""A crowd at one request: many attempts to answer it, and to have its calls sent, at once in each of several processes.

A job names the `run` and its `request`, how many `attempts`, a file `ready` that is made when this process stands at
the door, the file `go` that opens it, and the `report` that is written at the end: how often what was told.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Final

from answerable.errors import AlreadyDecided, RunBusy
from answerable.orchestrator.service import Service
from tests.support.forks import Job
from tests.support.parcels import ROLE, Order, Report
from tests.support.waiting import until

LEADS: Final = tuple(f"lead-{number}" for number in range(8))
WON, VOTED, ADVANCED = "won", "voted", "advanced"
NOES_FROM: Final = 100  # attempts: the first hundred say yes, so that there is something to send


async def invite(service: Service[Order, Report]) -> None:
    """Register those who may decide."""
    for lead in LEADS:
        await service.people.aadd(lead, roles=[ROLE])


async def press(service: Service[Order, Report], job: Job) -> None:
    """Wait at the door, then try everything at once, and write down what each attempt was told."""
    await asyncio.to_thread(_stand_at_the_door, Path(job["ready"]), Path(job["go"]))
    said = await asyncio.gather(*(_attempt(service, job, number) for number in range(job["attempts"])))
    await asyncio.to_thread(Path(job["report"]).write_text, json.dumps(Counter(said)), encoding="utf-8")


def _stand_at_the_door(ready: Path, go: Path) -> None:
    ready.touch()
    until(go.exists, "the door was opened")


async def _attempt(service: Service[Order, Report], job: Job, number: int) -> str:
    """What one attempt was told. What is not one of the two refusals that there should be, fails the job."""
    try:
        if number % 2:
            await service.runtime.advance(job["run"])
            return ADVANCED
        lead = LEADS[number // 2 % len(LEADS)]
        if number > NOES_FROM and number % 3 == 0:
            given = await service.areject(job["request"], by=lead, reason="too late")
        else:
            option = "fewer" if number % 3 == 1 else "as-proposed"
            given = await service.aapprove(job["request"], option=option, by=lead)
    except (AlreadyDecided, RunBusy) as refused:
        return f"{type(refused).__name__}: {refused.message} ({refused.hint})"
    return f"{VOTED if given.outcome == 'voted' else WON}: {given.id} {given.outcome} {given.option} {lead}"
