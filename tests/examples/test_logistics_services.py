from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from answerable.agents.calls import POST
from answerable.errors import InvalidInput
from answerable.examples.logistics.messages import (
    Dispatched,
    DispatchOrder,
    Pick,
    Released,
    ReleaseOrder,
    Stop,
)
from answerable.examples.logistics.outside import base_path, journal_path, outside
from answerable.examples.logistics.services import LARGEST_BODY_BYTES, Journal, Received
from tests.support.waiting import until

DISPATCH = POST(
    "/dispatches",
    json=DispatchOrder(
        date="2015-12-08",
        truck="kent-1",
        depot="Kent",
        stops=[Stop(order="Seattle/insulin", city="Seattle", goods="insulin", units=7)],
        metres=73_960,
    ),
)
RELEASE = POST(
    "/releases",
    json=ReleaseOrder(
        date="2015-12-08",
        depot="Kent",
        picks=[Pick(order="Seattle/insulin", goods="insulin", truck="kent-1", units=7)],
    ),
)


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'answerable.db'}"


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=60) as client:
        yield client


def _dispatch(client: httpx.Client, origins: dict[str, str], key: str, body: bytes = DISPATCH.body) -> httpx.Response:
    return client.post(f"{origins['carrier']}/dispatches", content=body, headers={"Idempotency-Key": key})


def _received(store: str, service: str = "carrier") -> list[Received]:
    return Journal.read(journal_path(store, service))


def test_an_order_is_taken_and_kept_with_its_bytes_and_headers(store: str, client: httpx.Client) -> None:
    with outside(store) as origins:
        response = client.post(
            f"{origins['carrier']}/dispatches",
            content=DISPATCH.body,
            headers={"Idempotency-Key": "a", "Traceparent": "00-01-02-03"},
        )
    receipt = Dispatched.model_validate(response.json())
    assert (response.status_code, receipt.truck, receipt.units) == (200, "kent-1", 7)
    (received,) = _received(store)
    assert (received.key, received.path, received.body, received.times) == ("a", "/dispatches", DISPATCH.body, 1)
    assert received.headers["traceparent"] == "00-01-02-03"
    assert received.response == response.content
    assert _received(store, "warehouse") == []


def test_the_warehouse_takes_releases(store: str, client: httpx.Client) -> None:
    with outside(store) as origins:
        headers = {"Idempotency-Key": "a"}
        response = client.post(f"{origins['warehouse']}/releases", content=RELEASE.body, headers=headers)
        elsewhere = client.post(f"{origins['warehouse']}/dispatches", content=DISPATCH.body, headers=headers)
    assert Released.model_validate(response.json()).units == 7
    assert elsewhere.status_code == 404
    assert [received.path for received in _received(store, "warehouse")] == ["/releases"]


def test_the_same_key_and_bytes_happen_once(store: str, client: httpx.Client) -> None:
    with outside(store) as origins, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: _dispatch(client, origins, "a"), range(24)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    (received,) = _received(store)
    assert received.times == 24


def test_a_key_that_was_used_for_other_bytes_is_refused(store: str, client: httpx.Client) -> None:
    with outside(store) as origins:
        _dispatch(client, origins, "a")
        other = _dispatch(client, origins, "a", DISPATCH.body.replace(b'"units":7', b'"units":8'))
        again = _dispatch(client, origins, "b", DISPATCH.body.replace(b'"units":7', b'"units":8'))
    assert (other.status_code, again.status_code) == (422, 200)
    assert [(received.key, received.times) for received in _received(store)] == [("a", 1), ("b", 1)]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, DISPATCH.body, 400),
        ({"Idempotency-Key": "a"}, b"", 422),
        ({"Idempotency-Key": "a"}, b"[1]", 422),
        ({"Idempotency-Key": "a"}, b'{"truck": "kent-1"}', 422),
        ({"Idempotency-Key": "a"}, b"\xff\xfe", 422),
    ],
)
def test_what_is_no_order_is_refused_and_not_kept(
    store: str, client: httpx.Client, headers: dict[str, str], body: bytes, status: int
) -> None:
    with outside(store) as origins:
        response = client.post(f"{origins['carrier']}/dispatches", content=body, headers=headers)
    assert response.status_code == status
    assert _received(store) == []


@pytest.mark.parametrize(("length", "status"), [(None, 411), ("many", 411), (LARGEST_BODY_BYTES + 1, 413)])
def test_an_order_says_how_long_it_is(store: str, length: object, status: int) -> None:
    with outside(store) as origins:
        connection = http.client.HTTPConnection(origins["carrier"].removeprefix("http://"), timeout=60)
        connection.putrequest("POST", "/dispatches")
        connection.putheader("Idempotency-Key", "a")
        if length is not None:
            connection.putheader("Content-Length", str(length))
        connection.endheaders()
        assert connection.getresponse().status == status
        connection.close()


def test_a_service_is_found_again_on_its_port_and_forgets_nothing(store: str, client: httpx.Client) -> None:
    with outside(store) as first:
        answer = _dispatch(client, first, "a")
    with pytest.raises(httpx.ConnectError):
        _dispatch(client, first, "a")
    with outside(store) as second:
        assert second == first
        assert _dispatch(client, second, "a").content == answer.content
        with outside(store) as third:  # it runs already: used as it is, and left running
            assert third == first
        assert _dispatch(client, second, "a").status_code == 200
    assert [received.times for received in _received(store)] == [3]


def test_a_service_ends_with_whoever_started_it(store: str, client: httpx.Client) -> None:
    program = (
        "import os\n"
        "from answerable.examples.logistics.outside import outside\n"
        f"with outside({store!r}) as origins:\n"
        "    print(origins['carrier'], flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == -9
    _await_end(client, done.stdout.strip())


def test_a_port_that_something_else_uses_is_said(store: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        ports = {"carrier": other.getsockname()[1], "warehouse": free.getsockname()[1]}
        (tmp_path / "answerable.db.services.json").write_text(json.dumps(ports))
        with pytest.raises(InvalidInput, match="Address already in use"), outside(store):
            pass


def test_a_file_of_ports_that_is_none_is_said(store: str, tmp_path: Path) -> None:
    (tmp_path / "answerable.db.services.json").write_text("{}")
    with pytest.raises(InvalidInput, match="does not name"), outside(store):
        pass


def test_files_lie_beside_the_store() -> None:
    assert journal_path("sqlite:////var/a/b.db?timeout=3", "carrier") == Path("/var/a/b.db.carrier.db")
    assert journal_path("sqlite:///b.db", "warehouse") == Path("b.db.warehouse.db")
    other = base_path("postgresql://me:secret@db.example/orders")
    assert other.parent == Path()
    assert "secret" not in other.name
    assert other != base_path("postgresql://me:secret@db.example/stock")
    with pytest.raises(InvalidInput, match="in memory"):
        base_path("sqlite://")


def test_one_that_fails_does_nothing_and_then_recovers(store: str, client: httpx.Client) -> None:
    with outside(store, flags=["--misbehave", "fail", "--times", "2"]) as origins:
        statuses = [_dispatch(client, origins, "a").status_code for _ in range(3)]
    assert statuses == [500, 500, 200]
    assert [received.times for received in _received(store)] == [1]


@pytest.mark.parametrize(("how", "error"), [("close", httpx.RemoteProtocolError), ("hang", httpx.ReadTimeout)])
def test_one_that_does_not_answer_has_done_it_all_the_same(
    store: str, client: httpx.Client, how: str, error: type[Exception]
) -> None:
    with outside(store, flags=["--misbehave", how]) as origins:
        client.timeout = httpx.Timeout(2.0 if how == "hang" else 60.0)
        with pytest.raises(error):
            _dispatch(client, origins, "a")
        client.timeout = httpx.Timeout(60.0)
        assert _dispatch(client, origins, "a").status_code == 200
    assert [received.times for received in _received(store)] == [2]


def _await_end(client: httpx.Client, origin: str) -> None:
    """Wait for a service to end by itself."""

    def gone() -> bool:
        try:
            client.get(f"{origin}/health")
        except httpx.TransportError:
            return True
        return False

    until(gone, "the service ends")


def test_a_service_stays_for_the_others_who_use_it(store: str, client: httpx.Client) -> None:
    with ExitStack() as second:
        with outside(store):
            origins = second.enter_context(outside(store))
        assert _dispatch(client, origins, "a").status_code == 200
    _await_end(client, origins["carrier"])
    ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(int(one.rpartition(":")[2]) < min(ephemeral, 20_000) for one in origins.values()), "or others get it"
    with outside(store) as again:
        assert again == origins
        assert _dispatch(client, again, "a").status_code == 200
