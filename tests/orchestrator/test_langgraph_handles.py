"""Through LangGraph's own handles nothing is sent that nobody approved, and an attempt at an effect is a record."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.types import Command

from answerable.orchestrator.service import Service
from answerable.testing import FakeReceiver
from answerable.tracing.ledger.records.effects import EffectRefused
from tests.orchestrator.letters import Ask, Receipt, letters, recorded, rows, serving

pytestmark = pytest.mark.anyio


def config(run: str) -> Any:
    return {"configurable": {"thread_id": run}}


async def unchanged(service: Service[Any, Any], run: str, receiver: FakeReceiver) -> None:
    """Nothing was sent or decided, and a real decision still does what it says."""
    assert receiver.received == []
    assert await rows(service, "decisions") == []
    assert await rows(service, "grants") == []
    assert [row["state"] for row in await rows(service, "effects")] == ["prepared"]
    waiting = await service.aresume(run)
    assert waiting.status == "waiting"
    await service.aapprove(waiting.waiting_for[0].id, by="dora")
    assert (await service.aresume(run)).result == Receipt(text="dear a")
    assert len(receiver.happened) == 1


@pytest.mark.parametrize("value", [True, "approved", {"option": "as-proposed"}, {"type": "accept"}])
async def test_resuming_is_not_approving(store_url: str, value: Any) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            state = await service.langgraph.ainvoke(Command(resume=value), config(run.id))
            assert "__interrupt__" in state
            await unchanged(service, run.id, receiver)


async def test_going_to_the_effect_is_refused_and_recorded(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            await service.langgraph.ainvoke(Command(goto="post"), config(run.id))
            (refused,) = await recorded(service, run.id, EffectRefused)
            assert (refused.name, refused.responsible) == ("post", (await rows(service, "systems"))[0]["responsible"])
            await unchanged(service, run.id, receiver)


async def test_resuming_and_going_at_once(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            await service.langgraph.ainvoke(Command(resume=True, goto=["post", "sign", "write"]), config(run.id))
            assert len(await recorded(service, run.id, EffectRefused)) == 1
            await unchanged(service, run.id, receiver)


@pytest.mark.parametrize("as_node", ["sign", "post", "_rest"])
async def test_updating_the_state_says_nothing(sqlite_url: str, as_node: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            changed = await service.langgraph.aupdate_state(config(run.id), {"wakes": 5}, as_node=as_node)
            await service.langgraph.ainvoke(None, changed)
            await unchanged(service, run.id, receiver)


async def test_a_fork_of_a_checkpoint_sends_nothing(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            history = [state async for state in service.langgraph.aget_state_history(config(run.id))]
            assert history
            for state in history:
                forked = await service.langgraph.aupdate_state(state.config, {"wakes": 1}, as_node="post")
                await service.langgraph.ainvoke(Command(resume=True, goto="post"), forked)
            await unchanged(service, run.id, receiver)


@pytest.mark.parametrize("handle", ["node", "bound"])
async def test_calling_the_node_of_an_effect_is_refused_and_recorded(store_url: str, handle: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            node = service.langgraph.nodes["post"]
            called = node if handle == "node" else node.bound
            await called.ainvoke({"wakes": 0}, config(run.id))
            (refused,) = await recorded(service, run.id, EffectRefused)
            assert refused.name == "post"
            await unchanged(service, run.id, receiver)


async def test_calling_other_nodes_repeats_nothing(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            before = len(await rows(service, "steps"))
            for name in ("write", "sign", "_rest"):
                if name != "_rest":
                    await service.langgraph.nodes[name].ainvoke({"wakes": 0}, config(run.id))
            assert len(await rows(service, "steps")) == before
            await unchanged(service, run.id, receiver)


async def test_an_effect_that_was_sent_is_not_sent_again(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            assert (await service.aresume(run.id)).status == "done"
            for given in (Command(goto="post"), Command(resume=True), {"wakes": 0}):
                await service.langgraph.ainvoke(given, config(run.id))
            await service.langgraph.nodes["post"].ainvoke({"wakes": 0}, config(run.id))
            assert (await service.aget(run.id)).status == "done"
    assert len(receiver.received) == 1


async def test_a_run_that_langgraph_finishes_ends_like_any_other(store_url: str) -> None:
    """Streaming and invoking by its own handles is allowed: what was approved is done, by the same rules."""
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            updates = [one async for one in service.langgraph.astream(Command(resume=0), config(run.id))]
            assert updates
            done = await service.aget(run.id)
    assert (done.status, done.result) == ("done", Receipt(text="dear a"))
    assert len(receiver.happened) == 1
