"""The benchmark runs, all spans arrive, its JSON has what it promises. What it measures is not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.chains import NAMES
from benchmarks.freeze import MEASURED as FROZEN
from benchmarks.growth import grow
from benchmarks.inbox import NAMES as INBOX
from benchmarks.rules import NAMES as RULED
from benchmarks.verify import NAMES as VERIFIED

_REPOSITORY = Path(__file__).parents[2]


def test_a_step_is_measured_beside_its_peers() -> None:
    command = [sys.executable, "-m", "benchmarks.hop", "--json", "--speed-only", "--rounds", "1"]
    said = json.loads(subprocess.run(command, cwd=_REPOSITORY, check=True, stdout=subprocess.PIPE, text=True).stdout)
    assert all(said[name] > 0 for name in NAMES)
    assert said["ratio"] == pytest.approx(
        said["ours"] / min(said["sqlite_saver"], said["async_sqlite_saver"]), abs=0.01
    )
    # The run, its 100 steps, and the 101 edges that they and END take; the peer has no span of an edge.
    assert said["spans_per_run"] == {"openinference": [101], "ours": [202]}


def test_what_a_run_leaves_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_REPOSITORY)
    grown = grow("sqlite_saver", 10)
    assert grown.bytes_per_step > 1000  # the message alone has as many
    assert grown.memory > 10_000_000


def test_how_long_an_answer_takes_is_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.why", "--json", "--records", "2000", "--asked", "3"]
    said = json.loads(subprocess.run(command, cwd=_REPOSITORY, check=True, stdout=subprocess.PIPE, text=True).stdout)
    assert said["records"] >= 2000 and said["hops"] == 50
    assert all(said[name][0] > 0 for name in ("find", "why", "why_by_subject", "impact", "page", "command"))


def test_a_freeze_is_measured_beside_an_empty_transaction() -> None:
    command = [sys.executable, "-m", "benchmarks.freeze", "--json", "--freezes", "3"]
    said = json.loads(subprocess.run(command, cwd=_REPOSITORY, check=True, stdout=subprocess.PIPE, text=True).stdout)
    assert said["freezes"] == 3 and said["sent"] > 0 and said["sent_after"] == 0
    assert all(0 < said[name]["p50"] <= said[name]["p99"] for name in FROZEN)


def test_verifying_is_measured_beside_its_peer() -> None:
    command = [sys.executable, "-m", "benchmarks.verify", "--json", "--records", "600", "--rounds", "1"]
    said = json.loads(subprocess.run(command, cwd=_REPOSITORY, check=True, stdout=subprocess.PIPE, text=True).stdout)
    assert all(said[name] > 0 for name in VERIFIED)
    assert said["ratio"] == pytest.approx(said["verify"] / said["sha256"], abs=0.01)


def test_a_gate_that_a_standing_rule_decides_is_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.rules", "--json", "--rounds", "2"]
    said = json.loads(subprocess.run(command, cwd=_REPOSITORY, check=True, stdout=subprocess.PIPE, text=True).stdout)
    assert said["rules"] == 50 and all(said[name] > 0 for name in (*RULED, "per_decision"))
    assert said["gate"] == pytest.approx(said["ruled"] - said["hop"], abs=0.2)


def test_a_full_inbox_is_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.inbox", "--json", "--requests", "120", "--rounds", "2"]
    said = json.loads(subprocess.run(command, cwd=_REPOSITORY, check=True, stdout=subprocess.PIPE, text=True).stdout)
    assert said["open"] == 120 and all(0 < said[name][0] <= said[name][1] for name in INBOX)
