"""Being asked, and answering, on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.commands.conftest import Desk
from tests.commands.serving import app
from tests.orchestrator.letters import CARRIER, Ask


def test_an_inbox_shows_who_is_asked_what(desk: Desk) -> None:
    run = desk.waiting()
    (request,) = run.waiting_for
    (asked,) = desk.json("inbox")
    assert asked["id"] == request.id and asked["digest"] == request.digest and asked["run"] == run.id
    assert asked["options"] == ["as-proposed", "kinder"] and asked["asks"] == "role lead" and asked["state"] == "open"
    assert request.id in desk("inbox").stdout
    zone = datetime.fromtimestamp(request.expires_at / 1e6, UTC).astimezone().strftime(" %H:%M:%S %Z")
    assert zone in desk("inbox").stdout and zone in desk("show", request.id).stdout
    desk("approve", request.id, "--option", "kinder", "--as", "dora")
    assert desk.json("inbox") == [] and "nobody is asked" in desk("inbox").stdout
    assert [one["state"] for one in desk.json("inbox", "--all")] == ["decided"]


def test_what_is_frozen_is_said_where_people_look_for_what_they_can_decide(desk: Desk) -> None:
    (request,) = desk.waiting().waiting_for
    freeze = desk.json("freeze", "--as", "dora", "--reason", "wait")["id"]
    (asked,) = desk.json("inbox")
    assert (asked["state"], asked["frozen"], desk.json("show", request.id)["frozen"]) == ("open", True, True)
    assert "frozen" in desk("inbox").stdout and "after the thaw" in desk("show", request.id).stdout
    desk("thaw", freeze, "--as", "dora", "--reason", "go on")
    assert "frozen" not in desk("inbox").stdout and desk.json("inbox")[0]["frozen"] is False


def test_a_request_is_shown_with_each_call_that_an_option_would_release(desk: Desk) -> None:
    (request,) = desk.waiting("ann").waiting_for
    shown = desk("show", request.id).stdout
    assert f"POST {desk.receiver.origin}/letters" in shown
    assert '{"text":"dear ann"}' in shown and '{"text":"dear ann, with love"}' in shown
    assert request.digest in shown
    document = desk.json("show", request.id)
    assert [option["name"] for option in document["options"]] == ["as-proposed", "kinder"]
    assert document["decision"] is None


def test_a_decision_releases_its_calls_when_the_run_is_resumed(desk: Desk) -> None:
    run = desk.waiting("ann")
    decision = desk.json("approve", run.waiting_for[0].id, "--option", "kinder", "--as", "dora", "--reason", "nicer")
    assert decision["by"] == "dora" and decision["outcome"] == "approved" and decision["option"] == "kinder"
    assert decision["assurance"] == "asserted-local" and decision["reason"] == "nicer"
    assert desk.receiver.received == []
    ended = desk.json("runs", "resume", run.id)
    assert ended["status"] == "done" and ended["result"] == {"text": "dear ann, with love"}
    assert ended["effects_by_state"] == {"done": 1, "withdrawn": 1}
    assert [received.json() for received in desk.receiver.happened] == [{"text": "dear ann, with love"}]
    assert "nicer" in desk("show", run.waiting_for[0].id).stdout


def test_another_process_may_decide_and_another_one_resume(desk: Desk) -> None:
    run = desk.waiting("ann")
    words = ["approve", run.waiting_for[0].id, "--option", "as-proposed", "--as", "dora", "--json"]
    for command in (words, ["runs", "resume", run.id, "--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "answerable", *command],
            env=os.environ | desk.environment,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        json.loads(done.stdout)
    assert [received.json() for received in desk.receiver.happened] == [{"text": "dear ann"}]


def test_a_no_needs_a_reason_and_leaves_nothing_to_send(desk: Desk) -> None:
    run = desk.waiting()
    request = run.waiting_for[0].id
    desk("reject", request, "--as", "dora", code=2)
    refused = desk("reject", request, "--as", "dora", "--reason", " ", code=1)
    assert "invalid-input" in refused.stderr
    assert desk.json("reject", request, "--as", "dora", "--reason", "too rude")["outcome"] == "rejected"
    ended = desk.json("runs", "resume", run.id)
    assert ended["status"] == "done" and ended["result"] == {"text": "Rejected"}  # it has an edge for a no
    assert ended["effects_by_state"] == {"withdrawn": 2} and desk.receiver.received == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--option", "kinder", "--as", "nils"], "not-eligible"),
        (["--option", "kinder", "--as", "bob"], "nobody is registered as 'bob'"),
        (["--option", "ruder", "--as", "dora"], "choose one of as-proposed, kinder"),
    ],
)
def test_a_decision_that_may_not_be_is_refused(desk: Desk, words: list[str], said: str) -> None:
    request = desk.waiting().waiting_for[0].id
    refused = desk("approve", request, *words, code=1)
    assert said in refused.stderr and refused.stdout == ""
    assert [one["id"] for one in desk.json("inbox")] == [request]


def test_nothing_is_decided_twice(desk: Desk) -> None:
    request = desk.waiting().waiting_for[0].id
    desk("approve", request, "--option", "kinder", "--as", "dora")
    assert "already-decided" in desk("reject", request, "--as", "dora", "--reason", "no", code=1).stderr


def test_an_option_has_to_be_named(desk: Desk) -> None:
    assert "--option" in desk("approve", desk.waiting().waiting_for[0].id, "--as", "dora", code=2).stderr


def test_an_edit_is_a_new_request_for_somebody_else(desk: Desk, tmp_path: Path) -> None:
    request = desk.waiting().waiting_for[0].id
    file = tmp_path / "letter.json"
    file.write_text('{"text": "dear all"}')
    made = desk.json("edit", request, "--file", str(file), "--as", "dora", "--reason", "politer")
    assert made["edited_from"] == request and made["request"] != request
    own = desk("approve", made["request"], "--option", "as-proposed", "--as", "dora", code=1)
    assert "wrote this edit" in own.stderr
    desk("approve", made["request"], "--option", "as-proposed", "--as", "alice")
    ended = desk.json("runs", "resume", made["request"] and desk.json("runs", "list")[0]["run"])
    assert ended["result"] == {"text": "dear all"}


@pytest.mark.parametrize(
    ("given", "said"),
    [("{", "no JSON"), ("[1]", "is no JSON object"), ('{"words": 1}', "invalid-message"), ('{"text": 1}', "text")],
)
def test_an_edit_that_is_no_message_is_refused(desk: Desk, given: str, said: str) -> None:
    request = desk.waiting().waiting_for[0].id
    assert said in desk("edit", request, "--file", "-", "--as", "dora", code=1, given=given).stderr
    assert [one["id"] for one in desk.json("inbox")] == [request]


def test_an_edit_from_a_file_that_cannot_be_read_is_wrong_usage(desk: Desk, tmp_path: Path) -> None:
    request = desk.waiting().waiting_for[0].id
    desk("edit", request, "--file", str(tmp_path / "nowhere.json"), "--as", "dora", code=2)
    desk("edit", request, "--file", str(tmp_path), "--as", "dora", code=2)


def test_a_response_needs_an_edge_that_takes_it(desk: Desk) -> None:
    request = desk.waiting().waiting_for[0].id
    assert "no edge for a response" in desk("respond", request, "--text", "why?", "--as", "dora", code=1).stderr


def test_a_terminal_is_not_commanded_by_what_an_agent_wrote(desk: Desk) -> None:
    request = desk.waiting("\x1b[2J\u202eevil").waiting_for[0].id
    shown = desk("show", request).stdout
    assert "\x1b" not in shown and "\u202e" not in shown
    assert "\\u001b[2J" in shown and "evil" in shown


def test_what_is_decided_by_an_accepted_exemption_asks_nobody(desk: Desk) -> None:
    with app.connect(desk.url, origins={CARRIER: desk.receiver.origin}) as service:
        service.run(Ask(), by="nils")
    assert desk.json("exemptions", "list") == [
        {
            "system": "letters",
            "approval": "sign",
            "exemption": "is_short@2",
            "declared": True,
            "accepted": False,
            "by": "",
        }
    ]
    assert "has no force" in desk("exemptions", "list").output
    assert "only the Responsible" in desk("exemptions", "accept", "sign", "--as", "nils", code=1).stderr
    assert "no approval" in desk("exemptions", "accept", "sing", "--as", "alice", code=1).stderr
    desk("exemptions", "accept", "sign", "--as", "alice")
    (one,) = desk.json("exemptions", "list")
    assert one["accepted"] is True and one["by"] == "alice"
    assert "accepted by alice" in desk("exemptions", "list").output


def test_postgresql_is_decided_on_in_the_same_way(
    desk: Desk, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))  # where its key lies
    with app.connect(postgres_url, origins={CARRIER: desk.receiver.origin}) as service:
        service.people.add("dora", roles=["lead"])
        run = service.run(Ask(text="ann"), by="nils")
    request, there = run.waiting_for[0].id, ("--store", postgres_url)
    assert request in desk("inbox", *there).stdout
    desk("approve", request[:12], "--option", "kinder", "--as", "dora", *there)
    desk("runs", "resume", run.id[:12], *there)
    assert "sound" in desk("ledger", "verify", *there).stdout
    assert [received.json() for received in desk.receiver.happened] == [{"text": "dear ann, with love"}]


def test_an_answer_is_given_to_all_that_ask_the_same(desk: Desk) -> None:
    group = [desk.waiting().waiting_for[0].id for _ in range(3)]
    other = desk.waiting("bob").waiting_for[0].id
    said = desk("approve", group[1], "--option", "as-proposed", "--alike", "--as", "dora").stdout
    assert "3 of 3 requests were answered, each for itself" in said and all(id in said for id in group)
    assert [one["id"] for one in desk.json("inbox")] == [other]
    (told,) = desk.json("reject", other, "--alike", "--reason", "no", "--as", "nils")
    assert told["decision"] is None and told["error"]["code"] == "not-eligible"


def test_beyond_a_budget_a_reason_is_asked_for(desk: Desk) -> None:
    first, second = desk.waiting("ann").waiting_for[0].id, desk.waiting("bob").waiting_for[0].id
    words = ("--option", "as-proposed", "--as", "dora")
    desk("approve", first, *words, ANSWERABLE_BUDGET="1")
    said = desk("approve", second, *words, "--budget", "1", code=1).stderr
    assert "beyond the budget of 1" in said
    edit = ("edit", second, "--file", "-", "--as", "dora", "--budget", "1")
    assert "beyond the budget of 1" in desk(*edit, code=1, given='{"text": "nicer"}').stderr
    desk("approve", second, *words, "--budget", "1", "--reason", "I read it")
