"""People, freezes, handovers and everything that is wrong with a store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from answerable.commands.cli import COMMANDS, cli
from tests.commands.conftest import Desk


def test_people_are_registered(desk: Desk) -> None:
    desk("people", "add", "dora", "--name", "Dora", "--role", "lead", "--role", "night", "--team", "desk")
    (dora,) = desk.json("people", "list")
    assert (dora["handle"], dora["name"], dora["roles"], dora["teams"]) == ("dora", "Dora", ["lead", "night"], ["desk"])
    desk("people", "add", "dora", "--role", "lead")
    assert desk.json("people", "list")[0]["roles"] == ["lead"]
    assert "Dora" in desk("people", "list").stdout
    assert "no handle" in desk("people", "add", "do ra", code=1).stderr


def test_a_frozen_system_sends_nothing_until_it_is_thawed(desk: Desk) -> None:
    run = desk.waiting()
    frozen = desk.json("freeze", "--as", "dora", "--reason", "something is wrong")
    assert (frozen["target"], frozen["state"], frozen["by"]) == ("system", "quiesced", "dora")
    refused = desk("approve", run.waiting_for[0].id, "--option", "kinder", "--as", "dora", code=1)
    assert "not-open" in refused.stderr
    assert [one["id"] for one in desk.json("freezes")] == [frozen["id"]]
    assert "something is wrong" in desk("freezes").stdout
    desk("thaw", frozen["id"][:12], "--as", "dora", "--reason", "it was nothing")
    assert desk.json("freezes") == [] and "nothing is frozen" in desk("freezes").stdout
    assert "lifted already" in desk("thaw", frozen["id"], "--as", "dora", "--reason", "again", code=1).stderr
    desk("approve", run.waiting_for[0].id, "--option", "kinder", "--as", "dora")
    assert desk.json("runs", "resume", run.id)["status"] == "done"


def test_a_part_can_be_frozen_if_there_is_such_a_part(desk: Desk) -> None:
    run = desk.waiting()
    desk("approve", run.waiting_for[0].id, "--option", "kinder", "--as", "dora")
    assert "agent:wriet" in desk("freeze", "agent:wriet", "--as", "dora", "--reason", "r", code=1).stderr
    desk("freeze", "effect:post", "--as", "dora", "--reason", "r")
    stands = desk("runs", "resume", run.id, code=3)
    assert "answerable freezes" in stands.stdout and desk.receiver.received == []


def test_a_whole_system_can_be_frozen_without_its_program(desk: Desk) -> None:
    desk.waiting()
    desk("freeze", "--as", "dora", "--reason", "r", ANSWERABLE_SERVICE="")
    missing = desk("freeze", "agent:write", "--as", "dora", "--reason", "r", code=1, ANSWERABLE_SERVICE="")
    assert "no program is installed" in missing.stderr
    assert "no system 'letter'" in desk("freeze", "--system", "letter", "--as", "dora", "--reason", "r", code=1).stderr


def test_a_handover_holds_until_the_successor_accepts(desk: Desk) -> None:
    run = desk.waiting()
    desk("approve", run.waiting_for[0].id, "--option", "kinder", "--as", "dora")
    assert "not-eligible" in desk("handover", "offer", "--to", "dora", "--as", "nils", "--reason", "r", code=1).stderr
    desk("handover", "offer", "--to", "dora", "--as", "alice", "--reason", "holidays")
    desk("runs", "resume", run.id, code=3)
    assert desk.receiver.received == []
    assert "was not offered" in desk("handover", "accept", "--as", "nils", code=1).stderr
    desk("handover", "accept", "--as", "dora")
    ended = desk.json("runs", "resume", run.id)
    assert ended["status"] == "done" and ended["responsible"] == "dora"


def test_a_command_makes_no_store_by_the_way(desk: Desk, tmp_path: Path) -> None:
    for words in (["inbox"], ["runs", "list"], ["people", "list"], ["ledger", "verify"], ["freezes"]):
        failed = desk(*words, code=1)
        assert "[store-unavailable] there is no store at" in failed.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["answerable.db", "mysql://localhost/x", "sqlite:///"])
def test_a_wrong_store_is_an_error(desk: Desk, url: str) -> None:
    assert "error [store" in desk("inbox", "--store", url, code=1).stderr


def test_a_store_of_a_newer_program_is_left_alone(desk: Desk) -> None:
    desk.waiting()
    with closing(sqlite3.connect(desk.file, isolation_level=None)) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    for words in (["inbox"], ["runs", "list"], ["people", "add", "bob"]):
        assert "[store-newer]" in desk(*words, code=1).stderr


def test_a_file_that_is_no_database_is_an_error(desk: Desk) -> None:
    desk.file.write_text("Dear store, I am no database. " * 100)
    assert "error [store" in desk("inbox", code=1).stderr


def test_a_changed_request_is_found_before_it_is_decided(desk: Desk) -> None:
    run = desk.waiting()
    with closing(sqlite3.connect(desk.file, isolation_level=None)) as connection:
        connection.execute("UPDATE requests SET view = CAST(replace(view, 'dear', 'mean') AS BLOB)")
    for words in (["inbox"], ["approve", run.waiting_for[0].id, "--option", "kinder", "--as", "dora"]):
        assert "[store-corrupt]" in desk(*words, code=1).stderr


def test_without_its_key_a_store_is_not_decided_on(desk: Desk) -> None:
    run = desk.waiting()
    Path(f"{desk.file}.key").unlink()
    failed = desk("approve", run.waiting_for[0].id, "--option", "kinder", "--as", "dora", code=1)
    assert "ANSWERABLE_KEY_FILE" in failed.stderr


def test_every_command_says_what_it_does() -> None:
    for name in COMMANDS:
        done = CliRunner().invoke(cli, [name, "--help"])
        assert done.exit_code == 0 and "Usage:" in done.output, name
    top = " ".join(CliRunner().invoke(cli, ["--help"]).output.split())
    assert all(name in top for name in COMMANDS) and "3 waiting for a person" in top


def test_a_command_that_is_not_there_is_wrong_usage() -> None:
    assert CliRunner().invoke(cli, ["aprove"]).exit_code == 2
    assert CliRunner().invoke(cli, ["--version"]).exit_code == 0
