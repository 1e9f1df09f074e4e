"""Thresholds by value, and who is too close by the causal path."""

from __future__ import annotations

import json
from typing import Any

import pytest

from answerable.agents.nodes import END, START
from answerable.agents.options import HOUR
from answerable.agents.people import person, quorum, role
from answerable.errors import DeclarationError, NotEligible
from answerable.orchestrator.app import App
from answerable.orchestrator.system import System
from answerable.testing import nowhere
from answerable.tracing.evidence.story.answers import explain
from answerable.tracing.evidence.telling.words import as_plain
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.votes import Voted
from tests.orchestrator.letters import LEAD, Ask, Letter, Receipt, length, letters, recorded, rows, serving

pytestmark = pytest.mark.anyio

TWO = quorum(2, LEAD)
THREE = quorum(2, LEAD) & role("boss")
PEOPLE = {"dan": "lead", "bea": "boss", "eve": "lead"}


def no_idea(letter: Letter, ask: Ask) -> int:
    raise RuntimeError("no idea")


def half(letter: Letter, ask: Ask) -> Any:
    return 0.5


def shorter(letter: Letter, ask: Ask) -> dict[str, Letter]:
    return {"shorter": Letter(text="hi"), "longer": Letter(text="a very long letter it is")}


def system(**more: Any) -> App[Ask, Receipt]:
    return letters(**{"value": length, "above": {5: TWO, 15: THREE}, "options": shorter, **more})


async def test_each_option_asks_whom_its_value_says(store_url: str) -> None:
    async with serving(system(), store_url, nowhere(), people=PEOPLE) as service:
        (request,) = (await service.arun(Ask(text="bob"), by="nils")).waiting_for
        shown = {one["name"]: (one["value"], one["asks"]) for one in request.view["options"]}
        assert shown == {
            "as-proposed": (8, '2 of role("lead")'),
            "longer": (24, '1 of role("boss") and 2 of role("lead")'),
            "shorter": (2, "role lead"),
        }
        takes = '2 of role("lead") for as-proposed', '1 of role("boss") and 2 of role("lead") for longer'
        assert sorted(request.asks.split("; ")) == sorted((*takes, "role lead for shorter"))
        (row,) = await rows(service, "requests")
        bound = {one["name"]: (one["value"], one["by"]) for one in json.loads(row["body"])["options"]}
        told = await service.store.read(lambda tx: explain(tx, request.id))
        assert bound["longer"] == (24, THREE.as_json())
        assert (await service.aapprove(request.id, by="dora")).outcome == "voted"
        with pytest.raises(NotEligible, match="it asks 2 of"):
            await service.aapprove(request.id, by="bea")  # who is asked about the longer one only
        assert (await service.aapprove(request.id, option="longer", by="bea")).outcome == "voted"
        assert (await service.aapprove(request.id, option="shorter", by="dan")).outcome == "approved"
    (asked,) = [line.table for line in told.lines if line.sort == "request"]
    assert as_plain(asked[0][-1]) == "it takes"
    assert {as_plain(row[0]): as_plain(row[-1]) for row in asked[1:]}["shorter"] == "role lead"


async def test_a_value_is_above_its_limit_and_not_at_it(sqlite_url: str) -> None:
    async with serving(system(), sqlite_url, nowhere(), people=PEOPLE) as service:
        (request,) = (await service.arun(Ask(text=""), by="nils")).waiting_for  # "dear ": five
        assert request.view["options"][0]["asks"] == "role lead"


@pytest.mark.parametrize(("value", "trouble"), [(no_idea, "RuntimeError: no idea"), (half, "no whole number")])
async def test_a_value_that_cannot_be_had_asks_the_strictest_and_says_so(
    store_url: str, value: Any, trouble: str
) -> None:
    async with serving(system(value=value), store_url, nowhere(), people=PEOPLE) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        for one in request.view["options"]:
            assert (one["value"], one["asks"]) == (None, str(THREE))
            assert trouble in one["trouble_with_value"]


async def test_an_edit_is_valued_anew(store_url: str) -> None:
    async with serving(system(), store_url, nowhere(), people=PEOPLE) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        edited = await service.aedit(request.id, Letter(text="a letter that is much longer"), by="dora")
        assert edited.view["options"][0]["asks"] == str(THREE)
        assert (await service.aapprove(edited.id, by="dan")).outcome == "voted"


@pytest.mark.parametrize(
    "wrong",
    [{"above": None}, {"value": None}, {"above": {}}, {"above": {True: TWO}}, {"above": {1.5: TWO}}, {"above": {1: 2}}],
    ids=str,
)
def test_thresholds_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError):
        system(**wrong)


# -- the causal path ----------------------------------------------------------------------------------


def two_approvals(**second: Any) -> App[Ask, Receipt]:
    """Somebody drafts, one approval, somebody (who acts for petra) makes it nice, and a second approval."""
    made = System("two", responsible="alice")

    @made.agent(owner="writers")
    def write(ask: Ask) -> Letter:
        return Letter(text=ask.text)

    @made.agent(owner="decorators", acts_for="petra")
    def decorate(letter: Letter) -> Receipt:
        return Receipt(text=f"* {letter.text} *")

    first = made.approval("first", of=Letter, by=LEAD, within=HOUR)
    last = made.approval("last", of=Receipt, by=LEAD, within=HOUR, **second)
    made.edge(START, write, purpose="ask")
    made.edge(write, first, purpose="is it good?")
    made.edge(first, decorate, purpose="make it nice")
    made.edge(decorate, last, purpose="is it still good?")
    made.edge(last, END, purpose="done")
    return made.build(Ask, Receipt)


async def test_who_edited_at_an_earlier_approval_does_not_decide_the_next(store_url: str) -> None:
    people = {"dan": "lead", "petra": "lead", "wim": "lead"}
    async with serving(two_approvals(), store_url, people=people) as service:
        await service.people.aadd("wim", roles=["lead"], teams=["writers"])
        run = await service.arun(Ask(), by="nils")
        edited = await service.aedit(run.waiting_for[0].id, Letter(text="mine"), by="dora")
        await service.aapprove(edited.id, by="dan")
        (request,) = (await service.aresume(run.id)).waiting_for
        for who, why in (
            ("dora", "wrote this edit"),
            ("petra", "has an agent act for them"),
            ("wim", "owns an agent that led to this request .as writers."),
        ):
            with pytest.raises(NotEligible, match=why):
                await service.aapprove(request.id, by=who)
        assert (await service.aapprove(request.id, by="dan")).outcome == "approved"  # who decided, and wrote nothing


async def test_who_decides_their_own_is_recorded_as_such(store_url: str) -> None:
    app = letters(by=quorum(2, LEAD), may_decide_own=True)
    async with serving(app, store_url, nowhere(), people={"nils": "lead", "dan": "lead"}) as service:
        run = await service.arun(Ask(), by="nils")
        await service.aapprove(run.waiting_for[0].id, by="nils")
        await service.aapprove(run.waiting_for[0].id, by="dan")
        nils = next(one.id for one in await service.people.aall() if one.handle == "nils")
        assert [(one.by, one.own) for one in await recorded(service, run.id, Voted)] == [(nils, True)]
        assert [one.own for one in await recorded(service, run.id, Decided)] == [(nils,)]
    async with serving(letters(by=person("dan"), may_decide_own=True), store_url, nowhere()) as service:
        await service.aaccept_approval("sign", by="alice")
        run = await service.arun(Ask(), by="nils")
        await service.aapprove(run.waiting_for[0].id, by="dan")
        assert [one.own for one in await recorded(service, run.id, Decided)] == [()]
