"""Runs, calls and the ledger on the command line."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import anyio
import pytest

from answerable.commands.exits import exit_code
from answerable.orchestrator.canonical import canonical
from answerable.testing import Reply
from answerable.tracing.storage.store import open_store
from tests.commands import serving
from tests.commands.conftest import Desk
from tests.orchestrator.letters import CARRIER, Ask, letters

DOCUMENT = {
    "run",
    "status",
    "responsible",
    "started_by",
    "edges_declared",
    "edges_crossed",
    "records",
    "spans",
    "requests",
    "decisions",
    "effects",
    "effects_by_state",
}


def test_a_run_is_listed_and_shown(desk: Desk) -> None:
    assert "there is no store" in desk("runs", "list", code=1).stderr
    run = desk.waiting()
    (listed,) = desk.json("runs", "list")
    assert (listed["run"], listed["status"], listed["started_by"], listed["responsible"]) == (
        run.id,
        "waiting",
        "nils",
        "alice",
    )
    assert run.id in desk("runs", "list").stdout
    document = desk.json("runs", "show", run.id)
    assert document.keys() >= DOCUMENT and document["spans"] > 0
    assert document["edges_crossed"] == [
        {"source": "START", "target": "write", "carries": "Ask", "count": 1},
        {"source": "write", "target": "sign", "carries": "Letter", "count": 1},
    ]
    assert document["records"] == len(records(desk, run.id))
    shown = desk("runs", "show", run.id).stdout
    assert "write" in shown and f"answerable show {run.waiting_for[0].id}" in shown


def records(desk: Desk, run: str) -> list[str]:
    with closing(sqlite3.connect(desk.file)) as connection:
        return [kind for (kind,) in connection.execute("SELECT kind FROM records WHERE run = ?", (run,))]


def test_resuming_a_run_that_waits_ends_with_3(desk: Desk) -> None:
    run = desk.waiting()
    assert desk.json("runs", "resume", run.id, code=3)["status"] == "waiting"
    assert "answerable show" in desk("runs", "resume", run.id, code=3).stdout


@pytest.mark.parametrize(
    ("status", "code"),
    [("done", 0), ("waiting", 3), ("frozen", 3), ("denied", 4), ("stuck", 4), ("failed", 4), ("cancelled", 4)],
)
def test_a_status_has_its_exit_code(status: str, code: int) -> None:
    assert exit_code(status) == code


def test_a_cancelled_run_sends_nothing(desk: Desk) -> None:
    run = desk.waiting()
    assert "--reason" in desk("runs", "cancel", run.id, "--as", "dora", code=2).stderr
    desk("runs", "cancel", run.id, "--as", "dora", "--reason", "no need")
    assert desk.json("runs", "show", run.id)["effects_by_state"] == {"withdrawn": 2}
    assert desk.json("runs", "resume", run.id, code=4)["status"] == "cancelled"
    assert "over already" in desk("runs", "cancel", run.id, "--as", "dora", "--reason", "again", code=1).stderr


def test_a_step_runs_anew(desk: Desk) -> None:
    run = desk.waiting()
    step = next(line.split()[0] for line in desk("runs", "show", run.id).stdout.splitlines() if " write " in line)
    again = desk.json("runs", "retry", run.id, step[:20], "--as", "dora", "--reason", "wrong", code=3)
    assert [request["state"] for request in again["requests"]] == ["withdrawn", "open"]
    assert "no step" in desk("runs", "retry", run.id, "stp_x", "--as", "dora", "--reason", "wrong", code=1).stderr


def test_a_run_of_another_version_waits_until_it_is_moved(desk: Desk) -> None:
    with letters(denied=True).connect(desk.url, origins={CARRIER: desk.receiver.origin}) as service:
        service.people.add("dora", roles=["lead"])
        run = service.run(Ask(), by="nils")
    gone = desk("runs", "resume", run.id, code=1)
    assert "version-gone" in gone.stderr and f"runs migrate {run.id}" in gone.stderr
    desk("runs", "migrate", run.id, "--as", "dora", "--reason", "the new one reads the same")
    assert desk.json("runs", "resume", run.id, code=3)["status"] == "waiting"


def test_the_canonical_form_is_that_of_the_run(desk: Desk) -> None:
    run = desk.waiting()
    printed = json.loads(desk("runs", "show", run.id, "--json", "--canonical").stdout)
    store = open_store(desk.url)
    try:
        assert printed == json.loads(json.dumps(anyio.run(store.read, lambda tx: canonical(tx, run.id))))
    finally:
        store.close()
    assert printed["started_by"] == "nils"


def test_an_id_may_be_given_by_its_beginning(desk: Desk) -> None:
    one = desk.waiting()
    assert desk.json("runs", "show", one.id[:12])["run"] == one.id
    two = desk.waiting("b")
    both = desk("runs", "show", "run_", code=1)
    assert "more than one run" in both.stderr and one.id in both.stderr and two.id in both.stderr
    assert "there is no run" in desk("runs", "show", "run_x", code=1).stderr
    assert "there is no run" in desk("runs", "show", "", code=1).stderr
    assert "there is no run" in desk("runs", "show", "run%", code=1).stderr


def test_a_call_in_doubt_is_listed_and_settled(desk: Desk) -> None:
    run = desk.waiting()
    desk.receiver.then(*(Reply(status=500) for _ in range(3)))
    desk("approve", run.waiting_for[0].id, "--option", "as-proposed", "--as", "dora")
    stands = desk("runs", "resume", run.id, code=3)
    assert "effects list --in-doubt" in stands.stdout
    (doubtful,) = desk.json("effects", "list", "--in-doubt")
    assert doubtful["name"] == "post" and doubtful["state"] == "in-doubt" and doubtful["decision"].startswith("dec_")
    settle = ["effects", "settle", doubtful["id"], "--as", "dora", "--reason", "they told me"]
    assert "--result" in desk(*settle, "--outcome", "done", code=1).stderr
    assert "no JSON" in desk(*settle, "--outcome", "done", "--result", "{", code=1).stderr
    assert "invalid-message" in desk(*settle, "--outcome", "done", "--result", '{"text": 1}', code=1).stderr
    desk(*settle, "--outcome", "done", "--result", '{"text": "arrived"}')
    assert desk.json("runs", "resume", run.id)["result"] == {"text": "arrived"}
    assert "not in doubt" in desk(*settle, "--outcome", "again", code=1).stderr
    assert {one["state"] for one in desk.json("effects", "list", "--run", run.id)} == {"done", "withdrawn"}
    assert len(desk.json("effects", "list", "--state", "done")) == 1


def test_a_restored_store_doubts_what_was_granted(desk: Desk) -> None:
    run = desk.waiting()
    asked = desk.json("store", "restored", "--as", "alice")
    assert asked == {"in_doubt": [], "open_requests": [run.waiting_for[0].id]}
    desk("approve", run.waiting_for[0].id, "--option", "as-proposed", "--as", "dora")
    (doubtful,) = desk.json("store", "restored", "--as", "alice")["in_doubt"]
    assert desk.json("runs", "resume", run.id, code=3)["effects_by_state"] == {"in-doubt": 1, "withdrawn": 1}
    assert desk.receiver.received == []
    desk("effects", "settle", doubtful, "--outcome", "again", "--as", "dora", "--reason", "they never got it")
    assert desk.json("runs", "resume", run.id)["status"] == "done"
    assert len(desk.receiver.happened) == 1
    assert "store.restored" in records(desk, "") and desk.json("store", "restored", "--as", "alice")["in_doubt"] == []
    assert "nobody is registered" in desk("store", "restored", "--as", "bob", code=1).stderr


def test_a_changed_record_is_found(desk: Desk) -> None:
    desk.waiting()
    found = desk.json("ledger", "verify")
    assert found["sound"] and found["faults"] == []
    head = found["head"]
    assert head in desk("ledger", "verify", "--head", head).stdout
    assert "no head" in desk("ledger", "verify", "--head", "12", code=1).stderr
    with closing(sqlite3.connect(desk.file, isolation_level=None)) as connection:
        connection.execute("UPDATE records SET body = replace(body, 'nothing', 'x'), at = at + 1 WHERE seq = 3")
    changed = desk.json("ledger", "verify", "--head", head, code=5)
    assert not changed["sound"] and changed["faults"]
    assert "record 3" in desk("ledger", "verify", code=5).stdout


def test_a_trace_is_a_tree(desk: Desk) -> None:
    run = desk.waiting()
    shown = desk("traces", "show", run.id).stdout
    assert "write" in shown and "started by nils, answered for by alice" in shown and run.waiting_for[0].id in shown


def test_a_system_is_drawn(desk: Desk) -> None:
    drawn = desk("graph", "--service", f"{serving.__name__}:app").stdout
    assert "Letter → sign" in drawn and not desk.file.exists()
    assert desk("graph", "--mermaid").stdout.startswith("flowchart TD")
    assert "Storm → forecast" in desk("graph", "logistics", ANSWERABLE_SERVICE="").stdout
    assert "no program is installed" in desk("graph", "letters", ANSWERABLE_SERVICE="", code=1).stderr


@pytest.mark.parametrize("name", ["nowhere:app", "tests.commands.serving:nobody", "tests", "", ":"])
def test_a_program_that_is_not_there_is_an_error(desk: Desk, name: str) -> None:
    run = desk.waiting()
    failed = desk("runs", "resume", run.id, "--service", name, code=1, ANSWERABLE_SERVICE="")
    assert "invalid-input" in failed.stderr and "--service" in failed.stderr


@pytest.mark.parametrize("name", ["number", "nothing"])
def test_a_program_that_makes_no_service_is_an_error(desk: Desk, name: str) -> None:
    run = desk.waiting()
    failed = desk("runs", "resume", run.id, "--service", f"{serving.__name__}:{name}", code=1)
    assert "no service" in failed.stderr


def test_an_app_serves_by_itself_where_nothing_is_called(desk: Desk) -> None:
    with serving.other.connect(desk.url, origins={CARRIER: desk.receiver.origin}) as service:
        run = service.run(Ask(), by="nils")
    assert desk.json("runs", "resume", run.id, "--service", f"{serving.__name__}:other", code=3)["status"] == "waiting"
