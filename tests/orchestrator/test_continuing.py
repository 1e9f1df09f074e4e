"""After a wait of more than `segment_after`, a run goes on in a new trace, for everybody who has to know it."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace

from answerable.agents.nodes import END, START
from answerable.agents.options import DAY, HOUR
from answerable.errors import DeclarationError
from answerable.orchestrator.app import App
from answerable.orchestrator.drawing import terminal
from answerable.orchestrator.service import Service
from answerable.orchestrator.system import System
from answerable.testing import FakeClock
from answerable.tracing.ids import trace_id
from answerable.tracing.ledger.records.runs import RunContinued
from answerable.tracing.ledger.records.steps import StepFinished
from tests.orchestrator.letters import LEAD, Ask, Letter, Receipt, recorded, serving

pytestmark = pytest.mark.anyio

LIMIT = DAY * 1_000_000


def signing(seen: list[int], *, segment_after: float | None = DAY, name: str = "signing") -> App[Ask, Receipt]:
    """START → write → sign → file → END; `seen` gets the trace that each agent's libraries are given."""
    system = System(name, responsible="alice", segment_after=segment_after)

    @system.agent(owner="writers")
    def write(ask: Ask) -> Letter:
        seen.append(trace.get_current_span().get_span_context().trace_id)
        return Letter(text=ask.text)

    sign = system.approval("sign", of=Letter, by=LEAD, within=30 * DAY)

    @system.agent(owner="writers")
    def file(letter: Letter) -> Receipt:
        seen.append(trace.get_current_span().get_span_context().trace_id)
        return Receipt(text=letter.text)

    system.edge(START, write, purpose="somebody asks")
    system.edge(write, sign, purpose="may it be sent?")
    system.edge(sign, file, purpose="file it")
    system.edge(file, END, purpose="the receipt")
    return system.build(Ask, Receipt)


async def begin(service: Service[Any, Any]) -> tuple[str, str]:
    run = await service.arun(Ask(), by="nils")
    return run.id, run.waiting_for[0].id


async def continued(service: Service[Any, Any], run: str) -> list[tuple[int, int]]:
    """Segments and days that were waited."""
    found = await recorded(service, run, RunContinued)
    assert {one.segment_after for one in found} <= {LIMIT}
    assert {(one.responsible,) for one in found} == {one.chain for one in found}
    return [(one.segment, int(one.waited // LIMIT)) for one in found]


async def test_a_decision_after_days_begins_a_new_trace(store_url: str) -> None:
    seen: list[int] = []
    clock = FakeClock()
    async with serving(signing(seen), store_url, clock=clock) as service:
        run, request = await begin(service)
        clock.advance(2 * DAY + 1)
        await service.aresume(run)  # nothing to do: the wait goes on
        clock.advance(DAY)
        await service.aapprove(request, by="dora")
        assert (await service.aresume(run)).status == "done"
        assert await continued(service, run) == [(1, 3)]
    assert seen == [trace_id(run), trace_id(run, 1)]


async def test_a_worker_that_comes_days_after_the_decision_begins_another(sqlite_url: str) -> None:
    seen: list[int] = []
    clock = FakeClock()
    async with serving(signing(seen), sqlite_url, clock=clock) as service:
        run, request = await begin(service)
        clock.advance(2 * DAY + 1)
        await service.aapprove(request, by="dora")
        clock.advance(4 * DAY + 1)
        assert (await service.aresume(run)).status == "done"
        assert await continued(service, run) == [(1, 2), (2, 4)]
    assert seen == [trace_id(run), trace_id(run, 2)]


@pytest.mark.parametrize(("limit", "days"), [(None, 20.0), (DAY, 0.5)])
async def test_without_a_limit_and_within_it_there_is_one_trace(
    sqlite_url: str, limit: float | None, days: float
) -> None:
    seen: list[int] = []
    clock = FakeClock()
    async with serving(signing(seen, segment_after=limit), sqlite_url, clock=clock) as service:
        run, request = await begin(service)
        clock.advance(days * DAY)
        await service.aapprove(request, by="dora")
        assert (await service.aresume(run)).status == "done"
        assert await continued(service, run) == []
    assert seen == [trace_id(run)] * 2


async def test_whatever_ends_the_wait(sqlite_url: str) -> None:
    """Its deadline, the end of a freeze, a person who cancels it, and one who has a step run anew after its end."""
    clock = FakeClock()
    async with serving(signing([]), sqlite_url, clock=clock) as service:
        silent, _ = await begin(service)
        clock.advance(31 * DAY)
        assert (await service.aresume(silent)).status == "denied"
        assert await continued(service, silent) == [(1, 31)]

        cancelled, _ = await begin(service)
        clock.advance(2 * DAY + 1)
        await service.acancel(cancelled, by="dora", reason="nobody wants it")
        assert await continued(service, cancelled) == [(1, 2)]

        freeze = await service.afreeze("agent:file", by="dora", reason="the archive burns")
        frozen, request = await begin(service)
        await service.aapprove(request, by="dora")
        assert (await service.aresume(frozen)).status == "frozen"
        clock.advance(3 * DAY + 1)
        await service.athaw(freeze.id, by="dora", reason="it is out")
        assert (await service.aresume(frozen)).status == "done"
        assert await continued(service, frozen) == [(1, 3)]

        clock.advance(5 * DAY + 1)
        step = (await recorded(service, frozen, StepFinished))[0].step
        await service.aretry(frozen, step, by="dora", reason="it was the wrong letter")
        assert await continued(service, frozen) == [(1, 3), (2, 5)]


async def test_a_run_keeps_the_limit_that_it_began_with(sqlite_url: str) -> None:
    clock = FakeClock()
    async with serving(signing([]), sqlite_url, clock=clock) as service:
        run, request = await begin(service)
    other = signing([], segment_after=HOUR)
    assert other.version != signing([]).version != signing([], segment_after=None).version
    async with serving(other, sqlite_url, clock=clock) as service:
        await service.amigrate(run, by="dora", reason="shorter traces")
        clock.advance(2 * HOUR)
        await service.aapprove(request, by="dora")
        assert (await service.aresume(run)).status == "done"
        assert await continued(service, run) == []


def test_it_is_declared_drawn_and_checked() -> None:
    lines = terminal(signing([]).graph, width=80).plain.splitlines()
    assert lines[:2] == ["signing, answered for by alice", "a wait of more than 86400 s begins a new trace"]
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(DeclarationError, match="segment_after"):
            System("signing", responsible="alice", segment_after=wrong)
