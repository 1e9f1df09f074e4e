"""Runs: how they begin, how they end, and what is said of them."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from answerable.agents.messages import Message, Upcaster
from answerable.agents.nodes import END, START
from answerable.agents.options import HOUR
from answerable.errors import InvalidInput, InvalidMessage, UnknownId
from answerable.orchestrator.app import App
from answerable.orchestrator.system import System
from answerable.testing import FakeReceiver, nowhere
from answerable.tracing.ledger.records.runs import RunEnded, RunStarted
from answerable.tracing.ledger.records.steps import Crossed
from tests.orchestrator.letters import CARRIER, LEAD, Account, Ask, Batch, Letter, letters, recorded, rows, serving

pytestmark = pytest.mark.anyio


async def test_a_run_has_an_id_and_a_starter(store_url: str) -> None:
    async with serving(letters(), store_url, nowhere()) as service:
        run = await service.arun(Ask(), by="night-desk")
        (started,) = await recorded(service, run.id, RunStarted)
        people = {row["handle"]: row for row in await rows(service, "people")}
    assert run.id.startswith("run_")
    assert (run.started_by, run.responsible, run.system) == ("night-desk", "alice", "letters")
    assert (started.started_by, started.responsible) == (people["night-desk"]["id"], people["alice"]["id"])
    assert people["night-desk"]["roles"] == "[]"


async def test_a_given_id_begins_one_run(store_url: str) -> None:
    async with serving(letters(), store_url, nowhere()) as service:
        first = await service.arun(Ask(), by="nils", run_id="run_monday")
        again = await service.arun(Ask(), by="nils", run_id="run_monday")
        assert first.id == again.id == "run_monday"
        assert [one.id for one in again.waiting_for] == [one.id for one in first.waiting_for]
        with pytest.raises(InvalidInput, match="began with something else"):
            await service.arun(Ask(text="other"), by="nils", run_id="run_monday")
        assert len(await service.aruns()) == 1


async def test_a_wrong_input_begins_nothing(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, nowhere()) as service:
        with pytest.raises(InvalidMessage, match="begins with Ask, not Letter"):
            await service.arun(Letter(), by="nils")
        with pytest.raises(InvalidMessage, match="not a valid Ask"):
            await service.arun(Ask().model_copy(update={"text": 7}), by="nils")
        assert await service.aruns() == []


async def test_an_unknown_run(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, nowhere()) as service:
        for attempt in (service.aget("run_0"), service.aresume("run_0"), service.acancel("run_0", by="x", reason="r")):
            with pytest.raises(UnknownId, match="no run run_0"):
                await attempt


async def test_a_service_lists_the_runs_of_its_own_system(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, nowhere()) as service:
        await service.arun(Ask(), by="nils")
    async with serving(ends(reached=True), sqlite_url) as other:
        assert await other.aruns() == []


def test_it_works_without_an_event_loop(sqlite_url: str) -> None:
    with FakeReceiver() as receiver, letters().connect(sqlite_url, origins={CARRIER: receiver.origin}) as service:
        service.people.add("dora", roles=["lead"])
        assert [one.handle for one in service.people.all()] == ["alice", "dora"]
        assert service.run(Ask(), by="nils").status == "waiting"


async def test_blocking_verbs_need_an_open_service(sqlite_url: str) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        letters().connect(sqlite_url).run(Ask(), by="nils")


def ends(*, reached: bool) -> App[Ask, Letter]:
    """Three letters, which all reach END, or none."""
    system = System("ends", responsible="alice")

    @system.agent(owner="writers")
    def split(ask: Ask) -> Batch:
        return Batch(letters=[Letter(text=str(number)) for number in range(3)])

    @system.agent(owner="writers")
    def pass_on(letter: Letter) -> Letter:
        return letter

    def chosen(letter: Letter) -> bool:
        return reached

    system.edge(START, split, purpose="p")
    system.edge(split, pass_on, each="letters", purpose="p")
    system.edge(pass_on, END, purpose="p", when=chosen)
    return system.build(Ask, Letter)


async def test_of_several_results_one_is_the_result_whatever_came_first(store_url: str) -> None:
    async with serving(ends(reached=True), store_url) as service:
        runs = [await service.arun(Ask(), by="nils", run_id="run_1"), await service.aresume("run_1")]
        crossed = [one for one in await recorded(service, "run_1", Crossed) if one.target == "END"]
        first = min(crossed, key=lambda one: one.crossing)
        (end,) = await recorded(service, "run_1", RunEnded)
    assert {run.status for run in runs} == {"done"}
    assert runs[0].result == runs[1].result
    assert len(crossed) == 3
    assert end.result == first.message


async def test_a_run_that_reaches_no_end_is_stuck(store_url: str) -> None:
    async with serving(ends(reached=False), store_url) as service:
        run = await service.arun(Ask(), by="nils")
        (end,) = await recorded(service, run.id, RunEnded)
    assert (run.status, run.detail, run.result) == ("stuck", "nothing reached END", None)
    assert (end.status, end.result) == ("stuck", None)


class Left(Message):
    pass


class Right(Message):
    pass


async def test_messages_that_wait_for_nothing_are_leftovers(sqlite_url: str) -> None:
    system = System("leftovers", responsible="alice")

    @system.agent(owner="o")
    def left(ask: Ask) -> Left:
        return Left()

    @system.agent(owner="o")
    def right(ask: Ask) -> Right | None:
        return None

    @system.agent(owner="o")
    def both(left: Left, right: Right) -> Account:
        return Account()

    @system.agent(owner="o")
    def alone(ask: Ask) -> Account:
        return Account(lines=["alone"])

    for source, target in ((START, left), (START, right), (left, both), (right, both), (both, END)):
        system.edge(source, target, purpose="p")
    system.edge(START, alone, purpose="p")
    system.edge(alone, END, purpose="p")
    async with serving(system.build(Ask, Account), sqlite_url) as service:
        run = await service.arun(Ask(), by="nils")
        (end,) = await recorded(service, run.id, RunEnded)
        (crossed,) = [one for one in await recorded(service, run.id, Crossed) if one.target == "both"]
    assert (run.status, run.result) == ("done", Account(lines=["alone"]))
    assert end.leftovers == (crossed.crossing,)


# -- messages of older versions -------------------------------------------------------------------------------------


def note_of(version: int) -> type[Message]:
    """The type Note, as it was and as it is."""

    class OldNote(Message):
        words: str

    class NewNote(Message):
        version: ClassVar[int] = 2
        upcasters: ClassVar[dict[int, Upcaster]] = {1: lambda old: {"text": old["words"], "loud": False}}
        text: str
        loud: bool

    note: type[Message] = OldNote if version == 1 else NewNote
    note.__name__ = "Note"
    return note


def notes(note: type[Any]) -> App[Ask, Account]:
    system = System("notes", responsible="alice")

    def take(ask: Ask) -> Any:
        return note(words=ask.text)

    def read(note: Any) -> Account:
        return Account(lines=[f"{note.text} {note.loud}"])

    take.__annotations__ = {"ask": Ask, "return": note}
    read.__annotations__ = {"note": note, "return": Account}
    taking: Any = system.agent(owner="o")(take)
    reading: Any = system.agent(owner="o")(read)
    sign: Any = system.approval("sign", of=note, by=LEAD, within=HOUR)
    system.edge(START, taking, purpose="p")
    system.edge(taking, sign, purpose="p")
    system.edge(sign, reading, purpose="p")
    system.edge(reading, END, purpose="p")
    return system.build(Ask, Account)


async def test_a_newer_app_reads_the_messages_of_an_older_one(store_url: str) -> None:
    old, new = notes(note_of(1)), notes(note_of(2))
    assert old.version != new.version
    async with serving(old, store_url) as service:
        run = await service.arun(Ask(text="hello"), by="nils")
    async with serving(new, store_url) as newer:
        await newer.amigrate(run.id, by="dora", reason="a new version")
        await newer.aapprove(run.waiting_for[0].id, by="dora")
        done = await newer.aresume(run.id)
    assert (done.status, done.result) == ("done", Account(lines=["hello False"]))


async def test_an_app_without_an_upcaster_says_so(sqlite_url: str) -> None:
    class Stubborn(Message):
        version: ClassVar[int] = 2
        words: str

    Stubborn.__name__ = "Note"
    async with serving(notes(note_of(1)), sqlite_url) as service:
        run = await service.arun(Ask(text="hello"), by="nils")
    async with serving(notes(Stubborn), sqlite_url) as newer:
        await newer.amigrate(run.id, by="dora", reason="no upcaster")
        await newer.aapprove(run.waiting_for[0].id, by="dora")
        with pytest.raises(InvalidMessage, match="there is no upcaster from 1"):
            await newer.aresume(run.id)
        assert (await newer.aget(run.id)).status in ("waiting", "running")
