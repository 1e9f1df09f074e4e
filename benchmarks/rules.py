"""What a gate costs that one of fifty standing rules decides: `python -m benchmarks.rules [--json]`, or `make bench`.

Runs of two agents that do nothing but hand on a message of 100 bytes, as in `benchmarks.hop`. They take turns:

- `hop`: the one agent after the other;
- `longer`: one agent more;
- `ruled`: between them an approval, at which fifty standing rules have force and one decides;
- `exempted`: the same, where an accepted exemption lets the message pass.

Counted is the time on the wall of a run, the median over the rounds; `cpu` is the CPU time of this process. `gate` is
what a run with the gate costs more than one without: the approval's step, the request with what would be shown, the
judgement of all rules, the cap that is used, the decision, and all their records. `step` is what the further agent
costs, to compare it with, `gate_cpu_ratio` the CPU time of a run with the gate as a part of one without.
`per_decision` is the judging of fifty rules alone, again and again. Measure on a machine that has
nothing else to do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from answerable import END, HOUR, START, App, Message, System, exemption, role
from answerable.approvals.rules.file import RuleFile, read_rule
from answerable.approvals.rules.judging import ActiveRules
from answerable.approvals.rules.rows import approved_rules
from answerable.orchestrator.places import place_of
from answerable.orchestrator.service import Service

ROUNDS = 400
WARM_UPS = 20
HOPS = 2
RULES = 50
DIFFERENCES = ("gate", "gate_least", "cpu_gate", "cpu_gate_least", "exemption_gate", "step", "cpu_step", "per_decision")
NAMES = ("hop", "longer", "ruled", "exempted")

_RULE = """
name = "rule-{number}"
version = 1
purpose = "A message of this length may pass."
author = "eve"
system = "{system}"
approval = "{approval}"
option = "as-proposed"
policy = '''
permit (principal, action, resource == Option::"as-proposed")
when {{ context.seen.length == {length} && context.seen.kind == "text" && context.seen.length < 1000 }};
'''
[[caps]]
of = "count"
most = 1000000
per = "day"
[[tests]]
name = "of this length"
decides = true
context = {{ calls = {{}}, seen = {{ length = {length}, kind = "text" }} }}
[[tests]]
name = "of another"
decides = false
context = {{ calls = {{}}, seen = {{ length = 1001, kind = "text" }} }}
"""


class Text(Message):
    """What is handed on."""

    text: str


class Seen(BaseModel):
    """What a rule sees of it."""

    length: int
    kind: str


def seen(message: Text, run_input: Text) -> Seen:  # noqa: ARG001 - it is given the input, too
    """What a rule sees of a message."""
    return Seen(length=len(message.text), kind="text")


@exemption(version=1)
def anything(message: Text, run_input: Text) -> bool:  # noqa: ARG001 - as above
    """Every message."""
    return True


def main() -> None:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rules", description="What a ruled gate costs")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each runs (default: {ROUNDS})")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        said = asyncio.run(measure(Path(folder), arguments.rounds))
    if arguments.json:
        print(json.dumps(said, indent=2))
        return
    table = Table(
        title=f"A gate decided by one of {RULES} standing rules", caption=f"gate / run without it: {said['ratio']:.2f}"
    )
    for column in ("", "µs"):
        table.add_column(column, justify="right" if column else "left")
    for name in (*NAMES, *DIFFERENCES):
        table.add_row(name, f"{said[name]:.0f}")
    Console().print(table)


async def measure(folder: Path, rounds: int) -> dict[str, Any]:
    """What was measured: µs, and what the gate costs as a part of a hop."""
    async with AsyncExitStack() as stack:
        services: dict[str, Service[Any, Any]] = {}
        for name in NAMES:
            app = chain_of(name)
            services[name] = await stack.enter_async_context(app.connect(f"sqlite:///{folder / name}.db"))
        await _prepare(services)
        chains = {name: _runs(service) for name, service in services.items()}
        await _take_turns(chains, WARM_UPS)
        times = await _take_turns(chains, rounds)
        per_decision = await _judging(services["ruled"], rounds)
    medians = {name: median(found) for name, found in times.items()}
    gate = medians["ruled"] - medians["hop"]
    return {
        **{name: round(value, 1) for name, value in medians.items()},
        "gate": round(gate, 1),
        "gate_least": round(min(times["ruled"]) - min(times["hop"]), 1),
        "cpu_gate": round(medians["cpu_ruled"] - medians["cpu_hop"], 1),
        "cpu_gate_least": round(min(times["cpu_ruled"]) - min(times["cpu_hop"]), 1),
        "exemption_gate": round(medians["exempted"] - medians["hop"], 1),
        "step": round(medians["longer"] - medians["hop"], 1),
        "cpu_step": round(medians["cpu_longer"] - medians["cpu_hop"], 1),
        "per_decision": round(per_decision, 1),
        "ratio": round(gate / medians["hop"], 3),
        "gate_cpu_ratio": round(medians["cpu_ruled"] / medians["cpu_hop"], 3),
        "rules": RULES,
        "rounds": rounds,
    }


def chain_of(name: str) -> App[Text, Text]:
    """Two agents, with a gate between them if the name says so."""
    system = System(name, responsible="alice")
    before: Any = START
    for number in range(HOPS + (name == "longer")):
        agent = system.agent(owner="team", name=f"n{number}")(_agent())
        if number and name in ("ruled", "exempted"):
            exempt = anything if name == "exempted" else None
            gate = system.approval(f"gate-{number}", of=Text, by=role("lead"), within=HOUR, exempt=exempt, context=seen)
            system.edge(before, gate, purpose="may it pass?")
            before = gate
        system.edge(before, agent, purpose="hand it on")
        before = agent
    system.edge(before, END, purpose="hand it on")
    return system.build(Text, Text)


def _agent() -> Any:
    async def agent(given: Text) -> Text:
        return Text(text=given.text)

    return agent


async def _prepare(services: Mapping[str, Service[Any, Any]]) -> None:
    ruled, exempted = services["ruled"], services["exempted"]
    await ruled.people.aadd("eve")
    await ruled.people.aadd("dora", roles=["lead"])
    for gate in range(1, HOPS):
        await exempted.aaccept_exemption(f"gate-{gate}", by="alice")
        for number in range(RULES):
            place = place_of(ruled.app.graph, f"gate-{gate}")
            proposed = await ruled.office.rules.propose(_rule(gate, number), place, by="eve")
            await ruled.office.rules.approve(proposed.head.id, by="dora")


def _rule(gate: int, number: int) -> RuleFile:
    """The last of them permits what is sent; all are looked at."""
    length = 100 if number == RULES - 1 else 100 + 1 + number
    text = _RULE.format(number=f"{gate}-{number}", system="ruled", approval=f"gate-{gate}", length=length)
    return read_rule(text, where="the rule")


def _runs(service: Service[Any, Any]) -> Callable[[], Awaitable[None]]:
    sent = Text(text="x" * 100)

    async def run() -> None:
        done = await service.arun(sent, by="night-desk")
        assert done.status == "done", done

    return run


async def _take_turns(chains: Mapping[str, Callable[[], Awaitable[None]]], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for clock in ("", "cpu_") for name in (f"{clock}{one}" for one in chains)}
    for _ in range(rounds):
        for name, run in chains.items():
            began, worked = time.perf_counter(), time.process_time()
            await run()
            times[name].append((time.perf_counter() - began) * 1e6)
            times[f"cpu_{name}"].append((time.process_time() - worked) * 1e6)
    return times


async def _judging(service: Service[Any, Any], rounds: int) -> float:
    """How long all rules of a gate are asked about one option, in µs."""
    rows = await service.store.read(lambda tx: approved_rules(tx, "ruled", "gate-1"))
    active = ActiveRules(rows, place_of(service.app.graph, "gate-1"))
    option = {"name": "as-proposed", "calls": [], "context": {"calls": {}, "seen": {"length": 100, "kind": "text"}}}
    times = []
    for _ in range(max(rounds, 50)):
        began = time.perf_counter()
        assert len(active.judge("ruled", [option])) == 1
        times.append((time.perf_counter() - began) * 1e6)
    return median(times)


if __name__ == "__main__":
    main()
