"""Services: opening, closing, who looks on, and where receivers are."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from answerable.agents.nodes import Receiver
from answerable.errors import DeclarationError, InvalidInput
from answerable.orchestrator.portal import Portal
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.running.http import check_origin
from answerable.testing import FakeReceiver
from tests.orchestrator.letters import CARRIER, Ask, letters, rows, serving, signed
from tests.support.servers import NOWHERE

LEFT_OPEN = """
from answerable.testing import nowhere
from tests.orchestrator.letters import CARRIER, Ask, letters
service = letters().connect({url!r}, origins={{CARRIER: nowhere()}})
service.__enter__()
print(service.run(Ask(), by="nils").status)
"""


def test_a_service_is_opened_once_and_closed_as_often_as_one_likes(sqlite_url: str) -> None:
    service = letters().connect(sqlite_url)
    with service:
        with pytest.raises(RuntimeError, match="open already"):
            service.__enter__()
        assert service.runs() == []
    service.__exit__(None, None, None)
    with service:
        assert service.runs() == []


def test_a_service_is_opened_once_in_async_code(sqlite_url: str) -> None:
    async def twice() -> None:
        async with letters().connect(sqlite_url) as service:
            with pytest.raises(RuntimeError, match="open already"):
                await service.aopen()
            assert await service.aruns() == []
        await service.aclose()

    asyncio.run(twice())


def test_a_script_that_forgets_to_close_its_service_ends(sqlite_url: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LEFT_OPEN.format(url=sqlite_url)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "waiting\n"), ended.stderr


def test_ctrl_c_waits_until_the_call_has_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    portal, let_go, working = Portal(), threading.Event(), threading.Event()

    async def work() -> None:
        working.set()
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)
            let_go.set()

    def interrupted(_outcome: Any) -> None:
        working.wait()
        raise KeyboardInterrupt

    portal.start()
    try:
        with monkeypatch.context() as patched:
            patched.setattr("answerable.orchestrator.portal.Future.result", interrupted)
            with pytest.raises(KeyboardInterrupt):
                portal.call(work)
        assert let_go.is_set()
        assert portal.call(asyncio.sleep, 0, "goes on") == "goes on"
    finally:
        portal.stop()


def test_what_a_call_raises_is_raised_where_it_was_made() -> None:
    portal = Portal()

    async def inside() -> None:
        portal.call(asyncio.sleep, 0)

    with pytest.raises(RuntimeError, match="not open"):
        portal.call(asyncio.sleep, 0)
    portal.start()
    try:
        with pytest.raises(RuntimeError, match="the service's own loop"):
            portal.call(inside)
    finally:
        portal.stop()
    assert not portal.running


@pytest.mark.anyio
async def test_a_watcher_that_raises_changes_nothing(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    def broken(progress: Progress) -> None:
        raise BrokenPipeError(progress.state)

    with FakeReceiver() as receiver:
        async with serving(letters(guarantee="at_most_once"), sqlite_url, receiver.origin, progress=broken) as service:
            await signed(service)
            (effect,) = await rows(service, "effects")
        assert (effect["state"], len(receiver.received)) == ("done", 1)
    assert "a watcher raised at post sent" in caplog.text


NO_TEXT: Any = [None, 5, "", " ", "a\x00", "\ud800"]


@pytest.mark.anyio
@pytest.mark.parametrize("reason", NO_TEXT)
async def test_who_stops_or_changes_something_says_why(sqlite_url: str, reason: Any) -> None:
    async with serving(letters(), sqlite_url, NOWHERE) as service:
        run = await service.arun(Ask(), by="nils")
        (request,) = run.waiting_for
        acts = (
            service.afreeze(by="dora", reason=reason),
            service.athaw("frz_1", by="dora", reason=reason),
            service.ahandover(to="dora", by="alice", reason=reason),
            service.acancel(run.id, by="dora", reason=reason),
            service.aretry(run.id, "stp_1", by="dora", reason=reason),
            service.amigrate(run.id, by="dora", reason=reason),
            service.asettle("eff_1", outcome="failed", by="dora", reason=reason),
            service.areject(request.id, by="dora", reason=reason),
        )
        for act in acts:
            with pytest.raises(InvalidInput, match="reason"):
                await act
        assert (await service.aget(run.id)).status == "waiting"
        assert await service.afreezes() == []


@pytest.mark.anyio
@pytest.mark.parametrize("by", [None, 5, "", "a b", "\ud800", ["dora"]])
async def test_whoever_acts_has_a_handle(sqlite_url: str, by: Any) -> None:
    async with serving(letters(), sqlite_url, NOWHERE) as service:
        run = await service.arun(Ask(), by="nils")
        (request,) = run.waiting_for
        acts = (
            service.arun(Ask(), by=by),
            service.aapprove(request.id, by=by),
            service.aedit(request.id, {"text": "x"}, by=by),
            service.afreeze(by=by, reason="r"),
            service.aaccept_handover(by=by),
            service.ahandover(to=by, by="alice", reason="r"),
            service.people.aadd(by),
        )
        for act in acts:
            with pytest.raises(InvalidInput, match="no handle"):
                await act
        assert len(await service.aruns()) == 1


@pytest.mark.anyio
async def test_a_request_is_no_id_of_one(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, NOWHERE) as service:
        run: Any = await service.arun(Ask(), by="nils")
        for acting in (
            service.aapprove(run.waiting_for[0], by="dora"),
            service.arequest(run.waiting_for[0]),
            service.aresume(run),
            service.aget(run),
        ):
            with pytest.raises(InvalidInput, match="is no id of a r"):
                await acting
        lasting: Any = "1h"
        with pytest.raises(InvalidInput, match="is no time in seconds"):
            await service.people.adelegate(by="dora", to="nils", seconds=lasting, reason="away")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "wrong", [{"roles": "lead"}, {"roles": [5]}, {"roles": None}, {"teams": [""]}, {"name": 5}, {"contact": "\ud800"}]
)
async def test_what_is_said_of_a_person_is_text(sqlite_url: str, wrong: Any) -> None:
    async with serving(letters(), sqlite_url, NOWHERE) as service:
        with pytest.raises(InvalidInput):
            await service.people.aadd("zed", **wrong)
        assert "zed" not in [person.handle for person in await service.people.aall()]


@pytest.mark.parametrize("origins", [[CARRIER], {"carrier": "http://carrier.example"}, {CARRIER: None}])
def test_origins_are_said_by_receiver(origins: Any) -> None:
    with pytest.raises(DeclarationError, match="by its Receiver"):
        letters().connect("sqlite:///unused.db", origins=origins)


@pytest.mark.parametrize(
    "origin",
    [
        "carrier.example",
        "ftp://carrier.example",
        "http://",
        "http://a:b@carrier.example",
        "http://carrier.example?",
        "http://carrier.example/#",
        "http://carrier.example/a/../b",
        "http://carrier.example/%2e%2e/b",
        "http://carrier.example:0",
        "http://carrier.example:65536",
        "http://carrier.example\r\nx",
        "http://carrier.example/a b",
    ],
)
def test_what_is_no_origin(origin: str) -> None:
    with pytest.raises(DeclarationError, match="origin of 'carrier'"):
        check_origin("carrier", origin)


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8080", "https://carrier.example/v2/", "http://[::1]:80"])
def test_what_is_an_origin(origin: str) -> None:
    assert check_origin(Receiver("carrier").name, origin) == origin.rstrip("/")
