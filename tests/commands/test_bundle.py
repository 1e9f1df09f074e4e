"""`answerable bundle` as somebody types it, and what becomes of a wrong word."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from answerable.commands.exits import PARTIAL
from answerable.tracing.evidence.handing.verifier import verify
from tests.commands.conftest import Desk
from tests.tracing.evidence.bundles import files_of


def public_key(desk: Desk) -> str:
    return desk.file.with_name(f"{desk.file.name}.pub").read_text()


def test_a_bundle_is_written_and_who_took_it_is_a_record(desk: Desk, tmp_path: Path) -> None:
    run, file = desk.waiting(), tmp_path / "a.zip"
    about = desk.json("bundle", run.waiting_for[0].id, "-o", str(file), "--as", "rita")
    assert (about["kind"], about["run"], about["recorded"], about["signed"]) == ("request", run.id, True, True)
    assert verify(file.read_bytes(), public_key(desk))
    assert file.stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(desk.file)) as connection:
        ((body,),) = connection.execute("SELECT body FROM records WHERE kind = 'evidence.read'")
    read = json.loads(body)
    assert (read["what"], read["form"]) == ("bundle", "zip")
    assert read["about"] == [run.waiting_for[0].id, run.id, f"sha256:{about['sha256']}"]
    words = ("bundle", run.id, "-o", str(tmp_path / "b.zip"), "--with-names", "--with-payloads", "--as", "rita")
    said = desk(*words).stdout
    assert f"run {run.id}" in said and "verify.py" in said
    with closing(sqlite3.connect(desk.file)) as connection:
        bodies = [json.loads(body) for (body,) in connection.execute("SELECT body FROM records ORDER BY id")]
    assert [one["form"] for one in bodies if one["kind"] == "evidence.read"] == ["zip", "zip with names and payloads"]


def test_a_file_that_is_there_is_left_alone(desk: Desk, tmp_path: Path) -> None:
    run, file = desk.waiting(), tmp_path / "a.zip"
    file.write_text("mine")
    assert "--replace" in desk("bundle", run.id, "-o", str(file), code=1).stderr
    assert file.read_text() == "mine"
    desk("bundle", run.id, "-o", str(file), "--replace")
    assert verify(file.read_bytes(), public_key(desk))
    assert [one.name for one in tmp_path.iterdir() if one.suffix == ".zip"] == ["a.zip"]


def test_what_cannot_be_written_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    run = desk.waiting()
    assert "cannot be written" in desk("bundle", run.id, "-o", str(tmp_path / "no" / "a.zip"), code=1).stderr
    folder = tmp_path / "folder"
    folder.mkdir()
    assert "cannot be written" in desk("bundle", run.id, "-o", str(folder), "--replace", code=1).stderr
    assert list(folder.iterdir()) == [] and not list(tmp_path.glob("folder.*"))
    pipe = tmp_path / "pipe"
    pipe.symlink_to("/dev/null")
    for words in (("bundle", run.id, "--replace", "-o"), ("why", run.id, "--html"), ("ledger", "prove", run.id, "-o")):
        desk(*words, str(pipe))
        assert pipe.is_symlink() and pipe.is_char_device()


@pytest.mark.parametrize("given", ["nothing", "eff_00000000", "", "prs_00000000"])
def test_an_id_that_nobody_knows(desk: Desk, tmp_path: Path, given: str) -> None:
    desk.waiting()
    assert "unknown-id" in desk("bundle", given, "-o", str(tmp_path / "a.zip"), code=1).stderr
    assert not (tmp_path / "a.zip").exists()


def test_words_that_are_wrong(desk: Desk, tmp_path: Path) -> None:
    run, file = desk.waiting(), str(tmp_path / "a.zip")
    words = ("bundle", run.id, "-o", file)
    (tmp_path / "no-checkpoint").write_bytes(b"\xff\xfe")
    (tmp_path / "a-text").write_text("hello\n")
    for kept in ("no-checkpoint", "a-text", "nowhere"):
        assert (
            "invalid-input" in desk("bundle", run.id, "-o", file, "--checkpoint", str(tmp_path / kept), code=1).stderr
        )
    assert "invalid-input" in desk("bundle", run.id, "-o", file, "--as", "not a handle", code=1).stderr
    desk("bundle", run.id, code=2)
    desk("bundle", "-o", file, code=2)
    assert "no store" in desk(*words, "--store", "sqlite:///nowhere.db", code=1).stderr
    assert not (tmp_path / "a.zip").exists()


def test_a_checkpoint_that_the_auditor_kept(desk: Desk, tmp_path: Path) -> None:
    run, first, again = desk.waiting(), tmp_path / "1.zip", tmp_path / "2.zip"
    desk("bundle", run.id, "-o", str(first))
    (tmp_path / "kept").write_bytes(files_of(first.read_bytes())["checkpoint.txt"])
    newer = desk.waiting("b")
    desk("bundle", run.id, "-o", str(again), "--checkpoint", str(tmp_path / "kept"))
    assert first.read_bytes() == again.read_bytes()
    words = ("bundle", newer.id, "-o", str(tmp_path / "3.zip"), "--checkpoint", str(tmp_path / "kept"))
    assert "newer" in desk(*words, code=1).stderr


def test_a_copy_that_can_only_be_read(desk: Desk, tmp_path: Path) -> None:
    run = desk.waiting()
    desk("bundle", run.id, "-o", str(tmp_path / "1.zip"))
    copy = tmp_path / "copy" / "letters.db"
    copy.parent.mkdir()
    with closing(sqlite3.connect(desk.file)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    url = f"sqlite:///{copy}?mode=ro"
    done = desk("bundle", run.id, "-o", str(tmp_path / "2.zip"), "--store", url, "--json")
    about = json.loads(done.stdout)
    assert (about["recorded"], about["signed"]) == (False, False)
    assert "is not recorded" in done.stderr
    assert "nobody signed" in verify((tmp_path / "2.zip").read_bytes(), public_key(desk))[3]


def test_what_lies_beside_and_was_changed_is_not_handed_out(desk: Desk, tmp_path: Path) -> None:
    run, file = desk.waiting(), tmp_path / "a.zip"
    for changed in ("'{}'", "x'7b7d'"):
        with closing(sqlite3.connect(desk.file)) as connection:
            connection.execute(f"UPDATE messages SET payload = {changed}")  # one of the two above
            connection.commit()
        said = desk("bundle", run.id, "-o", str(file), "--with-payloads", code=1).stderr
        assert "store-corrupt" in said and "is another" in said
    assert not file.exists()


def test_a_story_that_is_partial_says_so(desk: Desk, tmp_path: Path) -> None:
    run, file = desk.waiting(), tmp_path / "a.zip"
    with closing(sqlite3.connect(desk.file)) as connection:
        connection.execute("UPDATE records SET body = x'7b7d' WHERE kind = 'run.rested'")
        connection.commit()
    about = desk.json("bundle", run.id, "-o", str(file), code=PARTIAL)
    assert "cannot be read as it was written" in about["partial"][0]
    assert verify(file.read_bytes(), public_key(desk))
    assert "partial: " in desk("bundle", run.id, "-o", str(file), "--replace", code=PARTIAL).stdout
