"""An approval is taken in the transaction of the step before it; what is recorded is as if it had its own."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import pytest

from answerable.agents.nodes import END, START
from answerable.agents.options import HOUR
from answerable.approvals.asking.quotas import Quota
from answerable.approvals.node import exemption
from answerable.orchestrator.app import App
from answerable.orchestrator.running import inward
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.inward import QUICK_SECONDS
from answerable.orchestrator.running.journal import Guard
from answerable.orchestrator.running.starting import start_run
from answerable.orchestrator.service import Service
from answerable.orchestrator.system import System
from answerable.testing import nowhere
from answerable.tracing.ledger.entries import records_of
from answerable.tracing.ledger.records.deciding import Decided, RequestMade
from answerable.tracing.ledger.records.steps import StepFinished, StepStarted
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Cursor, Tx
from tests.approvals.rules.ruled import active, rule_file, ruled
from tests.orchestrator.letters import LEAD, QUICKLY, Ask, Letter, letters, recorded, rows, serving

pytestmark = pytest.mark.anyio

T = TypeVar("T")


@exemption(version=1)
def short(ask: Ask, run_input: Ask) -> bool:
    return len(ask.text) < 5


@exemption(version=1)
def slow(ask: Ask, run_input: Ask) -> bool:
    time.sleep(2 * QUICK_SECONDS)
    return True


def chain(**approval: Any) -> App[Ask, Ask]:
    """START → a → gate → b → END."""
    system = System("gated", responsible="alice")

    async def hand_on(ask: Ask) -> Ask:
        return ask

    first = system.agent(owner="o", name="a", retry=QUICKLY)(hand_on)
    last = system.agent(owner="o", name="b", retry=QUICKLY)(hand_on)
    gate = system.approval("gate", of=Ask, by=LEAD, within=HOUR, **approval)
    system.edge(START, first, purpose="begin")
    system.edge(first, gate, purpose="may it pass?")
    system.edge(gate, last, purpose="hand it on")
    system.edge(last, END, purpose="the end")
    return system.build(Ask, Ask)


async def kinds(service: Service[Any, Any], run: str) -> list[str]:
    entries = await service.store.read(lambda tx: records_of(tx, run))
    return [f"{one.kind} {getattr(one, 'node', '')}".strip() for entry in entries for one in [entry.record]]


async def from_outside(service: Service[Any, Any], ask: Ask) -> str:
    """A run that LangGraph drives from node to node: each step has transactions of its own."""
    run = await start_run(service.runtime.worker, service.app.version, ask, by="nils", run_id=None)
    await service.langgraph.ainvoke({"wakes": 0}, {"configurable": {"thread_id": run}})
    return run


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The run of each transaction that an execution wrote."""
    found: list[str] = []
    write = Execution.write

    async def counted(self: Execution, work: Callable[..., T], *, durable: bool = False) -> T:
        found.append(self.run.id)
        return await write(self, work, durable=durable)

    monkeypatch.setattr(Execution, "write", counted)
    monkeypatch.setattr(inward, "QUICK_SECONDS", 60.0)  # however slow the machine is
    return found


class Told(Tx):
    """A transaction that tells its statements: what each does to which table."""

    def __init__(self, tx: Tx, found: list[str]) -> None:
        super().__init__(tx._connection, tx.dialect)
        self.assurance = tx.assurance
        self._found = found

    def many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> int:
        self._tell(statement)
        return super().many(statement, rows)

    def _execute(self, statement: Statement, params: dict[str, Any]) -> Cursor:
        self._tell(statement)
        return super()._execute(statement, params)

    def _tell(self, statement: Statement) -> None:
        match = re.match(
            r"(?:(SELECT) .*?\sFROM|(INSERT) INTO|(UPDATE)) (\w+)", statement.compiled(self.dialect)[0], re.S
        )
        assert match is not None
        self._found.append(" ".join(part for part in match.groups() if part))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The statements of each transaction that an execution wrote, after its guard."""
    found: list[list[str]] = []
    write = Execution.write

    async def telling(self: Execution, work: Callable[..., T], *, durable: bool = False) -> T:
        def told(tx: Tx, guard: Guard) -> T:
            found.append([])
            return work(Told(tx, found[-1]), guard)

        return await write(self, told, durable=durable)

    monkeypatch.setattr(Execution, "write", telling)
    monkeypatch.setattr(inward, "QUICK_SECONDS", 60.0)
    return found


async def test_a_rule_decides_in_so_many_statements(store_url: str, told: list[list[str]]) -> None:
    async with serving(ruled(), store_url, nowhere()) as service:
        await active(service, rule_file().model_copy(update={"sample": 0}))
        await service.arun(Ask(text="hi"), by="nils")
        told.clear()
        run = await service.arun(Ask(text="hi"), by="nils")
        assert [one.outcome for one in await recorded(service, run.id, Decided)] == ["ruled"]
    (deciding,) = [one for one in told if "INSERT decisions" in one]
    assert deciding == [
        *("UPDATE steps", "INSERT messages", "INSERT crossings"),  # the agent's step ends
        "INSERT steps",
        *("SELECT rules", "SELECT delegations", "SELECT people", "INSERT rule_uses"),
        *("INSERT requests", "INSERT effects", "INSERT decisions", "INSERT grants"),
        *("UPDATE steps", "INSERT crossings"),  # the approval's step ends
        "INSERT records",  # all of them at once
    ]


async def test_what_passes_by_itself_takes_no_transaction_and_its_records_are_the_same(
    store_url: str, written: list[str]
) -> None:
    async with serving(chain(exempt=short), store_url) as service:
        await service.aaccept_exemption("gate", by="alice")
        run = await service.arun(Ask(), by="nils")
        assert run.status == "done" and run.result == Ask()
        outside = await from_outside(service, Ask())
        assert await kinds(service, run.id) == await kinds(service, outside)
        steps = [(one.node, one.attempt) for one in await recorded(service, run.id, StepStarted)]
        assert steps == [("a", 1), ("gate", 1), ("b", 1)]
    # It begins, the first agent ends with the approval, the second ends, and the run: as without an approval.
    assert written.count(run.id) == 4 and written.count(outside) == 7


async def test_times_follow_one_another(store_url: str) -> None:
    async with serving(chain(exempt=short), store_url) as service:
        await service.aaccept_exemption("gate", by="alice")
        run = await service.arun(Ask(), by="nils")
        first, gate, last = await recorded(service, run.id, StepFinished)
        (made,) = await recorded(service, run.id, RequestMade)
        (decided,) = await recorded(service, run.id, Decided)
        assert first.started_at <= first.at <= gate.started_at <= decided.asked_at <= made.at <= gate.at
        assert gate.started_at <= decided.at <= gate.at <= last.started_at
        assert (gate.parent, last.parent) == (first.step, gate.step)


async def test_whoever_is_asked_is_asked_in_that_transaction_too(store_url: str, written: list[str]) -> None:
    seen: list[tuple[str, str]] = []
    async with serving(chain(), store_url, progress=lambda one: seen.append((one.node, one.state))) as service:
        run = await service.arun(Ask(), by="nils")
        (request,) = run.waiting_for
        assert written.count(run.id) == 3
        assert seen[:5] == [("a", "working"), ("a", "done"), ("gate", "working"), ("gate", "done"), ("gate", "waiting")]
        await service.aapprove(request.id, by="dora")
        assert (await service.aresume(run.id)).status == "done"


async def test_a_slow_exemption_is_waited_for_when_the_step_before_is_recorded(store_url: str) -> None:
    async with serving(chain(exempt=slow), store_url) as service:
        await service.aaccept_exemption("gate", by="alice")
        run = await service.arun(Ask(), by="nils")
        assert run.status == "done"
        first, gate, _ = await recorded(service, run.id, StepFinished)
        assert gate.at - first.at > QUICK_SECONDS * 1e6
        assert [one.outcome for one in await recorded(service, run.id, Decided)] == ["exempted"]


async def test_a_frozen_approval_is_not_begun(store_url: str) -> None:
    async with serving(chain(exempt=short), store_url) as service:
        await service.aaccept_exemption("gate", by="alice")
        freeze = await service.afreeze("agent:gate", by="dora", reason="look at it")
        run = await service.arun(Ask(), by="nils")
        assert run.status == "frozen"
        assert [one.node for one in await recorded(service, run.id, StepStarted)] == ["a"]
        assert await recorded(service, run.id, RequestMade) == []
        await service.athaw(freeze.id, by="dora", reason="fine")
        assert (await service.aresume(run.id)).status == "done"


async def test_a_rule_that_is_revoked_while_the_agent_works_decides_nothing(store_url: str) -> None:
    async def write(ask: Ask) -> Letter:
        if revoked:
            await service.office.rules.revoke(revoked[0], by="dora", reason="it lets too much pass")
        return Letter(text=ask.text)

    revoked: list[str] = []
    async with serving(ruled(writer=write), store_url, nowhere()) as service:
        rule = await active(service)
        run = await service.arun(Ask(text="hi"), by="nils")
        assert [one.outcome for one in await recorded(service, run.id, Decided)] == ["ruled"]
        revoked.append(rule.head.id)
        run = await service.arun(Ask(text="hi"), by="nils")
        assert run.status == "waiting" and await recorded(service, run.id, Decided) == []
        began = [(one.node, one.attempt) for one in await recorded(service, run.id, StepStarted)]
        assert began == [("write", 1), ("sign", 1)]  # where it was asked in a transaction of its own


async def test_a_source_beyond_its_quota_is_stopped_and_the_agent_s_step_is_recorded(store_url: str) -> None:
    async with serving(letters(quota=Quota(open=1)), store_url, nowhere()) as service:
        assert (await service.arun(Ask(), by="nils")).status == "waiting"
        run = await service.arun(Ask(), by="nils")
        assert run.status == "frozen"
        assert [one.node for one in await recorded(service, run.id, StepFinished)] == ["write"]
        assert len(await rows(service, "requests")) == 1
