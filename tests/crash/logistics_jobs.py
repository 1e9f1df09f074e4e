"""What a child process does with the logistics system: `perform(job)`, for `tests.support.forks`.

A job names the `store`, the `origins` of the services, the `run`, the `storm` ("founding" for the founding case, or
"whole"), and how many seconds its clock is `ahead`. Verbs: `run` begins the run or goes on with it; `decide` waits for
the request and chooses the floor.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from answerable.errors import AlreadyDecided, LeaseLost, RunBusy
from answerable.examples.logistics.founding import founding_case
from answerable.examples.logistics.options import FLOOR
from answerable.examples.logistics.outside import outside
from answerable.examples.logistics.people import DISPATCH_LEAD, EMPLOYEES, NIGHT_DESK
from answerable.examples.logistics.service import app
from answerable.examples.logistics.system import carrier, warehouse
from answerable.examples.logistics.world import storm
from tests.support.forks import Job
from tests.support.parcels import RUN
from tests.support.parcels_jobs import BUSY, DONE, NOTHING_TO_DECIDE, OTHER, WAITING, Later

_LOOKS = 10
STORMS = {"founding": founding_case(), "whole": storm()}


async def perform(job: Job) -> int:
    """Do one job; how it ended."""
    origins = {carrier: job["origins"][carrier.name], warehouse: job["origins"][warehouse.name]}
    async with app.connect(job["store"], origins=origins, clock=Later(job.get("ahead", 0.0))) as service:
        if job["verb"] == "decide":
            for _ in range(_LOOKS):
                for request in await service.arequests():
                    with suppress(AlreadyDecided):
                        await service.aapprove(request.id, option=FLOOR, by=DISPATCH_LEAD)
                    return DONE
                await asyncio.sleep(0.02)
            return NOTHING_TO_DECIDE
        known = {person.handle for person in await service.people.aall()}
        for employee in EMPLOYEES:
            if employee.handle not in known or employee.handle == app.graph.responsible:
                await service.people.aadd(
                    employee.handle, name=employee.name, roles=employee.roles, teams=employee.teams
                )
        try:
            found = await service.arun(STORMS[job["storm"]], by=NIGHT_DESK, run_id=job["run"])
        except (RunBusy, LeaseLost):
            return BUSY
        return {"done": DONE, "waiting": WAITING}.get(found.status, OTHER)


def warm() -> None:
    """Do everything once, so that a child finds each statement compiled and each module imported."""
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{Path(folder) / 'warm.db'}"
        with outside(store) as origins:
            job: dict[str, Any] = {"store": store, "origins": origins, "run": RUN, "storm": "founding"}
            for verb, expected in (("run", WAITING), ("decide", DONE), ("run", DONE)):
                assert asyncio.run(perform({**job, "verb": verb})) == expected
