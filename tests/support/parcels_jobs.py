"""What a child process does with the parcels system: `perform(job)`, for `tests.support.forks`.

A job names the `store`, the `origin` of the receiver, the `guarantee` of its effect, the `run`, and how many seconds
its clock is `ahead`: a worker that comes after one that was killed lives later, when that one's lease is over. Verbs:

- `run` begins the run or goes on with it, as far as it goes;
- `decide` waits for the request and approves it;
- `settle` settles every call in doubt, as `outcome` says;
- `revoke` takes back what was decided;
- `prepare` brings every run of `runs` to where nothing is left but to send;
- `send` goes on with every run of `runs`, one after another, as far as it goes;
- `invite` registers a crowd, and `press` lets it try everything at once (`tests.support.crowd`);
- `race` brings every run of `runs` to its end, deciding what is asked and settling what is in doubt, against whoever
  else does the same: a worker that is told to wait often jumps ahead in time instead and takes the run over. How often
  it lost is written to `report`.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from answerable.approvals.deciding.decisions import decisions_of
from answerable.approvals.gate import effects_of
from answerable.errors import AlreadyDecided, InvalidInput, LeaseLost, RunBusy
from answerable.orchestrator.service import Service
from answerable.tracing.clock import SystemClock, micros
from answerable.tracing.ledger.records.runs import ENDS
from tests.support.crowd import invite, press
from tests.support.forks import Job
from tests.support.parcels import APPS, LEAD, ORDER, ROLE, RUN, STARTER, Order, Report, post
from tests.support.receiver import receiving, reference

DONE, WAITING, FROZEN, BUSY, NOTHING_TO_DECIDE, OTHER = 0, 10, 11, 12, 13, 14
LIFE_SECONDS = 60.0  # longer than a lease
JUMPS = 0.3  # of the times that a racing worker is told that another has the run
_LOOKS = 40


class Later:
    """The machine's clock, some seconds ahead."""

    def __init__(self, ahead_seconds: float) -> None:
        self.ahead_seconds = ahead_seconds
        self._clock = SystemClock()

    def now(self) -> int:
        return self._clock.now() + micros(self.ahead_seconds)


async def perform(job: Job) -> int:
    """Do one job; how it ended."""
    app, clock = APPS[job.get("guarantee", "idempotent")], Later(job.get("ahead", 0.0))
    async with app.connect(job["store"], origins={post: job["origin"]}, clock=clock) as service:
        if job["verb"] == "decide":
            return await _decide(service, job["run"], job.get("option", "as-proposed"))
        if job["verb"] == "settle":
            return await _settle(service, job["run"], job["outcome"])
        if job["verb"] == "revoke":
            return await _revoke(service, job["run"])
        if job["verb"] == "prepare":
            return await _prepare(service, job["runs"])
        if job["verb"] == "send":
            codes = [await _run(service, run) for run in job["runs"]]
            return max(codes)
        if job["verb"] == "invite":
            await invite(service)
            return DONE
        if job["verb"] == "press":
            await press(service, job)
            return DONE
        if job["verb"] == "race":
            lost = [await _race(service, clock, run) for run in job["runs"]]
            await asyncio.to_thread(Path(job["report"]).write_text, json.dumps(lost), encoding="utf-8")
            return DONE
        return await _run(service, job["run"])


async def _run(service: Service[Order, Report], run: str) -> int:
    if LEAD not in {person.handle for person in await service.people.aall()}:
        await service.people.aadd(LEAD, roles=[ROLE])
    try:
        found = await service.arun(ORDER, by=STARTER, run_id=run)
    except (RunBusy, LeaseLost):
        return BUSY
    return {"done": DONE, "waiting": WAITING, "frozen": FROZEN}.get(found.status, OTHER)


async def _decide(service: Service[Order, Report], run: str, option: str) -> int:
    for _ in range(_LOOKS):
        for request in await service.arequests():
            if request.run == run:
                with suppress(AlreadyDecided):
                    await service.aapprove(request.id, option=option, by=LEAD)
                return DONE
        await asyncio.sleep(0.005)
    return NOTHING_TO_DECIDE


async def _settle(service: Service[Order, Report], run: str, outcome: Literal["done", "failed", "again"]) -> int:
    """What is settled as done is settled with what the receiver would have answered."""
    doubtful = [row for row in await service.store.read(lambda tx: effects_of(tx, run)) if row.state == "in-doubt"]
    for row in doubtful:
        result = {"number": json.loads(bytes(row.body))["number"], "reference": reference(row.idempotency_key)}
        given = result if outcome == "done" else None
        await service.asettle(row.id, outcome=outcome, by=LEAD, reason="asked the post", result=given)
    return DONE


async def _revoke(service: Service[Order, Report], run: str) -> int:
    for made in await service.store.read(lambda tx: decisions_of(tx, run)):
        if not made.revoked:
            await service.arevoke(made.id, code="wrong", by=LEAD, reason="another day")
    return DONE


async def _prepare(service: Service[Order, Report], runs: list[str]) -> int:
    for run in runs:
        await _run(service, run)
        await _decide(service, run, "as-proposed")
    return DONE


async def _race(service: Service[Order, Report], clock: Later, run: str) -> dict[str, int]:
    """Advance a run until it is done; how often this worker was told that another had it, or had taken it over."""
    clock.ahead_seconds = 0.0
    lost = {"busy": 0, "lease": 0}
    while True:
        try:
            found = await service.arun(ORDER, by=STARTER, run_id=run)
        except RunBusy:
            lost["busy"] += 1
            if random.random() < JUMPS:
                clock.ahead_seconds += LIFE_SECONDS
            await asyncio.sleep(random.uniform(0, 0.004))
            continue
        except LeaseLost:
            lost["lease"] += 1
            continue
        if found.status in ENDS:
            return lost
        for request in found.waiting_for:
            with suppress(AlreadyDecided):
                await service.aapprove(request.id, by=LEAD)
        with suppress(InvalidInput):  # the other worker settled it
            await _settle(service, run, "done")


def warm() -> None:
    """Do everything once, so that a child finds each statement compiled and each module imported."""
    with tempfile.TemporaryDirectory() as folder, receiving(Path(folder)) as receiver:
        job: dict[str, Any] = {
            "store": f"sqlite:///{folder}/warm.db",
            "origin": receiver.origin("honours-warm"),
            "run": RUN,
        }
        for verb, expected in (("run", WAITING), ("decide", DONE), ("run", DONE)):
            assert asyncio.run(perform({**job, "verb": verb})) == expected
