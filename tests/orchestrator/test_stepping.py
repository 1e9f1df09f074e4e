"""Steps of agents: whatever a user's function does, the step is recorded and the run goes on from there."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace

from answerable.agents.context import Step
from answerable.agents.nodes import END, START
from answerable.agents.options import Retry
from answerable.agents.outcomes import Ended
from answerable.orchestrator.app import App
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.reports import Run
from answerable.orchestrator.system import System
from answerable.testing import FakeReceiver
from answerable.tracing.ledger.records.steps import Crossed, StepFinished, StepStarted, UndeclaredEgress
from tests.orchestrator.letters import Account, Ask, Batch, Letter, letters, recorded, serving

pytestmark = pytest.mark.anyio


def one(agent: Callable[..., Any], **options: Any) -> App[Ask, Letter]:
    """START → agent → END."""
    system = System("one", responsible="alice")
    node = system.agent(owner="writers", name="agent", **options)(agent)
    system.edge(START, node, purpose="ask")
    system.edge(node, END, purpose="answer")
    return system.build(Ask, Letter)


async def run_one(url: str, agent: Callable[..., Any], **options: Any) -> tuple[Run[Letter], list[StepFinished]]:
    """A run of `one`, and the records of its step."""
    async with serving(one(agent, **options), url) as service:
        run = await service.arun(Ask(), by="nils")
        return run, await recorded(service, run.id, StepFinished)


async def test_a_plain_function(store_url: str) -> None:
    threads: list[int] = []

    def agent(ask: Ask) -> Letter:
        threads.append(threading.get_ident())
        return Letter(text="plain")

    run, (step,) = await run_one(store_url, agent)
    assert (run.status, run.result) == ("done", Letter(text="plain"))
    assert (step.outcome, step.owner, step.role, step.attempt) == ("done", "writers", "agent", 1)
    assert threads != [threading.get_ident()]


async def test_an_async_function(store_url: str) -> None:
    async def agent(ask: Ask) -> Letter:
        await asyncio.sleep(0)
        return Letter(text="async")

    run, _ = await run_one(store_url, agent)
    assert run.result == Letter(text="async")


async def test_a_function_with_its_step(sqlite_url: str) -> None:
    seen: list[Step[list[str]]] = []
    told: list[Progress] = []

    async def agent(ctx: Step[list[str]], ask: Ask) -> Letter:
        seen.append(ctx)
        ctx.emit({"token": "dear"})
        return Letter(text=ctx.deps[0])

    async with serving(one(agent), sqlite_url, deps=lambda: ["a dependency"], progress=told.append) as service:
        run = await service.arun(Ask(), by="nils")
        (started,) = await recorded(service, run.id, StepStarted)
    (ctx,) = seen
    assert run.result == Letter(text="a dependency")
    assert (ctx.system, ctx.run, ctx.node, ctx.step) == ("one", run.id, "agent", started.step)
    assert (ctx.attempt, ctx.started_by) == (1, "nils")
    assert [(one.state, one.value) for one in told if one.node == "agent"] == [
        ("working", None),
        ("emitted", {"token": "dear"}),
        ("done", None),
    ]


async def test_dependencies_are_made_once_for_each_service(sqlite_url: str) -> None:
    made: list[object] = []

    def deps() -> object:
        made.append(object())
        return made[-1]

    given: list[object] = []

    def agent(ctx: Step[object], ask: Ask) -> Letter:
        given.append(ctx.deps)
        return Letter()

    async with serving(one(agent), sqlite_url, deps=deps) as service:
        await service.arun(Ask(), by="nils")
        await service.arun(Ask(), by="nils")
    assert len(made) == 1
    assert given == [made[0], made[0]]


async def test_the_span_of_the_step_is_current(sqlite_url: str) -> None:
    async def agent(ask: Ask) -> Letter:
        return Letter(text=f"{trace.get_current_span().get_span_context().trace_id:032x}")

    run, _ = await run_one(sqlite_url, agent)
    assert run.result is not None
    assert set(run.result.text) != {"0"}


@pytest.mark.parametrize("error", [RuntimeError("no ink\nand more"), SystemExit(3), KeyError("k"), AssertionError()])
async def test_what_a_function_raises_is_a_failed_step(store_url: str, error: BaseException) -> None:
    def agent(ask: Ask) -> Letter:
        raise error

    run, (step,) = await run_one(store_url, agent)
    assert run.status == "failed"
    assert run.detail == f"agent: {step.error}"
    assert step.outcome == "failed"
    assert step.error.startswith(type(error).__name__)
    assert "and more" not in step.error


async def test_a_wrong_type_is_a_failed_step(sqlite_url: str) -> None:
    def agent(ask: Ask) -> Letter:
        return ask  # type: ignore[return-value]  # what an untyped user may do

    run, _ = await run_one(sqlite_url, agent)
    assert run.detail == "agent: TypeError: agent returned Ask, and declares Letter"


async def test_none_where_it_is_not_declared_is_a_failed_step(sqlite_url: str) -> None:
    def agent(ask: Ask) -> Letter:
        return None  # type: ignore[return-value]  # what an untyped user may do

    run, _ = await run_one(sqlite_url, agent)
    assert "returned NoneType" in run.detail


async def test_a_message_that_was_made_without_validation_is_a_failed_step(sqlite_url: str) -> None:
    def agent(ask: Ask) -> Letter:
        return Letter().model_copy(update={"text": 7})

    run, _ = await run_one(sqlite_url, agent)
    assert "not a valid Letter: text" in run.detail


async def test_none_where_it_is_declared_produces_nothing(sqlite_url: str) -> None:
    def agent(ask: Ask) -> Letter | None:
        return None

    run, (step,) = await run_one(sqlite_url, agent)
    assert (run.status, run.detail) == ("stuck", "nothing reached END")
    assert (step.outcome, step.produced) == ("done", ())


async def test_a_failed_try_is_tried_again(store_url: str) -> None:
    tries: list[int] = []

    async def agent(ctx: Step[None], ask: Ask) -> Letter:
        tries.append(ctx.attempt)
        if len(tries) < 3:
            raise OSError("not yet")
        return Letter(text="third")

    async with serving(one(agent, retry=Retry(attempts=3, pause_seconds=0.001)), store_url) as service:
        run = await service.arun(Ask(), by="nils")
        started = await recorded(service, run.id, StepStarted)
        (finished,) = await recorded(service, run.id, StepFinished)
    assert run.result == Letter(text="third")
    assert tries == [record.attempt for record in started] == [1, 2, 3]
    assert finished.attempt == 3
    assert {record.step for record in started} == {finished.step}


@pytest.mark.parametrize("plain", [True, False])
async def test_a_try_that_runs_too_long_is_given_up(sqlite_url: str, plain: bool) -> None:
    release = threading.Event()

    def slow(ask: Ask) -> Letter:
        release.wait(60)
        return Letter()

    async def endless(ask: Ask) -> Letter:
        await asyncio.sleep(60)
        return Letter()

    try:
        run, (step,) = await run_one(sqlite_url, slow if plain else endless, timeout=0.05)
    finally:
        release.set()
    assert run.status == "failed"
    assert step.error == "it ran longer than its limit of 0.05 s"


async def test_a_failure_does_not_stop_its_siblings(store_url: str) -> None:
    def write(letter: Letter) -> Letter:
        if letter.text == "1":
            raise RuntimeError("torn")
        return letter

    async with serving(scattered(write, 3), store_url) as service:
        run = await service.arun(Ask(), by="nils")
    assert run.status == "done"
    assert run.result == Account(lines=["0", "RuntimeError: torn", "2"])


async def test_a_limit_bounds_what_runs_side_by_side(sqlite_url: str) -> None:
    running: list[int] = [0]
    most: list[int] = [0]
    full = asyncio.Event()

    async def write(letter: Letter) -> Letter:
        running[0] += 1
        most[0] = max(most[0], running[0])
        if running[0] == 3:
            full.set()
        await full.wait()
        await asyncio.sleep(0.005)
        running[0] -= 1
        return letter

    async with serving(scattered(write, 9, limit=3), sqlite_url) as service:
        run = await service.arun(Ask(), by="nils")
    assert run.result == Account(lines=[str(number) for number in range(9)])
    assert most == [3]


def scattered(write: Callable[..., Any], count: int, **options: Any) -> App[Ask, Account]:
    """START → split → write (side by side) → account → END."""
    system = System("scattered", responsible="alice")

    @system.agent(owner="writers")
    def split(ask: Ask) -> Batch:
        return Batch(letters=[Letter(text=str(number)) for number in range(count)])

    writing = system.agent(owner="writers", name="write", **options)(write)

    @system.agent(owner="writers")
    def account(ended: list[Ended[Letter]]) -> Account:
        return Account(
            lines=[getattr(each.outcome, "text", "") or getattr(each.outcome, "error", "") for each in ended]
        )

    system.edge(START, split, purpose="ask")
    system.edge(split, writing, each="letters", purpose="write each")
    system.edge(writing, account, gather=True, purpose="together")
    system.edge(account, END, purpose="account")
    return system.build(Ask, Account)


# -- undeclared egress ----------------------------------------------------------------------------------------------


async def egress(url: str, agent: Callable[..., Any], **options: Any) -> list[UndeclaredEgress]:
    async with serving(one(agent, **options), url) as service:
        run = await service.arun(Ask(), by="nils")
        return await recorded(service, run.id, UndeclaredEgress)


async def test_a_connection_that_a_step_opens_is_an_alarm(store_url: str) -> None:
    with FakeReceiver() as receiver:
        port = int(receiver.origin.rpartition(":")[2])

        def agent(ask: Ask) -> Letter:
            socket.create_connection(("127.0.0.1", port)).close()
            return Letter()

        (alarm,) = await egress(store_url, agent)
    assert (alarm.node, alarm.event) == ("agent", "socket.connect")
    assert str(port) in alarm.to


async def test_a_connection_that_an_async_step_opens_is_an_alarm(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        port = int(receiver.origin.rpartition(":")[2])

        async def agent(ask: Ask) -> Letter:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            raise RuntimeError("after it")

        (alarm,) = await egress(sqlite_url, agent)
    assert alarm.event == "socket.connect"


async def test_a_program_that_a_step_starts_is_an_alarm(sqlite_url: str) -> None:
    def agent(ask: Ask) -> Letter:
        subprocess.run([sys.executable, "-c", ""], check=True)
        return Letter()

    alarms = await egress(sqlite_url, agent)
    assert alarms[0].event == "subprocess.Popen"
    assert sys.executable in alarms[0].to


async def test_a_try_that_failed_before_another_is_an_alarm_as_well(sqlite_url: str) -> None:
    tries: list[int] = []
    with FakeReceiver() as receiver:
        port = int(receiver.origin.rpartition(":")[2])

        def agent(ask: Ask) -> Letter:
            tries.append(1)
            if len(tries) == 1:
                socket.create_connection(("127.0.0.1", port)).close()
                raise OSError("once more")
            return Letter()

        alarms = await egress(sqlite_url, agent, retry=Retry(attempts=2, pause_seconds=0.001))
    assert len(alarms) == 1


async def test_a_declared_effect_is_no_alarm(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            run = await service.aresume(run.id)
            assert run.status == "done"
            assert await recorded(service, run.id, UndeclaredEgress) == []


# -- conditions -----------------------------------------------------------------------------------------------------


async def test_a_condition_that_raises_is_a_failed_step(sqlite_url: str) -> None:
    def broken(letter: Letter) -> bool:
        raise ZeroDivisionError("in the condition")

    system = System("one", responsible="alice")

    @system.agent(owner="o")
    def agent(ask: Ask) -> Letter:
        return Letter()

    system.edge(START, agent, purpose="ask")
    system.edge(agent, END, purpose="answer", when=broken)
    async with serving(system.build(Ask, Letter), sqlite_url) as service:
        run = await service.arun(Ask(), by="nils")
        assert "the condition broken of agent→END.result raised ZeroDivisionError: in the condition" in run.detail
        assert len(await recorded(service, run.id, Crossed)) == 1
