"""`answerable serve` as a process of its own, over real HTTP."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from answerable.commands.serve import serve
from answerable.orchestrator.reports import Run
from tests.commands.conftest import Desk
from tests.commands.serving import ORIGIN, app
from tests.inbox.served import Served, serving
from tests.inbox.site import fields_of
from tests.orchestrator.letters import CARRIER, Ask
from tests.support.servers import free_ports
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]


def _serving(desk: Desk, *words: str, store: str = "", **environment: str) -> AbstractContextManager[Served]:
    return serving(store or desk.url, *words, environment=desk.environment | environment)


def _until_done(client: httpx.Client, run: str) -> dict[str, Any]:
    def document() -> dict[str, Any]:
        found: dict[str, Any] = client.get(f"/api/v1/runs/{run}").raise_for_status().json()
        return found

    until(lambda: document()["status"] == "done", "the run is done")
    return document()


def _waiting(url: str, desk: Desk) -> Run[Any]:
    with app.connect(url, origins={CARRIER: desk.receiver.origin}) as service:
        service.people.add("dora", roles=["lead"])
        return service.run(Ask(text="ann"), by="nils")


def test_a_decision_through_the_api_goes_on_by_itself(
    desk: Desk, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))  # where a PostgreSQL store's key lies
    run = _waiting(store_url, desk)
    token = desk.json("token", "create", "dora", "--store", store_url)["token"]
    with _serving(desk, store=store_url) as served, served.client(token) as client:
        (line,) = client.get("/api/v1/requests").json()["requests"]
        body = {"answer": "approve", "option": "kinder", "digest": line["digest"]}
        made = client.post(f"/api/v1/requests/{line['id']}/decisions", json=body)
        assert made.status_code == 201
        document = _until_done(client, run.id)
        assert [one["assurance"] for one in document["decisions"]] == ["token"]
    assert [one.json() for one in desk.receiver.happened] == [{"text": "dear ann, with love"}]


def test_a_person_enters_by_the_link_and_decides_on_the_page(desk: Desk) -> None:
    run = desk.waiting("ann")
    path = f"/requests/{run.waiting_for[0].id}"
    with _serving(desk, "--as", "dora") as served, served.client() as browser:
        assert browser.get(path).headers["location"].startswith("/sign-in")
        page = browser.get(served.link)
        entered = browser.post("/enter", data=fields_of(page.text, "/enter"))
        assert entered.status_code == 303
        said = fields_of(browser.get(path).text, f"{path}/decisions") | {"answer": "approve:as-proposed"}
        assert browser.post(f"{path}/decisions", data=said).status_code == 303
        assert [one["assurance"] for one in _until_done(browser, run.id)["decisions"]] == ["asserted-local"]


def test_what_another_process_decides_is_told_as_it_happens(desk: Desk) -> None:
    run = desk.waiting("ann")
    token = desk.json("token", "create", "dora")["token"]
    query = {"run": run.id}
    with (
        _serving(desk) as served,
        served.client(token) as client,
        client.stream("GET", "/api/v1/events", params=query) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert next(lines).startswith(":")
        desk("approve", run.waiting_for[0].id, "--option", "kinder", "--as", "dora")
        told = []
        for line in lines:
            if line.startswith("data:"):
                told.append(json.loads(line.removeprefix("data:")))
                assert told[-1]["run"] == run.id
                if told[-1]["kind"] == "run.ended":
                    break
        assert {"decided", "effect.sent", "effect.answered"} < {one["kind"] for one in told}


def test_without_the_program_it_serves_and_decides(desk: Desk) -> None:
    run = desk.waiting()
    token = desk.json("token", "create", "dora")["token"]
    with _serving(desk, ANSWERABLE_SERVICE="") as served, served.client(token) as client:
        (line,) = client.get("/api/v1/requests").json()["requests"]
        body = {"answer": "approve", "option": "kinder", "digest": line["digest"]}
        assert client.post(f"/api/v1/requests/{line['id']}/decisions", json=body).status_code == 201
        assert client.get(f"/api/v1/runs/{run.id}").json()["status"] == "waiting"


def test_what_cannot_be_served_is_said(desk: Desk) -> None:
    desk.waiting()
    assert "unknown-id" in desk("serve", "--as", "nobody", code=1).stderr
    assert "by which address" in desk("serve", "--host", "0.0.0.0", "--port", "0", code=1).stderr
    assert "no address" in desk("serve", "--origin", "inbox.example", "--port", "0", code=1).stderr
    with _serving(desk) as served:
        port = served.address.rpartition(":")[2]
        assert "choose another --port" in desk("serve", "--port", port, code=1).stderr
    assert "there is no store" in desk("serve", "--store", "sqlite:///nowhere.db", code=1).stderr
    for wrong in ("nonsense", "javascript:alert(1)", "http://", "http://[x"):
        assert "no address of Jaeger's page" in desk("serve", "--jaeger", wrong, "--port", "0", code=1).stderr


def test_the_links_of_jaegers_page_lead_to_where_serve_listens() -> None:
    (port,) = (one.default for one in serve.params if one.name == "port")
    links = json.loads((ROOT / "deploy" / "jaeger" / "ui.json").read_text(encoding="utf-8"))["linkPatterns"]
    assert links and all(link["url"].startswith(f"http://127.0.0.1:{port}/") for link in links)


def test_no_effect_goes_to_where_people_decide(desk: Desk) -> None:
    desk.waiting()
    (port,) = free_ports(1)
    for host in ("127.0.0.1", "localhost", "LOCALHOST"):
        given: Any = {ORIGIN: f"http://{host}:{port}"}
        said = desk("serve", "--port", str(port), code=1, **given).stderr
        assert "carrier of letters is at this server's own address" in said
