"""A step that follows alone begins in the transaction that makes it ready; its records are as if it had its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from answerable.agents.nodes import END, START
from answerable.orchestrator.app import App
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.starting import start_run
from answerable.orchestrator.service import Service
from answerable.orchestrator.system import System
from answerable.tracing.ledger.records.steps import StepFinished, StepStarted
from tests.orchestrator.letters import QUICKLY, Ask, recorded, serving

pytestmark = pytest.mark.anyio

T = TypeVar("T")


async def hand_on(ask: Ask) -> Ask:
    return ask


def chain(*functions: Callable[..., Any]) -> App[Ask, Ask]:
    """START → n0 → n1 → … → END."""
    system = System("chain", responsible="alice")
    before: Any = START
    for number, function in enumerate(functions):
        agent = system.agent(owner="o", name=f"n{number}", retry=QUICKLY)(function)
        system.edge(before, agent, purpose="hand it on")
        before = agent
    system.edge(before, END, purpose="hand it on")
    return system.build(Ask, Ask)


async def attempts(service: Service[Any, Any], run: str) -> list[tuple[str, str, int]]:
    started = [("began", one.node, one.attempt) for one in await recorded(service, run, StepStarted)]
    return started + [("ended", one.node, one.attempt) for one in await recorded(service, run, StepFinished)]


async def test_one_transaction_for_each_further_agent(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    write = Execution.write

    async def counted(self: Execution, work: Callable[..., T], *, durable: bool = False) -> T:
        written.append(self.run.id)
        return await write(self, work, durable=durable)

    monkeypatch.setattr(Execution, "write", counted)
    for agents in (3, 6):
        async with serving(chain(*[hand_on] * agents), store_url) as service:
            run = await service.arun(Ask(), by="nils")
            names = [f"n{number}" for number in range(agents)]
            assert await attempts(service, run.id) == [(what, name, 1) for what in ("began", "ended") for name in names]
    few, many = (written.count(run) for run in dict.fromkeys(written))
    assert many == few + 3


async def test_an_agent_that_follows_is_tried_again(store_url: str) -> None:
    tries: list[Ask] = []

    async def stumble(ask: Ask) -> Ask:
        tries.append(ask)
        if len(tries) < 2:
            raise RuntimeError("not yet")
        return ask

    async with serving(chain(hand_on, stumble), store_url) as service:
        run = await service.arun(Ask(), by="nils")
        assert run.status == "done"
        assert await attempts(service, run.id) == [
            ("began", "n0", 1),
            ("began", "n1", 1),
            ("began", "n1", 2),
            ("ended", "n0", 1),
            ("ended", "n1", 2),
        ]


async def test_an_agent_that_follows_is_not_begun_while_it_is_frozen(store_url: str) -> None:
    async def freeze_next(ask: Ask) -> Ask:
        await service.afreeze("agent:n1", by="dora", reason="look at it")
        return ask

    async with serving(chain(freeze_next, hand_on), store_url) as service:
        run = await service.arun(Ask(), by="nils")
        assert run.status == "frozen"
        assert await attempts(service, run.id) == [("began", "n0", 1), ("ended", "n0", 1)]
        (freeze,) = await service.afreezes()
        await service.athaw(freeze.id, by="dora", reason="fine")
        assert (await service.aresume(run.id)).status == "done"
        assert ("ended", "n1", 1) in await attempts(service, run.id)


async def test_langgraph_from_outside_begins_each_step_by_itself(store_url: str) -> None:
    async with serving(chain(hand_on, hand_on), store_url) as service:
        run = await start_run(service.runtime.worker, service.app.version, Ask(), by="nils", run_id=None)
        await service.langgraph.ainvoke({"wakes": 0}, {"configurable": {"thread_id": run}})
        assert (await service.aget(run)).status == "done"
        began = [("began", "n0", 1), ("began", "n1", 1)]
        assert await attempts(service, run) == [*began, ("ended", "n0", 1), ("ended", "n1", 1)]
