"""Sending: what becomes of a call, for each thing that a receiver may do."""

from __future__ import annotations

from typing import Any

import pytest

from answerable.agents.calls import POST, Call, Request, request
from answerable.agents.nodes import Receiver
from answerable.agents.options import Retry
from answerable.errors import DeclarationError, UnknownOrigin
from answerable.orchestrator.running.http import Client, NotSent
from answerable.testing import FakeReceiver, Reply, nowhere
from answerable.tracing.ledger.records.effects import EffectAnswered, EffectInDoubt, EffectSent
from tests.orchestrator.letters import CARRIER, Ask, Letter, Receipt, letters, recorded, rows, serving, signed

pytestmark = pytest.mark.anyio


async def states(service: Any) -> list[str]:
    return [row["state"] for row in await rows(service, "effects")]


async def test_a_yes_is_read_by_the_effect(store_url: str) -> None:
    with FakeReceiver(lambda _: Reply(status=201, json={"text": "received"})) as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            run = await signed(service)
            assert (run.status, run.result) == ("done", Receipt(text="received"))
            assert await states(service) == ["done"]
            (answer,) = await recorded(service, run.id, EffectAnswered)
    assert (answer.outcome, answer.status, answer.attempt) == ("done", 201, 1)


async def test_what_is_sent_is_what_was_shown_with_ids_only_beside_it(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(text="bob"), by="nils")
            (call,) = run.waiting_for[0].view["options"][0]["calls"]
            decision = await service.aapprove(run.waiting_for[0].id, by="dora")
            run = await service.aresume(run.id)
            (effect,) = await rows(service, "effects")
            (grant,) = await rows(service, "grants")
            people = {row["handle"]: row["id"] for row in await rows(service, "people")}
    (got,) = receiver.received
    assert (got.method, receiver.origin + got.path, got.body.decode()) == (call["method"], call["url"], call["body"])
    assert got.key == effect["idempotency_key"]
    assert got.headers["content-type"] == "application/json"
    version, trace, span, flags = got.headers["traceparent"].split("-")
    assert (version, len(trace), len(span), flags) == ("00", 32, 16, "01")
    assert got.headers["accountability"] == (
        f"system=letters; run={run.id}; effect={effect['id']}; grant={grant['id']}; decision={decision.id};"
        f" responsible={people['alice']}"
    )
    assert not any(handle in value for handle in people for value in got.headers.values())


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 409, 422])
async def test_a_final_no_is_not_tried_again(sqlite_url: str, status: int) -> None:
    with FakeReceiver() as receiver, FakeReceiver() as elsewhere:
        receiver.then(Reply(status=status, headers={"location": elsewhere.origin + "/letters"}))
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            run = await signed(service)
            assert run.status == "failed"
            assert run.detail == f"post: carrier answered {status}"
            assert await states(service) == ["failed"]
    assert (len(receiver.received), elsewhere.received) == (1, [])


@pytest.mark.parametrize("status", [408, 425, 429, 503])
async def test_not_now_is_tried_again_with_the_same_bytes_and_key(sqlite_url: str, status: int) -> None:
    with FakeReceiver() as receiver:
        receiver.then(Reply(status=status), Reply(status=status))
        async with serving(letters(guarantee="at_most_once"), sqlite_url, receiver.origin) as service:
            run = await signed(service)
            answers = await recorded(service, run.id, EffectAnswered)
            assert run.status == "done"
    assert [(one.attempt, one.outcome, one.status) for one in answers] == [
        (1, "failed", status),
        (2, "failed", status),
        (3, "done", 200),
    ]
    assert len({(one.key, one.body) for one in receiver.received}) == 1
    assert len(receiver.happened) == 1


async def test_not_now_for_ever_is_a_failure(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        receiver.then(*[Reply(status=503)] * 3)
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            run = await signed(service)
    assert (run.status, run.detail) == ("failed", "post: carrier answered 503")


async def test_a_receiver_that_is_away_is_tried_again_and_then_failed(sqlite_url: str) -> None:
    async with serving(letters(guarantee="at_most_once"), sqlite_url, nowhere()) as service:
        run = await signed(service)
        sent = await recorded(service, run.id, EffectSent)
        answers = await recorded(service, run.id, EffectAnswered)
        assert run.status == "failed"
        assert "ConnectError" in run.detail
    assert len(sent) == 3
    assert [one.outcome for one in answers] == ["not-sent"] * 3


async def test_a_closed_connection_gets_the_same_bytes_again_and_happens_once(store_url: str) -> None:
    with FakeReceiver() as receiver:
        receiver.then("close", "close")
        async with serving(letters(), store_url, receiver.origin) as service:
            run = await signed(service)
            assert run.status == "done"
    assert len(receiver.received) == 3
    assert len({(one.key, one.body, one.path) for one in receiver.received}) == 1
    assert len(receiver.happened) == 1
    assert len({one.headers["traceparent"] for one in receiver.received}) == 3


async def test_an_error_of_the_receiver_is_tried_again_and_then_in_doubt(store_url: str) -> None:
    with FakeReceiver() as receiver:
        receiver.then(*[Reply(status=500, happens=True)] * 3)
        async with serving(letters(), store_url, receiver.origin) as service:
            run = await signed(service)
            assert run.status == "waiting"
            assert run.waiting_for == ()
            (effect,) = await rows(service, "effects")
            assert run.in_doubt == (effect["id"],)
            (doubt,) = await recorded(service, run.id, EffectInDoubt)
            again = await service.aresume(run.id)
            assert again.status == "waiting"
    assert doubt.error == "carrier answered 500"
    assert len(receiver.received) == 3


async def test_a_receiver_that_hangs_is_given_up_and_in_doubt(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        receiver.then("hang")
        async with serving(letters(guarantee="at_most_once", timeout=1), sqlite_url, receiver.origin) as service:
            run = await signed(service)
            assert await states(service) == ["in-doubt"]
            (doubt,) = await recorded(service, run.id, EffectInDoubt)
    assert "Timeout" in doubt.error
    assert len(receiver.received) == 1


@pytest.mark.parametrize("behaviour", ["close", Reply(status=500, happens=True)])
async def test_at_most_once_is_never_repeated(sqlite_url: str, behaviour: Any) -> None:
    with FakeReceiver(remembers=False) as receiver:
        receiver.then(behaviour)
        async with serving(letters(guarantee="at_most_once"), sqlite_url, receiver.origin) as service:
            run = await signed(service)
            assert len(run.in_doubt) == 1
            await service.aresume(run.id)
    assert len(receiver.received) == 1


async def test_once_in_doubt_a_receiver_that_is_busy_or_away_does_not_make_it_a_failure(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        receiver.then("close", Reply(status=503), Reply(status=503))
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            run = await signed(service)
            assert await states(service) == ["in-doubt"]
            (doubt,) = await recorded(service, run.id, EffectInDoubt)
            assert run.status == "waiting"
    assert doubt.error.endswith("then: carrier answered 503")
    assert len(receiver.happened) == 1


async def test_once_in_doubt_409_says_that_the_first_is_still_being_worked_on(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        receiver.then("close", Reply(status=409))
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            await signed(service)
            assert await states(service) == ["in-doubt"]


async def test_once_in_doubt_a_final_no_of_a_receiver_that_knows_keys_is_a_failure(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        receiver.then(Reply(status=500), Reply(status=422))
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            assert (await signed(service)).detail == "post: carrier answered 422"
            assert await states(service) == ["failed"]


async def test_a_key_that_is_no_longer_kept_is_not_relied_on(sqlite_url: str) -> None:
    forgetful = Receiver("carrier", keeps_keys_for=0)
    with FakeReceiver() as receiver:
        receiver.then("close")
        async with serving(letters(to=forgetful), sqlite_url, origins={forgetful: receiver.origin}) as service:
            run = await signed(service)
            assert len(run.in_doubt) == 1
    assert len(receiver.received) == 1


# -- queryable --------------------------------------------------------------------------------------------------------


def look_up(letter: Letter) -> Call[Receipt]:
    response = yield request("GET", f"/letters/{len(letter.text)}")
    return Receipt(text=response.json()["found"])


async def test_a_queryable_receiver_is_asked_and_never_sent_to_again(sqlite_url: str) -> None:
    with FakeReceiver(remembers=False) as receiver:
        receiver.then("close", Reply(status=503, happens=False), Reply(json={"found": "it"}, happens=False))
        async with serving(letters(guarantee="queryable", query=look_up), sqlite_url, receiver.origin) as service:
            run = await signed(service)
            assert run.result == Receipt(text="it")
            assert await states(service) == ["done"]
    assert [(one.method, one.path) for one in receiver.received] == [
        ("POST", "/letters"),
        ("GET", "/letters/6"),
        ("GET", "/letters/6"),
    ]


@pytest.mark.parametrize("says", [Reply(status=404), Reply(json={"nothing": "useful"}), "close"])
async def test_a_queryable_receiver_that_does_not_know_leaves_it_in_doubt(sqlite_url: str, says: Any) -> None:
    with FakeReceiver(remembers=False) as receiver:
        receiver.then("close", says, says, says)
        async with serving(letters(guarantee="queryable", query=look_up), sqlite_url, receiver.origin) as service:
            assert len((await signed(service)).in_doubt) == 1
    assert [one.method for one in receiver.received] == ["POST", "GET", "GET", "GET"]


async def test_a_query_that_raises_leaves_it_in_doubt(sqlite_url: str) -> None:
    def broken(letter: Letter) -> Call[Receipt]:
        yield POST(1 / 0)  # type: ignore[arg-type]  # never reached
        return Receipt()

    with FakeReceiver() as receiver:
        receiver.then("close")
        async with serving(letters(guarantee="queryable", query=broken), sqlite_url, receiver.origin) as service:
            assert len((await signed(service)).in_doubt) == 1


# -- what the function does -------------------------------------------------------------------------------------------


def unreadable(letter: Letter) -> Call[Receipt]:
    response = yield POST("/letters", json=letter)
    return Receipt(text=response.json()["missing"])


def twice(letter: Letter) -> Call[Receipt]:
    yield POST("/letters", json=letter)
    yield POST("/letters", json=letter)
    return Receipt()


def wrong_result(letter: Letter) -> Call[Receipt]:
    yield POST("/letters", json=letter)
    return letter  # type: ignore[return-value]  # what an untyped user may do


@pytest.mark.parametrize(
    ("poster", "said"),
    [
        (unreadable, "could not be read: KeyError"),
        (twice, "yielded a second request"),
        (wrong_result, "returned Letter"),
    ],
)
async def test_an_answer_that_cannot_be_read_is_known_to_have_happened(sqlite_url: str, poster: Any, said: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(poster=poster), sqlite_url, receiver.origin) as service:
            run = await signed(service)
            assert run.status == "failed"
            assert said in run.detail
            assert await states(service) == ["done"]
    assert len(receiver.happened) == 1


def restless(letter: Letter) -> Call[Receipt]:
    restless.count += 1  # type: ignore[attr-defined]  # a function that is not pure
    yield POST(f"/letters/{restless.count}", json=letter)  # type: ignore[attr-defined]  # as above
    return Receipt()


def astray(letter: Letter) -> Call[Receipt]:
    yield Request(method="POST", path=".evil.example/letters")
    return Receipt()


def upward(letter: Letter) -> Call[Receipt]:
    yield Request(method="POST", path="/../other")
    return Receipt()


def silent(letter: Letter) -> Call[Receipt]:
    if letter.text == "never":
        yield POST("/")
    return Receipt()


async def test_a_function_that_is_not_pure_is_refused_before_anybody_is_asked(sqlite_url: str) -> None:
    restless.count = 0  # type: ignore[attr-defined]  # a function that is not pure
    async with serving(letters(poster=restless), sqlite_url, nowhere()) as service:
        run = await service.arun(Ask(), by="nils")
    assert run.status == "failed"
    assert "two different requests" in run.detail


async def test_a_function_that_yields_nothing_is_refused_before_anybody_is_asked(sqlite_url: str) -> None:
    async with serving(letters(poster=silent), sqlite_url, nowhere()) as service:
        assert "not a request" in (await service.arun(Ask(), by="nils")).detail


@pytest.mark.parametrize("poster", [astray, upward])
async def test_a_path_that_leaves_its_origin_is_not_sent(sqlite_url: str, poster: Any) -> None:
    with FakeReceiver() as receiver:
        origin = f"{receiver.origin}/v1"
        async with serving(letters(poster=poster), sqlite_url, origin) as service:
            run = await signed(service)
            assert run.status == "failed"
            assert "the receiver's origin" in run.detail
    assert receiver.received == []


async def test_without_an_origin_nobody_is_asked_until_a_service_knows_it(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url) as service:
        with pytest.raises(UnknownOrigin, match="nobody said where that is"):
            await service.arun(Ask(), by="nils", run_id="run_1")
        assert await service.arequests() == []
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            assert (await service.aresume("run_1")).status == "waiting"


@pytest.mark.parametrize(
    "origin", ["carrier.example", "ftp://carrier.example", "http://user@carrier.example", "http://"]
)
async def test_an_origin_that_is_none_is_refused(sqlite_url: str, origin: str) -> None:
    with pytest.raises(DeclarationError, match="the origin of 'carrier'"):
        letters().connect(sqlite_url, origins={CARRIER: origin})


async def test_a_prefix_of_the_origin_is_kept(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, f"{receiver.origin}/v1/") as service:
            assert (await signed(service)).status == "done"
    assert receiver.received[0].path == "/v1/letters"


async def test_proxy_variables_are_ignored(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeReceiver() as receiver, FakeReceiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.origin)
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            assert (await signed(service)).status == "done"
    assert (len(receiver.received), proxy.received) == (1, [])


async def test_one_try_is_one_try(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        receiver.then(Reply(status=503))
        async with serving(letters(retry=Retry(attempts=1)), sqlite_url, receiver.origin) as service:
            assert (await signed(service)).status == "failed"
    assert len(receiver.received) == 1


UNWRITABLE = [
    {"method": "POST", "path": "/letters", "content_type": "text/☃"},
    {"method": "POST", "path": "/letters", "content_type": "text\r\nEvil: 1"},
    {"method": "PÖST", "path": "/letters"},
    {"method": "", "path": "/letters"},
]


@pytest.mark.parametrize("unwritable", UNWRITABLE)
async def test_what_cannot_be_written_is_not_even_asked_for(sqlite_url: str, unwritable: dict[str, str]) -> None:
    def poster(_letter: Letter) -> Call[Receipt]:
        yield Request(**unwritable)  # type: ignore[arg-type]  # all of them are texts
        return Receipt()

    with FakeReceiver() as receiver:
        async with serving(letters(poster=poster, guarantee="at_most_once"), sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            assert (run.status, run.waiting_for) == ("failed", ())
            assert await states(service) == []
    assert receiver.received == []


@pytest.mark.parametrize("unwritable", UNWRITABLE)
async def test_what_cannot_be_written_was_not_sent_and_is_in_no_doubt(unwritable: dict[str, str]) -> None:
    client, headers = Client(), {"Content-Type": unwritable.get("content_type", "text/plain")}
    with FakeReceiver() as receiver:
        sent = await client.send(unwritable["method"], receiver.origin, "/letters", headers, b"", within=5)
        await client.close()
    assert isinstance(sent, NotSent)
    assert receiver.received == []
