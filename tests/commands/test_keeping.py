"""`answerable holds`, `people erase`, `store erase`, `store prune`, `store rebuild`, as they are typed."""

from __future__ import annotations

from pathlib import Path

from tests.commands.conftest import Desk


def _denied(desk: Desk) -> str:
    """A run that is over: dora said no."""
    run = desk.waiting()
    desk("reject", run.waiting_for[0].id, "--reason", "not like that", "--as", "dora")
    desk("runs", "resume", run.id)
    return run.id


WHO = ("--as", "alice", "--reason", "they asked for it")


def test_what_was_erased_is_said_to_be(desk: Desk) -> None:
    run = _denied(desk)
    hold = desk("holds", "place", "--run", run, *WHO).stdout.split()[-1]
    assert "legal hold" in desk("store", "erase", "--run", run, *WHO, code=1).stderr
    assert desk.json("holds", "list")[0]["state"] == "standing"
    desk("holds", "lift", hold, *WHO)
    assert "lifted already" in desk("holds", "lift", hold, *WHO, code=1).stderr
    assert "lifted" in desk("holds", "list").stdout
    assert f"{run}: everything erased" in desk("store", "erase", "--run", run, *WHO).stdout
    (request,) = desk.json("inbox", "--all")
    for shown in (
        desk("show", request["id"]).stdout,
        desk("why", run).stdout,
        desk("traces", "show", run).stdout,
        desk("runs", "show", run).stdout,
        desk("inbox", "--all").stdout,
    ):
        assert shown
    assert "erased" in desk("show", request["id"]).stdout
    desk("runs", "show", run, "--canonical")
    assert "sound" in desk("ledger", "verify").stdout


def test_a_person_and_what_is_out_of_reach(desk: Desk, tmp_path: Path) -> None:
    run = _denied(desk)
    desk(
        "decisions",
        "export",
        "--from",
        "2000-01-01",
        "--to",
        "2100-01-01",
        "--names",
        "-o",
        str(tmp_path / "a.csv"),
        "--as",
        "nils",
    )
    said = desk("people", "erase", "dora", *WHO).stdout
    assert "decisions export (csv), taken by nils" in said and "backups" in said
    assert "dora" not in desk("people", "list").stdout
    for shown in (desk("why", run), desk("traces", "show", run), desk("runs", "show", run)):
        assert "dora" not in shown.stdout and "not like that" not in shown.stdout
    assert "sound" in desk("ledger", "verify").stdout
    assert desk("people", "erase", "alice", *WHO, code=1).stderr.count("answers for") == 1


def test_nothing_young_is_pruned(desk: Desk) -> None:
    _denied(desk)
    assert "younger than 183 days" in desk("store", "prune", "--older-than", "10d", *WHO, code=1).stderr
    assert desk.json("store", "prune", "--older-than", "400d", *WHO) == {"pruned": [], "skipped": {}}
    assert "0 runs pruned" in desk("store", "prune", "--before", "2020-01-01", *WHO).stdout
    for wrong in ((), ("--before", "2020-01-01", "--older-than", "400d")):
        desk("store", "prune", *wrong, *WHO, code=2)
    assert "no number of days" in desk("store", "prune", "--older-than", "soon", *WHO, code=1).stderr


def test_a_sound_store_has_nothing_to_rebuild(desk: Desk) -> None:
    _denied(desk)
    assert "0 made, 0 changed, 0 dropped, 0 not made" in desk("store", "rebuild", *WHO).stdout
    assert desk.json("store", "rebuild", *WHO) == {"made": [], "changed": [], "dropped": [], "not_made": []}


def test_words_that_are_no_command(desk: Desk) -> None:
    run = _denied(desk)
    desk("store", "erase", *WHO, code=2)
    desk("store", "erase", "--run", run, "--message", "msg_1", *WHO, code=2)
    desk("holds", "place", *WHO, code=2)
    assert "unknown-id" in desk("store", "erase", "--message", "msg_1", *WHO, code=1).stderr
    assert "unknown-id" in desk("store", "erase", "--subject", "AX-7", *WHO, code=1).stderr
    assert "unknown-id" in desk("people", "erase", "nobody", *WHO, code=1).stderr
