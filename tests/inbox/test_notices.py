"""Notices: whom they tell what, and that none is lost. They go through apprise to a receiver that listens on a port."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from answerable.agents.options import HOUR
from answerable.agents.people import person, quorum, role
from answerable.approvals.asking.quotas import Quota
from answerable.approvals.node import BreakGlass
from answerable.errors import InvalidInput
from answerable.inbox.notices.notifying import ALIKE, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Notifying
from answerable.inbox.notices.targets import KINDS, Target, read_targets
from answerable.inbox.notices.waiting import Standing, standings
from answerable.orchestrator.engine import advance_due
from answerable.orchestrator.places import rules_declared
from answerable.orchestrator.service import Service
from answerable.testing import FakeClock, FakeReceiver, Reply, nowhere
from tests.approvals.test_floods import flooded
from tests.inbox.served import serving as serving_process
from tests.orchestrator.letters import LEAD, Ask, letters, rows, serving

pytestmark = pytest.mark.anyio

INBOX = "https://inbox.example"


def listening(there: FakeReceiver, name: str = "chat", **wanted: Any) -> Target:
    """A target at a receiver, with a password in its address."""
    host = there.origin.removeprefix("http://")
    return Target(name=name, url=f"json://robot:hush-hush@{host}/hooks/s3cret", **wanted)


def told(there: FakeReceiver) -> list[tuple[str, str]]:
    """What arrived: titles and texts."""
    return [(one.json()["title"], one.json()["message"]) for one in there.received]


@asynccontextmanager
async def notifying(service: Service[Any, Any], *targets: Target, begun: bool = True) -> AsyncIterator[Notifying]:
    """What notifies of a service's store; it has begun, unless it is said otherwise."""
    made = Notifying(service.store, targets, origin=INBOX)
    if begun:
        await made.begin()
    yield made


async def stands(service: Service[Any, Any]) -> dict[str, Standing]:
    """How each target stands."""
    return {one.target: one for one in await service.store.read(standings)}


async def test_a_new_request_is_told_with_a_link_and_without_what_it_says(store_url: str) -> None:
    with FakeReceiver() as there:
        async with (
            serving(letters(), store_url, nowhere(), clock=FakeClock()) as service,
            notifying(service, listening(there)) as one,
        ):
            run = await service.arun(Ask(text="confidential"), by="nils")
            await one.look()
            await one.look()
            assert (await stands(service))["chat"].delivered == 1
    ((title, text),) = told(there)
    assert title == "sign of letters asks"
    assert "Decide by 2026-" in text and "After that it counts as a no." in text
    assert text.endswith(f"\n{INBOX}/requests/{run.waiting_for[0].id}")
    for never in ("confidential", "dear", "as-proposed", "approve", "/letters", "dora", "nils"):
        assert never not in title + text


async def test_the_tier_that_goes_short_is_told_and_may_be_asked_for(sqlite_url: str) -> None:
    with FakeReceiver() as all_of_it, FakeReceiver() as medical:
        async with (
            serving(flooded(quota=Quota(), count=1), sqlite_url, nowhere()) as service,
            notifying(service, listening(all_of_it), listening(medical, "pager", least_tier="medical")) as one,
        ):
            await service.arun(Ask(text="both"), by="nils")
            await one.look()
    assert sorted(title for title, _ in told(all_of_it)) == ["sign of flooded asks", "weigh of flooded asks"]
    ((title, text),) = told(medical)
    assert title == "weigh of flooded asks" and text.startswith("medical goes short as proposed.\n")


@pytest.mark.parametrize(
    "wanted", [{"systems": ("other",)}, {"roles": ("other",)}, {"kinds": ("expiring",)}, {"least_tier": "medical"}]
)
async def test_a_target_is_told_what_it_wants(sqlite_url: str, wanted: dict[str, Any]) -> None:
    everything: dict[str, Any] = {"systems": ("flooded",), "roles": ("lead",), "kinds": ("new",), "least_tier": "x"}
    with FakeReceiver() as not_it, FakeReceiver() as it:
        async with (
            serving(flooded(quota=Quota(), count=1), sqlite_url, nowhere()) as service,
            notifying(service, listening(not_it, "a", **wanted), listening(it, "b", **everything)) as one,
        ):
            await service.arun(Ask(text="flood"), by="nils")
            await one.look()
    assert (len(told(not_it)), len(told(it))) == (0, 1)


async def test_what_is_about_to_expire_is_told_once(store_url: str) -> None:
    clock = FakeClock()
    with FakeReceiver() as there:
        async with (
            serving(letters(within=2 * HOUR), store_url, nowhere(), clock=clock) as service,
            notifying(service, listening(there, kinds=("expiring",))) as one,
        ):
            await service.arun(Ask(), by="nils")
            for seconds in (0, 1.4 * HOUR, 0.1 * HOUR, 0.1 * HOUR):
                clock.advance(seconds)
                await one.look()
            late = await service.arun(Ask(), by="nils")
            clock.advance(2 * HOUR)  # it is over before anybody looked
            await one.look()
    assert [title for title, _ in told(there)] == ["sign of letters is about to expire"]
    assert late.id not in told(there)[0][1]


async def test_a_source_that_was_frozen_is_told(sqlite_url: str) -> None:
    with FakeReceiver() as there:
        async with (
            serving(letters(quota=Quota(open=1)), sqlite_url, nowhere()) as service,
            notifying(service, listening(there, kinds=("frozen",))) as one,
        ):
            for _ in range(3):
                await service.arun(Ask(), by="nils")
            await service.afreeze("agent:write", by="dora", reason="a person's own freeze is not told")
            await one.look()
    ((title, text),) = told(there)
    assert title == "write of letters asked too much and was frozen"
    assert "1 of its requests are open, and its quota is 1" in text and text.endswith(f"{INBOX}/freezes")


async def test_proposed_rules_of_deciding_are_told_once_and_name_no_person(store_url: str) -> None:
    two, other, named = letters(by=quorum(2, LEAD)), letters(by=person("petra"), denials=2), letters(named="release")
    with FakeReceiver() as there:
        async with (
            serving(two, store_url, nowhere()) as service,
            notifying(service, listening(there, kinds=("proposed",))) as one,
        ):
            for app in (two, other, other, two, named):
                async with serving(app, store_url, nowhere()):
                    pass
                await one.look()
            async with serving(letters(), store_url, nowhere()) as newer:
                await newer.aaccept_approval("sign", by="alice", digest=rules_declared(newer.app.graph)["sign"].digest)
            await one.look()  # it was accepted before anybody was told of it
    (first, first_text), (second, second_text) = told(there)
    assert first == "sign of letters is declared with other rules of deciding"
    assert first_text.startswith(
        "They change by, denials.\nUntil the Responsible Individual accepts them, it asks as be"
    )
    assert second == "release of letters is new" and "it asks the Responsible Individual alone." in second_text
    for text in (first_text, second_text):
        assert text.endswith(f"\n{INBOX}/approvals") and "petra" not in text and "alice" not in text


async def test_what_was_decided_meanwhile_is_not_told(sqlite_url: str) -> None:
    with FakeReceiver() as there:
        async with (
            serving(letters(), sqlite_url, nowhere()) as service,
            notifying(service, listening(there)) as one,
        ):
            run = await service.arun(Ask(), by="nils")
            await service.areject(run.waiting_for[0].id, by="dora", reason="no")
            await one.look()
    assert told(there) == []


async def test_a_target_that_is_away_delays_and_loses_none_over_restarts(store_url: str) -> None:
    clock = FakeClock()
    with FakeReceiver() as there, FakeReceiver() as other:
        there.then(*(Reply(status=503) for _ in range(3)))
        targets = (listening(there), listening(other, "mail"))
        async with serving(letters(), store_url, nowhere(), clock=clock) as service:
            standing, run = {}, None
            for number in range(4):  # each time another process
                async with notifying(service, *targets) as one:
                    run = await service.arun(Ask(text=str(number)), by="nils")
                    await one.look()
                    await one.look()  # it is left alone for a while
                    standing = await stands(service)
                    if number < 3:
                        assert (standing["chat"].waiting, standing["chat"].failures) == (number + 1, number + 1)
                        pause = (standing["chat"].next_at - clock.now()) / 1e6
                        assert pause == FIRST_PAUSE_SECONDS * 2**number
                    clock.advance(LONGEST_PAUSE_SECONDS)
            assert (standing["chat"].waiting, standing["chat"].failures, standing["chat"].error) == (0, 0, "")
            assert standing["mail"].delivered == standing["chat"].delivered == 4
    arrived = [text for _, text in told(there)]
    assert run is not None and run.waiting_for[0].id in arrived[-1]
    assert len(set(arrived)) == 4


@pytest.fixture
def log() -> Iterator[StringIO]:
    """What a log of everything says."""
    written, root = StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(written), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.setLevel(level)
    root.removeHandler(handler)


async def test_an_error_names_no_part_of_the_address(sqlite_url: str, log: StringIO) -> None:
    with FakeReceiver(lambda _: Reply(status=403)) as there:
        target = listening(there)
        async with serving(letters(), sqlite_url, nowhere()) as service, notifying(service, target) as one:
            await service.arun(Ask(), by="nils")
            await one.look()
            said = (await stands(service))["chat"].error
            written = json.dumps([await rows(service, "notices"), await rows(service, "notified")], default=str)
    assert "403" in said
    for secret in ("hush-hush", "s3cret", "robot", there.origin.rpartition(":")[2]):
        assert secret not in said + written + repr(target) + log.getvalue()


async def test_many_of_a_kind_are_told_as_one(sqlite_url: str) -> None:
    with FakeReceiver() as there:
        async with (
            serving(letters(), sqlite_url, nowhere()) as service,
            notifying(service, listening(there)) as one,
        ):
            for _ in range(ALIKE + 3):
                await service.arun(Ask(), by="nils")
            await one.look()
            assert (await stands(service))["chat"].delivered == ALIKE + 3
    ((title, text),) = told(there)
    assert title == f"{ALIKE + 3} of letters: new" and "and 3 more" in text and text.endswith(f"{INBOX}/requests")


async def test_it_begins_with_what_comes_next(sqlite_url: str) -> None:
    with FakeReceiver() as there:
        async with serving(letters(), sqlite_url, nowhere()) as service:
            await service.arun(Ask(text="before"), by="nils")
            async with notifying(service, listening(there)) as one:
                await one.look()
                assert told(there) == []
                run = await service.arun(Ask(text="after"), by="nils")
            async with notifying(service, listening(there)) as one:  # what came between two processes is told, too
                await one.look()
    assert [text.rpartition("/")[2] for _, text in told(there)] == [run.waiting_for[0].id]


async def test_two_processes_tell_each_thing_once(store_url: str) -> None:
    with FakeReceiver() as there:
        async with (
            serving(letters(), store_url, nowhere()) as service,
            notifying(service, listening(there)) as one,
            notifying(service, listening(there)) as two,
        ):
            await service.arun(Ask(), by="nils")
            await one.look()
            await two.look()
    assert len(told(there)) == 1


# -- the file ---------------------------------------------------------------------------------------


def written(tmp_path: Path, text: str) -> Path:
    """A file of targets."""
    file = tmp_path / "targets.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_targets_are_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "address").write_text("json://one.example/\n")
    file = written(
        tmp_path,
        f"""
        [targets.chat]
        url_file = "{tmp_path / "address"}"
        [targets.pager]
        url_env = "PAGER"
        kinds = ["new", "expiring"]
        systems = ["logistics"]
        roles = ["dispatch-lead"]
        least_tier = "medical"
        """,
    )
    chat, pager = read_targets(file, {"PAGER": "json://two.example/"})
    assert (chat.name, chat.url, chat.kinds, chat.systems) == ("chat", "json://one.example/", KINDS, ())
    assert (pager.url, pager.kinds, pager.roles) == ("json://two.example/", ("new", "expiring"), ("dispatch-lead",))
    assert (pager.systems, pager.least_tier) == (("logistics",), "medical")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no targets"),
        ("[targets]", "names no targets"),
        ("[targets.a]\n[others.b]", "names no targets"),
        ("not toml", "cannot be read as TOML"),
        ("targets.a = 3", "is no table"),
        ("[targets.a]", "has to say where its address is"),
        ('[targets.a]\nurl_env = "A"\nurl_file = "b"', "has to say where its address is"),
        ("[targets.a]\nurl_env = 3", "has to say where its address is"),
        ('[targets.a]\nurl_env = "NOT_SET"', "NOT_SET, which has the address of target 'a'"),
        ('[targets.a]\nurl_file = "/not/there"', "cannot be read from /not/there"),
        ('[targets.a]\nurl = "json://user:hush@x/"', "has 'url'"),
        ('[targets.a]\nurl_env = "A"\nkinds = ["all"]', "has no kind all"),
        ('[targets.a]\nurl_env = "A"\nkinds = []', "has no kind"),
        ('[targets.a]\nurl_env = "A"\nroles = "lead"', "roles of target 'a'"),
        ('[targets.a]\nurl_env = "A"\nleast_tier = 1', "least_tier of target 'a'"),
    ],
)
def test_a_file_with_a_mistake_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_targets(written(tmp_path, text), {"A": "json://x/"})
    assert said in str(refused.value) and "hush" not in str(refused.value) + refused.value.hint


def test_an_address_that_apprise_does_not_know_is_refused(sqlite_url: str) -> None:
    with pytest.raises(InvalidInput, match="'a' is none that apprise knows") as refused:
        Notifying(None, [Target(name="a", url="telepathy://hush-hush")], origin=INBOX)  # type: ignore[arg-type]  # it is not looked at
    assert "hush" not in str(refused.value)


# -- the server -------------------------------------------------------------------------------------


async def test_a_server_notifies(sqlite_url: str, tmp_path: Path) -> None:
    file = written(tmp_path, '[targets.chat]\nurl_env = "CHAT"')
    with FakeReceiver() as there:
        environment = {"CHAT": listening(there).url}
        async with serving(letters(), sqlite_url, nowhere()) as service:
            with serving_process(sqlite_url, "--notify", str(file), environment=environment) as served:
                while not await rows(service, "cursors") or "notices" not in {
                    one["name"] for one in await rows(service, "cursors")
                }:
                    pass
                run = await service.arun(Ask(), by="nils")
                there.wait_for(1)
                address = served.address
    assert told(there)[0][1].endswith(f"{address}/requests/{run.waiting_for[0].id}")


# -- what happens around an approval ----------------------------------------------------------------


async def test_an_escalation_is_told_to_those_who_may_decide_now(sqlite_url: str) -> None:
    clock = FakeClock()
    with FakeReceiver() as managers, FakeReceiver() as others:
        targets = (
            listening(managers, "managers", kinds=("escalated",), roles=("manager",)),
            listening(others, "others", kinds=("escalated",), roles=("clerk",)),
        )
        async with (
            serving(letters(escalate={0.5 * HOUR: role("manager")}), sqlite_url, nowhere(), clock=clock) as service,
            notifying(service, *targets) as one,
        ):
            await service.arun(Ask(), by="nils")
            await one.look()
            clock.advance(0.5 * HOUR)
            assert await advance_due(service.runtime) == 1
            await one.look()
    assert [title for title, _ in told(managers)] == ["sign of letters was escalated"] and told(others) == []


async def test_broken_glass_and_its_review_are_told_without_the_reason(sqlite_url: str) -> None:
    with FakeReceiver() as there:
        app = letters(break_glass=BreakGlass(by=role("duty"), per_day=2))
        async with (
            serving(app, sqlite_url, nowhere(), people={"dirk": "duty"}, clock=FakeClock()) as service,
            notifying(service, listening(there, kinds=("break-glass", "review"))) as one,
        ):
            run = await service.arun(Ask(), by="nils")
            why = {"code": "urgent", "reason": "a secret dam breaks"}
            await service.abreak_glass(run.waiting_for[0].id, by="dirk", **why)
            await one.look()
    (glass, glass_text), (review, review_text) = told(there)
    assert (glass, review) == ("sign of letters: the glass was broken", "sign of letters is to be reviewed")
    assert "in the place of those who were asked" in glass_text and review_text.endswith(f"{INBOX}/reviews")
    assert "secret" not in glass_text + review_text and "dirk" not in glass_text + review_text
