"""What a named person does to a run from outside: cancel it, run a step anew, move it to another version."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from answerable.agents.nodes import END, START
from answerable.agents.options import HOUR, Retry
from answerable.agents.outcomes import Ended
from answerable.errors import InvalidInput, NotOpen, RunBusy, UnknownId, VersionGone
from answerable.orchestrator.app import App
from answerable.orchestrator.engine import advance_due
from answerable.orchestrator.system import System
from answerable.testing import FakeReceiver, Reply, nowhere
from answerable.tracing.ledger.records.deciding import RequestWithdrawn
from answerable.tracing.ledger.records.effects import EffectWithdrawn
from answerable.tracing.ledger.records.runs import RunEnded, RunReopened
from answerable.tracing.ledger.records.steps import StepFinished
from tests.orchestrator.letters import (
    LEAD,
    Account,
    Ask,
    Batch,
    Letter,
    Receipt,
    letters,
    recorded,
    rows,
    serving,
    signed,
    write,
)

pytestmark = pytest.mark.anyio


async def step_of(service: Any, node: str) -> str:
    """The newest step of a node that has ended and stands."""
    found = [row for row in await rows(service, "steps") if row["node"] == node and row["state"] in ("done", "failed")]
    return str(max(found, key=lambda row: row["generation"])["id"])


# -- cancel ---------------------------------------------------------------------------------------------------------


async def test_a_cancelled_run_withdraws_what_was_not_sent(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            request = run.waiting_for[0].id
            await service.acancel(run.id, by="dora", reason="not needed")
            ended = await service.aresume(run.id)
            (withdrawn,) = await recorded(service, run.id, RequestWithdrawn)
            (call,) = await recorded(service, run.id, EffectWithdrawn)
            (end,) = await recorded(service, run.id, RunEnded)
            assert (ended.status, ended.detail) == ("cancelled", "cancelled by dora: not needed")
            with pytest.raises(NotOpen, match="withdrawn"):
                await service.aapprove(request, by="dora")
            with pytest.raises(InvalidInput, match="over already"):
                await service.acancel(run.id, by="dora", reason="again")
    assert (withdrawn.request, call.reason) == (request, "the run was cancelled")
    assert (end.status, end.by != "") == ("cancelled", True)
    assert receiver.received == []


async def test_what_was_granted_and_not_sent_is_withdrawn_too(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            await service.acancel(run.id, by="dora", reason="not needed")
            assert (await service.aresume(run.id)).status == "cancelled"
            assert [row["state"] for row in await rows(service, "effects")] == ["withdrawn"]
    assert receiver.received == []


async def test_a_run_that_is_cancelled_while_a_worker_is_at_it_stays_cancelled(store_url: str) -> None:
    going, go_on = asyncio.Event(), asyncio.Event()

    async def slow(ask: Ask) -> Letter:
        going.set()
        await go_on.wait()
        return Letter()

    async with serving(letters(writer=slow), store_url, nowhere()) as service:
        running = asyncio.create_task(service.arun(Ask(), by="nils", run_id="run_1"))
        await going.wait()
        await service.acancel("run_1", by="dora", reason="too slow")
        go_on.set()
        assert (await running).status == "cancelled"
        assert await rows(service, "requests") == []
        assert len(await recorded(service, "run_1", RunEnded)) == 1


async def test_a_call_that_is_retried_when_its_run_is_cancelled_is_not_sent_again(sqlite_url: str) -> None:
    slowly = Retry(attempts=3, pause_seconds=0.2)
    with FakeReceiver() as receiver:
        receiver.then(Reply(status=503), "close")
        async with serving(letters(retry=slowly), sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            going = asyncio.create_task(service.aresume(run.id))
            await asyncio.to_thread(receiver.wait_for, 2)
            await service.acancel(run.id, by="dora", reason="stop")
            ended = await going
            assert (ended.status, len(ended.in_doubt)) == ("cancelled", 1)
            with pytest.raises(InvalidInput, match="settle it as done or as failed"):
                await service.asettle(ended.in_doubt[0], outcome="again", by="dora", reason="r")
            await service.asettle(ended.in_doubt[0], outcome="failed", by="dora", reason="r")
            assert await advance_due(service.runtime) == 0
    assert len(receiver.received) == 2


# -- retry ----------------------------------------------------------------------------------------------------------


def counting(texts: list[str]) -> Callable[[Ask], Letter]:
    """A writer that writes these texts, one after the other."""

    def writing(ask: Ask) -> Letter:
        return Letter(text=texts.pop(0))

    return writing


async def test_a_step_runs_anew_with_what_follows_from_it(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(writer=counting(["wrong", "right"])), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            old = run.waiting_for[0]
            run = await service.aretry(run.id, await step_of(service, "write"), by="dora", reason="it was wrong")
            (new,) = run.waiting_for
            assert (old.message, new.message) == ({"text": "wrong"}, {"text": "right"})
            with pytest.raises(NotOpen, match="withdrawn"):
                await service.aapprove(old.id, by="dora")
            await service.aapprove(new.id, by="dora")
            done = await service.aresume(run.id)
            (reopened,) = await recorded(service, run.id, RunReopened)
            finished = [(one.node, one.generation) for one in await recorded(service, run.id, StepFinished)]
            states = sorted(row["state"] for row in await rows(service, "effects"))
    assert done.result == Receipt(text="right")
    assert (reopened.reason, reopened.generation) == ("it was wrong", 1)
    assert finished == [("write", 0), ("sign", 0), ("write", 1), ("sign", 0), ("post", 0)]
    assert states == ["done", "withdrawn"]
    assert [one.json()["text"] for one in receiver.happened] == ["right"]


async def test_a_decision_that_was_not_taken_up_yet_goes_with_its_step(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(writer=counting(["wrong", "right"])), sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            run = await service.aretry(run.id, await step_of(service, "write"), by="dora", reason="it was wrong")
            assert [one.message for one in run.waiting_for] == [{"text": "right"}]
            await service.aapprove(run.waiting_for[0].id, by="dora")
            assert (await service.aresume(run.id)).status == "done"
    assert [one.json()["text"] for one in receiver.happened] == ["right"]


async def test_a_rejection_of_a_step_that_ran_anew_is_forgotten(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(writer=counting(["wrong", "right"])), sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            await service.areject(run.waiting_for[0].id, by="dora", reason="no")
            assert (await service.aresume(run.id)).status == "denied"
            run = await service.aretry(run.id, await step_of(service, "write"), by="dora", reason="once more")
            assert run.status == "waiting"
            await service.aapprove(run.waiting_for[0].id, by="dora")
            assert (await service.aresume(run.id)).status == "done"


async def test_a_failed_run_goes_on_after_its_step_ran_anew(store_url: str) -> None:
    tries: list[int] = []

    def flaky(ask: Ask) -> Letter:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("no ink")
        return write(ask)

    async with serving(letters(writer=flaky), store_url, nowhere()) as service:
        run = await service.arun(Ask(), by="nils")
        for expected in ("failed", "waiting"):
            run = await service.aretry(run.id, await step_of(service, "write"), by="dora", reason="new ink")
            assert run.status == expected
        assert sorted(row["generation"] for row in await rows(service, "steps") if row["node"] == "write") == [0, 1, 2]


async def test_what_was_sent_cannot_be_run_anew(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        receiver.then(Reply(status=409))
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            run = await signed(service)
            assert run.status == "failed"
            for node in ("write", "sign", "post"):
                with pytest.raises(InvalidInput, match="it cannot be unsent"):
                    await service.aretry(run.id, await step_of(service, node), by="dora", reason="r")
            assert (await service.aget(run.id)).status == "failed"


async def test_what_cannot_run_anew(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, nowhere()) as service:
        run = await service.arun(Ask(), by="nils")
        step = await step_of(service, "write")
        for error, match, wrong in (
            (UnknownId, "no step", {"step": "stp_0"}),
            (UnknownId, "no run", {"run": "run_0"}),
            (UnknownId, "nobody is registered", {"by": "mallory"}),
            (InvalidInput, "say why", {"reason": ""}),
        ):
            given = {"run": run.id, "step": step, "by": "dora", "reason": "r", **wrong}
            with pytest.raises(error, match=match):
                await service.aretry(given["run"], given["step"], by=given["by"], reason=given["reason"])
        await service.aretry(run.id, step, by="dora", reason="r")
        with pytest.raises(InvalidInput, match="superseded"):
            await service.aretry(run.id, step, by="dora", reason="r")
        await service.acancel(run.id, by="dora", reason="r")
        with pytest.raises(InvalidInput, match="was cancelled"):
            await service.aretry(run.id, await step_of(service, "write"), by="dora", reason="r")


async def test_a_run_that_a_worker_is_at_cannot_run_anew(store_url: str) -> None:
    going, go_on = asyncio.Event(), asyncio.Event()

    async def hold(letter: Letter) -> Receipt:
        going.set()
        await go_on.wait()
        return Receipt()

    system = System("held", responsible="alice")
    writing = system.agent(owner="writers")(write)
    holding = system.agent(owner="writers")(hold)
    system.edge(START, writing, purpose="p")
    system.edge(writing, holding, purpose="p")
    system.edge(holding, END, purpose="p")
    async with serving(system.build(Ask, Receipt), store_url) as service:
        running = asyncio.create_task(service.arun(Ask(), by="nils", run_id="run_1"))
        await going.wait()
        with pytest.raises(RunBusy):
            await service.aretry("run_1", await step_of(service, "write"), by="dora", reason="r")
        with pytest.raises(RunBusy):
            await service.aresume("run_1")
        go_on.set()
        assert (await running).status == "done"


def gathered(writers: list[Any]) -> App[Ask, Account]:
    """Letters are written side by side; each line of the account is one of them, or why there is none."""
    system = System("gathered", responsible="alice")

    @system.agent(owner="writers")
    def split(ask: Ask) -> Batch:
        return Batch(letters=[Letter(text=str(number)) for number in range(3)])

    @system.agent(owner="writers")
    def rewrite(letter: Letter) -> Letter | None:
        if letter.text != "1":
            return letter
        said = writers.pop(0)
        if isinstance(said, Exception):
            raise said
        return Letter(text=said) if said is not None else None

    @system.agent(owner="writers")
    def account(ended: list[Ended[Letter]]) -> Account:
        return Account(lines=[each.result.text if each.result else type(each.outcome).__name__ for each in ended])

    system.edge(START, split, purpose="p")
    system.edge(split, rewrite, each="letters", purpose="p")
    system.edge(rewrite, account, gather=True, purpose="p")
    system.edge(account, END, purpose="p")
    return system.build(Ask, Account)


@pytest.mark.parametrize(
    ("first", "lines"),
    [("one", ["0", "one", "2"]), (OSError("torn"), ["0", "Failed", "2"]), (None, ["0", "2"])],
    ids=["a result", "a failure", "nothing"],
)
async def test_a_gather_that_was_closed_over_a_step_is_closed_anew(
    sqlite_url: str, first: Any, lines: list[str]
) -> None:
    async with serving(gathered([first, "anew"]), sqlite_url) as service:
        run = await service.arun(Ask(), by="nils")
        assert run.result == Account(lines=lines)
        steps, crossings = await rows(service, "steps"), await rows(service, "crossings")
        crossing = next(row for row in crossings if row["target"] == "rewrite" and row["scope"].endswith("1]]"))
        step = next(row["id"] for row in steps if crossing["id"] in row["consumed"])
        run = await service.aretry(run.id, step, by="dora", reason="r")
        assert (run.status, run.result) == ("done", Account(lines=["0", "anew", "2"]))


# -- versions -------------------------------------------------------------------------------------------------------


def other_version(**options: Any) -> App[Ask, Receipt]:
    return letters(within=2 * HOUR, **options)


async def test_a_run_stays_on_its_version(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
        async with serving(other_version(), store_url, receiver.origin) as newer:
            assert newer.app.version != service.app.version
            with pytest.raises(VersionGone, match="was begun by version"):
                await newer.aresume(run.id)
            assert (await newer.aget(run.id)).status == "waiting"
            await newer.aapprove(run.waiting_for[0].id, by="dora")  # deciding needs no app
            await newer.amigrate(run.id, by="dora", reason="the old program is gone")
            assert (await newer.aresume(run.id)).result == Receipt(text="dear a")
            (reopened,) = await recorded(newer, run.id, RunReopened)
    assert reopened.version == other_version().version


async def test_what_cannot_migrate(sqlite_url: str) -> None:
    def scribble(ask: Ask) -> Letter:
        return Letter()

    async with serving(letters(), sqlite_url, nowhere()) as service:
        run = await service.arun(Ask(), by="nils")
        over = await service.arun(Ask(), by="nils")
        await service.acancel(over.id, by="dora", reason="r")
    system = System("letters", responsible="alice")
    node = system.agent(owner="writers")(scribble)
    sign = system.approval("sign", of=Letter, by=LEAD, within=HOUR)
    system.edge(START, node, purpose="p")
    system.edge(node, sign, purpose="p")
    system.edge(sign, END, purpose="p")
    async with serving(system.build(Ask, Letter), sqlite_url) as newer:
        with pytest.raises(InvalidInput, match="what this version does not have"):
            await newer.amigrate(run.id, by="dora", reason="r")
        with pytest.raises(InvalidInput, match="over already"):
            await newer.amigrate(over.id, by="dora", reason="r")
    async with serving(gathered([]), sqlite_url) as another:
        with pytest.raises(InvalidInput, match="is a run of 'letters'"):
            await another.amigrate(run.id, by="dora", reason="r")
