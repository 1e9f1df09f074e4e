"""What the inbox costs with many open requests: `python -m benchmarks.inbox [--json]`, or `make bench`.

A store with 10,000 open requests, no two of which ask the same: plans with tiers, a cost and a list of calls. The
server's own application is called in this process, without a socket, as somebody who is signed in:

- `page`: the first page of the inbox, by tier; `deadline`: by deadline; `later`: a page from the middle;
- `request`: the page of one request;
- `decision`: an answer over the API, from the token to the committed decision.

Each is the median and the slowest of the rounds, in milliseconds on the wall. Measure on a machine that has nothing
else to do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from answerable import END, HOUR, POST, START, App, Call, Demand, Ended, Message, Prioritization, Receiver, System, role
from answerable.approvals.asking.quotas import Quota
from answerable.inbox.app import inbox
from answerable.inbox.desk import Desk
from answerable.inbox.entering import cookie_name
from answerable.inbox.limits import Limits
from answerable.inbox.sessions import sign_in_with_token
from answerable.orchestrator.service import Service

REQUESTS = 10_000
AT_ONCE = 200  # of one run
ROUNDS = 50
NAMES = ("page", "deadline", "later", "request", "decision")
ORIGIN = "http://127.0.0.1:8080"
CARRIER = Receiver("carrier", keeps_keys_for=24 * HOUR)


class Many(Message):
    """A run's input: how many plans, and from which number on."""

    first: int
    count: int


class Dispatch(Message):
    """One call."""

    order: str
    units: int


class Plan(Prioritization):
    """What is served, and the calls that do it."""

    note: str
    cost_cents: int
    dispatches: list[Dispatch]


class Plans(Message):
    """All of them."""

    plans: list[Plan]


class Receipt(Message):
    """What the carrier said."""

    order: str


system = System("plans", responsible="alice", tiers=["medical", "essential", "retail"])


@system.tiers(Many)
def demands(many: Many) -> dict[str, Demand]:  # noqa: ARG001 - the same for each
    """What is asked for."""
    asked = {"insulin": ("medical", 40), "water": ("essential", 90), "toys": ("retail", 30)}
    return {key: Demand(tier=tier, quantity=quantity) for key, (tier, quantity) in asked.items()}


@system.agent(owner="team")
def plan(many: Many) -> Plans:
    """Plans, each like no other."""
    return Plans(plans=[plan_of(many.first + number) for number in range(many.count)])


sign_off = system.approval("sign-off", of=Plan, by=role("lead"), within=HOUR, quota=Quota(open=10**6, per_hour=10**6))


@system.effect("dispatch", to=CARRIER, guarantee="idempotent")
def dispatch(order: Dispatch) -> Call[Receipt]:
    """Tell the carrier."""
    yield POST("/dispatches", json=order)
    return Receipt(order=order.order)


@system.agent(owner="team")
def account(ended: list[Ended[Receipt]]) -> Receipt:
    """What became of each."""
    return Receipt(order=f"{len(ended)} of them")


system.edge(START, plan, purpose="what is asked for")
system.edge(plan, sign_off, each="plans", purpose="may it be done?")
system.edge(sign_off, dispatch, each="dispatches", purpose="do it")
system.edge(dispatch, account, gather=True, purpose="what became of each")
system.edge(account, END, purpose="the account")


def plan_of(number: int) -> Plan:
    """The plan with this number."""
    short = number % 4
    return Plan(
        served={"insulin": 40 - short, "water": 60, "toys": 30},
        note=f"the roads in the north are closed again, so what was meant for stop {number} goes by the coast",
        cost_cents=100_000 + 37 * number,
        dispatches=[Dispatch(order=f"order {number}/{stop}", units=stop) for stop in range(1, 6)],
    )


def main() -> None:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inbox", description="What a full inbox costs")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--requests", type=int, default=REQUESTS, help=f"how many are open (default: {REQUESTS:,})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each is asked (default: {ROUNDS})")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        said = asyncio.run(measure(Path(folder), arguments.requests, arguments.rounds))
    if arguments.json:
        print(json.dumps(said, indent=2))
        return
    table = Table(title=f"An inbox with {said['open']:,} open requests")
    for column in ("", "median (ms)", "slowest (ms)"):
        table.add_column(column, justify="right" if column else "left")
    for name in NAMES:
        table.add_row(name, *(f"{value:.1f}" for value in said[name]))
    Console().print(table)


async def measure(folder: Path, requests: int, rounds: int) -> dict[str, Any]:
    """What was measured: median and slowest, in ms."""
    app: App[Many, Receipt] = system.build(Many, Receipt)
    async with app.connect(f"sqlite:///{folder / 'inbox.db'}", origins={CARRIER: "http://127.0.0.1:9"}) as service:
        await service.people.aadd("dora", roles=["lead"])
        for first in range(0, requests, AT_ONCE):
            await service.arun(Many(first=first, count=min(AT_ONCE, requests - first)), by="night-desk")
        return await _asked(service, rounds)


async def _asked(service: Service[Many, Receipt], rounds: int) -> dict[str, Any]:
    office = service.office
    _, token = await office.people.make_token("dora", seconds=3600)
    desk = Desk(office=office, services={"plans": service}, origins=(ORIGIN,))
    session = await office.act(lambda tx, now: sign_in_with_token(tx, office.key, token, at=now))
    application = inbox(desk)
    transport = httpx.ASGITransport(app=application)
    browser = {"Cookie": f"{cookie_name(desk)}={session}"}
    program = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:

        async def look(path: str) -> str:
            application.state.limits = Limits()  # as if others had asked meanwhile
            found = await client.get(path, headers=browser)
            assert found.status_code == 200, found.text
            return found.text

        async def decide() -> None:
            application.state.limits = Limits()
            (line,) = (await client.get("/api/v1/requests?limit=1", headers=program)).json()["requests"]
            body = {"answer": "approve", "digest": line["digest"], "option": "as-proposed"}
            began = time.perf_counter()
            made = await client.post(f"/api/v1/requests/{line['id']}/decisions", json=body, headers=program)
            times.append((time.perf_counter() - began) * 1e3)
            assert made.status_code == 201, made.text

        first = await look("/requests")
        count = int(first.partition(" requests wait")[0].rpartition(">")[2].replace(",", ""))
        some = await client.get(f"/api/v1/requests?limit={min(200, count // 2)}", headers=program)
        later = f"/requests?cursor={some.json()['next']}"
        one = f"/requests/{some.json()['requests'][0]['id']}"
        said: dict[str, Any] = {"open": count, "rounds": rounds}
        for name, path in {
            "page": "/requests",
            "deadline": "/requests?sort=deadline",
            "later": later,
            "request": one,
        }.items():
            said[name] = await _timed(lambda path=path: look(path), rounds)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        times: list[float] = []
        for _ in range(rounds):
            await decide()
        said["decision"] = [round(median(times), 2), round(max(times), 2)]
    return said


async def _timed(work: Callable[[], Awaitable[object]], rounds: int) -> list[float]:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        await work()
        times.append((time.perf_counter() - began) * 1e3)
    return [round(median(times), 2), round(max(times), 2)]


if __name__ == "__main__":
    main()
