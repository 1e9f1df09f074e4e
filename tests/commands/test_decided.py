"""`answerable decisions export`: what is in it, what is not, and that it is known who took it."""

from __future__ import annotations

import asyncio
import csv
import io
from pathlib import Path
from typing import Any

import pytest

from answerable.tracing.evidence.handing.decided import COLUMNS, as_csv, decisions_between
from answerable.tracing.ledger.entries import append, records_of
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.every import AnyRecord
from answerable.tracing.ledger.records.kept import EvidenceRead
from answerable.tracing.ledger.sequencer import sequence
from answerable.tracing.storage.store import Tx, open_store
from tests.commands.conftest import Desk

ALWAYS = ("--from", "2000-01-01", "--to", "2100-01-01")


def _table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_a_decision_by_a_person(desk: Desk, tmp_path: Path) -> None:
    run = desk.waiting()
    desk("reject", run.waiting_for[0].id, "--reason", "not like that", "--as", "dora")
    out = tmp_path / "decisions.csv"
    desk("decisions", "export", *ALWAYS, "-o", str(out), "--as", "erin")
    (row,) = _table(out)
    assert tuple(row) == COLUMNS
    assert (row["outcome"], row["how"], row["system"], row["run"]) == ("rejected", "by a person", "letters", run.id)
    assert row["by"].startswith("prs_") and len(row["digest"]) == 64
    assert "dora" not in out.read_text() and "not like that" not in out.read_text()
    desk("decisions", "export", *ALWAYS, "-o", str(out), "--names", "--replace", "--as", "erin")
    assert _table(out)[0]["by_handle"] == "dora"
    first, second = [one for one in records_at(desk.url) if isinstance(one, EvidenceRead)]
    assert first.what == "decisions export" and first.form == "csv"
    assert "names" not in first.about and "names" in second.about
    assert first.about[-1].startswith("sha256:")


def test_a_period_and_a_system(desk: Desk, tmp_path: Path) -> None:
    run = desk.waiting()
    desk("reject", run.waiting_for[0].id, "--reason", "no", "--as", "dora")
    out = tmp_path / "decisions.csv"
    desk("decisions", "export", "--from", "2000-01-01", "--to", "2000-12-31", "-o", str(out))
    assert _table(out) == []
    desk("decisions", "export", *ALWAYS, "--system", "other", "-o", str(out), "--replace")
    assert _table(out) == []
    assert (
        "before"
        in desk("decisions", "export", "--from", "2001-01-01", "--to", "2000-01-01", "-o", str(out), code=1).stderr
    )
    assert (
        "cannot be written" in desk("decisions", "export", *ALWAYS, "-o", str(tmp_path / "no" / "file"), code=1).stderr
    )


def test_a_reader_is_the_login_name_or_the_environment(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.waiting()
    monkeypatch.setenv("LOGNAME", "greta")
    desk("decisions", "export", *ALWAYS, "-o", str(tmp_path / "a.csv"))
    desk("decisions", "export", *ALWAYS, "-o", str(tmp_path / "b.csv"), ANSWERABLE_PERSON="hugo")
    by = [one.by for one in records_at(desk.url) if isinstance(one, EvidenceRead)]
    assert by == [_person(desk, "greta"), _person(desk, "hugo")]


def test_a_file_that_is_there_is_left_alone(desk: Desk, tmp_path: Path) -> None:
    desk.waiting()
    out = tmp_path / "decisions.csv"
    out.write_text("somebody's")
    assert "is there already" in desk("decisions", "export", *ALWAYS, "-o", str(out), code=1).stderr
    assert out.read_text() == "somebody's"
    assert [one for one in records_at(desk.url) if isinstance(one, EvidenceRead)] == []
    desk("decisions", "export", *ALWAYS, "-o", str(out), "--replace")
    assert _table(out) == []


def test_reading_a_copy_that_cannot_be_written_says_so(desk: Desk, tmp_path: Path) -> None:
    desk.waiting()
    before = len(records_at(desk.url))
    done = desk("decisions", "export", *ALWAYS, "-o", str(tmp_path / "a.csv"), "--store", f"{desk.url}?mode=ro")
    assert "not recorded" in done.stderr and "0 decisions" in done.stdout
    assert len(records_at(desk.url)) == before


@pytest.mark.anyio
async def test_nothing_in_a_cell_is_a_formula(store_url: str) -> None:
    def write(tx: Tx) -> None:
        evil: dict[str, Any] = {
            "system": "=cmd|'/c calc'!A0",
            "approval": " @SUM(A1)",
            "option": "+1",
            "run": '"x,\r\n',
        }
        rest: dict[str, Any] = {"decision": "dec_1", "request": "req_1", "step": "stp_1", "digest": "", "by": "-2"}
        append(tx, Decided(at=5, asked_at=1, outcome="approved", **rest, **evil))
        sequence(tx)

    store = open_store(store_url)
    try:
        await store.write(write)
        rows = await store.read(lambda tx: decisions_between(tx, 0, 10))
        assert await store.read(lambda tx: decisions_between(tx, 0, 5)) == []
    finally:
        store.close()
    (row,) = csv.DictReader(io.StringIO(as_csv(rows), newline=""))
    assert row["system"] == "'=cmd|'/c calc'!A0" and row["approval"] == "' @SUM(A1)" and row["option"] == "'+1"
    assert row["by"] == "'-2" and row["run"] == '"x,\r\n' and row["record"] == "0"


def records_at(url: str) -> list[AnyRecord]:
    """The records of no run."""
    store = open_store(url)
    try:
        return [entry.record for entry in asyncio.run(store.read(lambda tx: records_of(tx, "")))]
    finally:
        store.close()


def _person(desk: Desk, handle: str) -> str:
    found = [one for one in desk.json("people", "list") if one["handle"] == handle]
    return str(found[0]["id"])


@pytest.mark.parametrize("day", ["x", "2026-13-01", "01.02.2026", ""])
def test_what_is_no_day_is_said_in_words(desk: Desk, tmp_path: Path, day: str) -> None:
    words = ("--from", day, "--to", "2026-01-31", "-o", str(tmp_path / "a.csv"))
    assert f"{day!r} is no day: write one as 2026-01-31" in desk("decisions", "export", *words, code=2).stderr
