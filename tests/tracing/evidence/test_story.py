"""What touches a path is told with it: handovers, freezes, exemptions, edits, silence, retries, calls in doubt."""

from __future__ import annotations

from typing import Any

import pytest

from answerable.agents.options import HOUR
from answerable.agents.people import role
from answerable.approvals.node import exemption
from answerable.orchestrator.service import Service
from answerable.testing import FakeClock, FakeReceiver, nowhere
from answerable.tracing.evidence.story.answers import explain
from answerable.tracing.evidence.story.document import document_of
from answerable.tracing.ledger.records.effects import EffectPrepared, EffectSettled
from answerable.tracing.ledger.records.steps import StepFinished
from tests.orchestrator.letters import Ask, Letter, letters, recorded, serving, signed
from tests.support.story import whole_run
from tests.tracing.evidence.test_page import story_of

pytestmark = pytest.mark.anyio


async def told(service: Service[Any, Any], id: str) -> str:
    """The whole answer to why, in words."""
    document = document_of(await service.store.read(lambda tx: explain(tx, id)))
    assert not document["partial"]
    lines = [line["text"] for line in document["story"]]
    return "\n".join([*document["answer"], *lines])


async def test_handovers_and_freezes_on_the_way(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin, people={"bob": "deputy"}) as service:
            early = await service.afreeze("effect:post", by="dora", reason="a drill, long before")
            await service.athaw(early.id, by="dora", reason="it is over")
            run = await service.arun(Ask(), by="nils")
            await service.ahandover(to="bob", by="alice", reason="on holiday")
            await service.aaccept_handover(by="bob")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            stop = await service.afreeze("effect:post", by="dora", reason="look at it")
            other = await service.afreeze("edge:post→END.result", by="dora", reason="elsewhere")
            assert (await service.aresume(run.id)).status == "frozen"
            await service.athaw(stop.id, by="bob", reason="fine")
            await service.athaw(other.id, by="bob", reason="never mind")
            assert (await service.aresume(run.id)).status == "done"
            (effect,) = await recorded(service, run.id, EffectPrepared)
            story = await told(service, effect.effect)
    assert "For letters answered, in turn, alice and bob." in story
    assert "alice offered letters to bob: “on holiday”" in story and "bob took letters over from alice" in story
    assert "dora froze effect:post: “look at it”" in story and "bob lifted the freeze: “fine”" in story
    assert "a drill" not in story and "elsewhere" not in story and "never mind" not in story


async def test_an_exemption_is_told_with_who_accepted_it(sqlite_url: str) -> None:
    @exemption(version=3)
    def harmless(letter: Letter, ask: Ask) -> bool:
        return True

    with FakeReceiver() as receiver:
        async with serving(letters(exempt=harmless), sqlite_url, receiver.origin) as service:
            await service.aaccept_exemption("sign", by="alice")
            run = await service.arun(Ask(), by="nils")
            assert run.status == "done"
            (effect,) = await recorded(service, run.id, EffectPrepared)
            story = await told(service, effect.effect)
    assert "the exemption harmless@3 let it pass sign without asking anybody" in story.replace("The ex", "the ex")
    assert "alice accepted the exemption harmless@3 for sign" in story


async def test_who_accepted_the_rules_of_deciding_is_told(sqlite_url: str) -> None:
    async with serving(letters(by=role("chief")), sqlite_url, nowhere()) as service:
        before = await service.arun(Ask(), by="nils")
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            await service.aaccept_approval("sign", by="alice")
            run = await signed(service)
            (effect,) = await recorded(service, run.id, EffectPrepared)
            story = await told(service, effect.effect)
            (older,) = await recorded(service, before.id, EffectPrepared)
            assert "accepted the rules of deciding" not in await told(service, older.effect)
    assert "alice accepted the rules of deciding of sign" in story


async def test_who_declined_rules_of_deciding_meanwhile_is_told(sqlite_url: str) -> None:
    async with serving(letters(by=role("chief")), sqlite_url, nowhere()):
        pass
    async with serving(letters(), sqlite_url, nowhere()) as service:
        before = await service.arun(Ask(), by="nils")
        asked = await service.arun(Ask(), by="nils")
        await service.areject(before.waiting_for[0].id, by="alice", reason="no")
        await service.aresume(before.id)
        await service.adecline_approval("sign", by="alice", reason="a chief sees more")
        await service.areject(asked.waiting_for[0].id, by="alice", reason="no")
        await service.aresume(asked.id)
        stories = [await told(service, run.id) for run in (before, asked)]
    assert ["alice declined the rules of deciding proposed for sign" in story for story in stories] == [False, True]
    assert "a chief sees more" in stories[1]


async def test_an_edit_a_step_run_anew_and_silence(sqlite_url: str) -> None:
    clock = FakeClock()
    async with serving(letters(), sqlite_url, nowhere(), clock=clock, people={"erik": "lead"}) as service:
        run = await service.arun(Ask(), by="nils")
        (wrong,) = [one for one in await recorded(service, run.id, StepFinished) if one.node == "write"]
        run = await service.aretry(run.id, wrong.step, by="dora", reason="it was rude")
        await service.aedit(run.waiting_for[0].id, Letter(text="kinder"), by="dora")
        clock.advance(2 * HOUR)
        run = await service.aresume(run.id)
        assert run.status == "denied"
        story = await told(service, run.id)
    assert "dora had a step run anew: “it was rude”" in story
    assert "dora edited what sign asked about" in story and "as dora edited it" in story
    assert "nobody decided at sign in time, which is a no" in story


def test_a_call_in_doubt_that_somebody_settled() -> None:
    records = whole_run().records
    (settled,) = [one for one in records if isinstance(one, EffectSettled)]
    document = document_of(story_of(records, settled.effect))
    lines = [line["text"] for line in document["story"]]
    assert any("may have happened or not: it is in doubt" in line for line in lines)
    assert any("settled carrier.dispatch as done: “the carrier confirmed it”" in line for line in lines)
    assert document["about"]["state"] == "done"
    assert any("attempt 1 of forecast did not finish; another began" in line for line in lines)
