"""The helpers that are shipped for users' own tests."""

from __future__ import annotations

import http.client
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from answerable.errors import DeclarationError
from answerable.orchestrator.app import App
from answerable.testing import (
    Approve,
    Edit,
    FakeClock,
    FakeReceiver,
    Reject,
    Reply,
    Wait,
    arun,
    nowhere,
    overridden,
    run,
    script,
)
from tests.orchestrator.letters import CARRIER, Ask, Letter, Receipt, batches, letters


def ask(origin: str, key: str = "", body: bytes = b'{"n": 1}') -> int:
    """One request as any client makes it; its status, or 0 if there was no answer."""
    connection = http.client.HTTPConnection(urlsplit(origin).netloc, timeout=5)
    try:
        connection.request("POST", "/x", body, {"Idempotency-Key": key} if key else {})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (ConnectionError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def test_a_clock_stands_still_until_it_is_moved() -> None:
    clock = FakeClock()
    before = clock.now()
    assert clock.now() == before
    clock.advance(1.5)
    assert clock.now() == before + 1_500_000
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


def test_a_receiver_keeps_a_journal() -> None:
    with FakeReceiver() as receiver:
        assert ask(receiver.origin, body=b'{"n": 7}') == 200
    (one,) = receiver.received
    assert (one.method, one.path, one.json(), one.key) == ("POST", "/x", {"n": 7}, "")


def test_a_receiver_honours_keys() -> None:
    with FakeReceiver() as receiver:
        for key in ("k", "k", "other", ""):
            ask(receiver.origin, key)
        ask(receiver.origin)
    assert len(receiver.received) == 5
    assert [one.key for one in receiver.happened] == ["k", "other", "", ""]


def test_a_receiver_that_remembers_nothing_does_it_again() -> None:
    with FakeReceiver(remembers=False) as receiver:
        ask(receiver.origin, "k")
        ask(receiver.origin, "k")
    assert len(receiver.happened) == 2


def test_a_receiver_behaves_as_it_is_told_and_then_well() -> None:
    with FakeReceiver() as receiver:
        receiver.then(Reply(status=409), Reply(status=500, happens=True), "close")
        assert [ask(receiver.origin, key) for key in "abcd"] == [409, 500, 0, 200]
    assert [one.key for one in receiver.happened] == ["b", "c", "d"]


def test_a_receiver_can_be_waited_for() -> None:
    with FakeReceiver() as receiver:
        ask(receiver.origin)
        receiver.wait_for(1)
        with pytest.raises(TimeoutError, match="1 requests arrived"):
            receiver.wait_for(2, within_seconds=0.01)


def test_nobody_listens_nowhere() -> None:
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection(urlsplit(nowhere()).netloc, timeout=5).request("GET", "/")


def test_a_run_in_one_call() -> None:
    with FakeReceiver() as receiver:
        done = run(letters(), Ask(text="bob"), origins={CARRIER: receiver.origin})
    assert (done.status, done.result) == ("done", Receipt(text="dear bob"))
    assert [one.json() for one in receiver.happened] == [{"text": "dear bob"}]


@pytest.mark.anyio
async def test_a_run_in_one_call_from_an_event_loop(tmp_path: Path) -> None:
    with FakeReceiver() as receiver:
        assert run(letters(), Ask(), origins={CARRIER: receiver.origin}).status == "done"
        done = await arun(letters(), Ask(), origins={CARRIER: receiver.origin}, store=tmp_path)
    assert done.status == "done"
    assert (tmp_path / "answerable.db").exists()


def test_an_agent_is_scripted() -> None:
    app = letters()
    written = script(Letter(text="from the script"))
    with FakeReceiver() as receiver:
        done = run(app, Ask(), override={app.graph.nodes["write"]: written}, origins={CARRIER: receiver.origin})
    assert done.result == Receipt(text="from the script")


def test_a_script_that_has_ended_fails_the_step() -> None:
    app = letters()
    failed = run(app, Ask(), override={app.graph.nodes["write"]: script()}, origins={CARRIER: nowhere()})
    assert failed.status == "failed"
    assert "asked for one more" in failed.detail


def test_a_script_raises_what_it_says() -> None:
    app = letters()
    broken = {app.graph.nodes["write"]: script(OSError("no ink"))}
    failed = run(app, Ask(), override=broken, origins={CARRIER: nowhere()})
    assert failed.detail == "write: OSError: no ink"


def test_an_overridden_app_has_the_same_version() -> None:
    app = letters()
    other = overridden(app, {app.graph.nodes["write"]: script(Letter())})
    assert other.version == app.version
    assert other.graph.nodes["write"] is not app.graph.nodes["write"]


@pytest.mark.parametrize("other", [letters(), batches()], ids=["another system", "an approval"])
def test_only_an_agent_or_effect_of_this_system_is_overridden(other: App[Ask, Receipt]) -> None:
    app = letters()
    node = other.graph.nodes["write"] if other.graph.system == "letters" else app.graph.nodes["sign"]
    with pytest.raises(DeclarationError, match="no agent or effect"):
        overridden(app, {node: script()})


def test_the_approver_says_no() -> None:
    with FakeReceiver() as receiver:
        denied = run(letters(), Ask(), approve=Reject(reason="not today"), origins={CARRIER: receiver.origin})
    assert (denied.status, denied.detail) == ("denied", "not today")
    assert receiver.received == []


def test_the_approver_follows_a_list_and_then_waits() -> None:
    with FakeReceiver() as receiver:
        waiting = run(batches(), Ask(), approve=[Approve(), Wait(), Reject()], origins={CARRIER: receiver.origin})
    assert waiting.status == "waiting"
    assert len(waiting.waiting_for) == 1
    assert len(receiver.happened) == 1


def test_the_approver_is_a_function_of_the_request() -> None:
    with FakeReceiver() as receiver:
        done = run(
            batches(),
            Ask(),
            approve=lambda request: Approve() if request.message["text"] == "a1" else Reject(),
            origins={CARRIER: receiver.origin},
        )
    assert done.result is not None
    assert done.result.lines == ["Rejected", "a1", "Rejected"]


def test_an_edit_is_decided_by_somebody_else() -> None:
    answers = [Edit(message=Letter(text="better")), Edit(message={"text": "best"}), Approve()]
    with FakeReceiver() as receiver:
        done = run(letters(), Ask(), approve=answers, origins={CARRIER: receiver.origin})
    assert done.result == Receipt(text="best")
