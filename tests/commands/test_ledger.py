"""The ledger's commands: how it stands, whether it was changed, and proofs for others."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from answerable.tracing.ledger.checkpoints import sign_head
from answerable.tracing.ledger.merkle import Head
from tests.commands.conftest import Desk
from tests.tracing.ledger.signers import signer


@pytest.fixture
def kept(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A desk whose run waits, and its public key, kept elsewhere."""
    monkeypatch.setenv("ANSWERABLE_ANCHOR_FOLDER", str(tmp_path / "anchors"))
    desk.waiting()
    public = tmp_path / "kept.pub"
    shutil.copy(desk.file.with_suffix(".db.pub"), public)
    return public


def change(desk: Desk, sql: str) -> None:
    with closing(sqlite3.connect(desk.file, isolation_level=None)) as connection:
        connection.execute(sql)


def checkpoints(tmp_path: Path) -> Path:
    (file,) = (tmp_path / "anchors").iterdir()
    return file


def test_how_the_ledger_stands(desk: Desk, kept: Path, tmp_path: Path) -> None:
    said = desk.json("ledger", "status")
    (anchor,) = said["anchors"]
    assert said["records"] == said["signed"] == anchor["kept"] and anchor["tail"] == 0
    assert said["public_key"] == kept.read_text().strip()
    assert anchor["kept_in"] == str(checkpoints(tmp_path)) and not anchor["error"]
    desk("ledger", "verify", ANSWERABLE_ANCHOR_FOLDER=str(desk.file / "no folder"))
    desk("people", "add", "erik", ANSWERABLE_ANCHOR_FOLDER=str(desk.file / "no folder"))
    (anchor,) = desk.json("ledger", "status")["anchors"]
    assert anchor["tail"] == 1 and "NotADirectoryError" in anchor["error"]
    shown = desk("ledger", "status").stdout
    assert "last checkpoint" in shown and "NotADirectoryError" in shown
    desk("people", "add", "fred")
    assert desk.json("ledger", "status")["anchors"][0]["tail"] == 0
    file = checkpoints(tmp_path)
    file.rename(tmp_path / "away")
    gone = desk("ledger", "verify", code=1).stderr
    assert f"{file} is gone, in which checkpoints of up to" in gone and "--checkpoint FILE" in gone
    desk("ledger", "verify", "--checkpoint", str(tmp_path / "away"))
    assert "cannot be read" in desk("ledger", "verify", "--checkpoint", str(tmp_path / "nothing"), code=1).stderr


def test_records_are_proved_to_somebody_who_has_the_key(desk: Desk, kept: Path, tmp_path: Path) -> None:
    (request,) = [one["id"] for one in desk.json("inbox")]
    proof = tmp_path / "proof.json"
    desk("ledger", "prove", request, "-o", str(proof), "--as", "dora")
    said = desk.json("ledger", "check", str(proof), "--pubkey", str(kept))
    assert [one["record"]["kind"] for one in said["records"]] == ["request.made"]
    assert "request.made" in desk("ledger", "check", str(proof), "--pubkey", str(kept)).stdout
    older = tmp_path / "older"
    shutil.copy(checkpoints(tmp_path), older)
    twice = {desk("ledger", "prove", request, "--checkpoint", str(older)).stdout for _ in range(2)}
    assert len(twice) == 1
    proof.write_text(proof.read_text().replace('"place": ', '"place": 1'))
    failed = desk("ledger", "check", str(proof), "--pubkey", str(kept), code=5)
    assert "not in the ledger" in failed.stderr


def test_growth_is_proved_over_a_new_key(desk: Desk, kept: Path, tmp_path: Path) -> None:
    older = tmp_path / "older.checkpoint"
    shutil.copy(checkpoints(tmp_path), older)
    assert "+" in desk("ledger", "rotate-key", "--as", "dora", "--reason", "yearly").stdout
    assert desk.file.with_suffix(".db.pub").read_text() != kept.read_text()
    proof = tmp_path / "proof.json"
    desk("ledger", "prove", "--from", str(older), "-o", str(proof))
    for public in (kept, desk.file.with_suffix(".db.pub")):
        assert "nothing below record" in desk("ledger", "check", str(proof), "--pubkey", str(public)).stdout
        found = desk.json("ledger", "verify", "--pubkey", str(public), "--checkpoint", str(older))
        assert found["sound"] and found["kept"] > 0 and len(found["keys"]) == 2


def test_a_copy_is_verified_without_any_private_key(desk: Desk, kept: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy" / "letters.db"
    copy.parent.mkdir()
    shutil.copy(desk.file, copy)
    before = copy.read_bytes()
    verify = ("ledger", "verify", "--store", f"sqlite:///{copy}", "--pubkey", str(kept))
    for deep in ((), ("--deep",)):
        assert "MACs are not checked" in desk(*verify, *deep).stdout
    assert copy.read_bytes() == before
    assert not copy.with_suffix(".db.key").exists() and not copy.with_suffix(".db.signing-key").exists()


def test_a_change_is_found_by_what_the_anchor_keeps(desk: Desk, kept: Path, tmp_path: Path) -> None:
    assert "compared with" in desk("ledger", "verify").stdout
    change(desk, "DELETE FROM heads")
    change(desk, "DELETE FROM records WHERE seq > 3")
    change(desk, "UPDATE cursors SET position = 4 WHERE name = 'sequencer'")
    found = desk.json("ledger", "verify", code=5)
    assert any("the ledger has only 4" in fault["what"] for fault in found["faults"])
    assert (
        "the ledger has only 4" in desk("ledger", "verify", "--checkpoint", str(checkpoints(tmp_path)), code=5).stdout
    )


def test_what_is_of_another_system_or_key(desk: Desk, kept: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    checkpoint = sign_head(Head(size=2, root=b"x" * 32), signer())
    other.write_text(checkpoint.text)
    failed = desk("ledger", "verify", "--checkpoint", str(other), code=5)
    assert "of another system: answerable/0123456789abcdef" in failed.stdout
    assert "another system" in desk("ledger", "prove", "--from", str(other), code=1).stderr
    other.write_text(str(signer().public))
    assert "trusted" in desk("ledger", "verify", "--pubkey", str(other), code=5).stdout
    (request,) = [one["id"] for one in desk.json("inbox")]
    proof = tmp_path / "proof.json"
    desk("ledger", "prove", request, "-o", str(proof))
    assert "not signed by a trusted key" in desk("ledger", "check", str(proof), "--pubkey", str(other), code=5).stderr


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"half a checkp", b"{"])
def test_files_that_are_not_what_they_should_be(desk: Desk, kept: Path, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    for words in (
        ("verify", "--checkpoint", str(file)),
        ("verify", "--pubkey", str(file)),
        ("prove", "--from", str(file)),
        ("check", str(file), "--pubkey", str(kept)),
        ("check", str(kept), "--pubkey", str(file)),
    ):
        assert "error [invalid-input]" in desk("ledger", *words, code=1).stderr


def test_what_cannot_be_proved(desk: Desk, kept: Path, tmp_path: Path) -> None:
    assert "no run" in desk("ledger", "prove", "nonsense", code=1).stderr
    assert "no effect" in desk("ledger", "prove", "eff_none", code=1).stderr
    assert "what is to be proved" in desk("ledger", "prove", code=1).stderr
    assert "--pubkey" in desk("ledger", "check", str(kept), code=1).stderr
    (request,) = [one["id"] for one in desk.json("inbox")]
    change(desk, "UPDATE records SET body = '{}' WHERE kind = 'request.made'")
    assert "ledger verify" in desk("ledger", "prove", request, code=1).stderr
    assert json.loads(desk("ledger", "status", "--json").stdout)["key"]


def test_a_ledger_that_was_cut_in_half(desk: Desk, kept: Path) -> None:
    (request,) = [one["id"] for one in desk.json("inbox")]
    change(desk, "DELETE FROM records WHERE seq > 2")
    assert desk.json("ledger", "verify", code=5)["faults_found"] > 0
    assert "error [" in desk("ledger", "prove", request, code=1).stderr
    cut = desk.file.read_bytes()[:4096]
    half = desk.file.with_name("half.db")
    half.write_bytes(cut)
    assert "error [store" in desk("ledger", "verify", "--store", f"sqlite:///{half}", code=1).stderr


def test_an_empty_file_is_no_store(desk: Desk) -> None:
    desk.file.touch()
    for words in (("ledger", "verify"), ("why", "x")):
        assert "there is no store" in desk(*words, code=1).stderr
    assert not desk.file.stat().st_size


def test_an_error_is_not_as_long_as_what_was_given(desk: Desk, kept: Path) -> None:
    assert len(desk("why", "x" * 100_000, code=1).stderr) < 10_000
