"""The storm as its user runs it: the command, its processes, and the journals of those it calls."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from click.testing import CliRunner

from answerable.approvals.gate import EffectRow, effects_of
from answerable.commands.cli import cli
from answerable.examples.logistics.outside import journal_path
from answerable.examples.logistics.services import Journal, Received
from answerable.examples.logistics.system import carrier, warehouse
from answerable.tracing.storage.store import open_store

DOCUMENT: dict[str, type | tuple[str, ...]] = {
    "run": str,
    "status": str,
    "responsible": str,
    "started_by": str,
    "edges_declared": ("source", "target", "carries"),
    "edges_crossed": ("source", "target", "carries", "count"),
    "records": int,
    "spans": int,
    "requests": ("id", "approval", "inversions", "options", "digest"),
    "decisions": ("id", "request", "option", "by", "outcome", "assurance"),
    "effects": ("id", "name", "state", "idempotency_key", "grant", "decision"),
    "effects_by_state": dict,
    "served": dict,
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder with a store in it, where commands are run."""

    folder: Path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'storm.db'}"

    def begin(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "answerable", *words, "--store", self.url],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        process = self.begin(*words)
        out, err = process.communicate()
        assert process.returncode == code, f"{words}: {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", code=code).stdout)

    def look(self, *words: str) -> Any:
        """What a command prints as JSON, here: another process would have to import everything for it."""
        done = CliRunner().invoke(cli, [*words, "--store", self.url, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def effects(self, run: str) -> list[EffectRow]:
        store = open_store(self.url)
        try:
            return anyio.run(store.read, lambda tx: effects_of(tx, run))
        finally:
            store.close()

    def received(self) -> list[Received]:
        return [one for name in (carrier.name, warehouse.name) for one in Journal.read(journal_path(self.url, name))]


@pytest.fixture(scope="module")
def floors(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, list[dict[str, Any]]]:
    """Two demos at once on one store."""
    place = Place(folder=tmp_path_factory.mktemp("floor"))
    both = [place.begin("demo", "logistics", "--decide", "floor", "--json") for _ in range(2)]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    return place, [json.loads(out) for out, _ in said]


@pytest.fixture(scope="module")
def floor(floors: tuple[Place, list[dict[str, Any]]]) -> tuple[Place, dict[str, Any]]:
    place, documents = floors
    return place, documents[0]


@pytest.fixture(scope="module")
def waited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, dict[str, Any], dict[str, Any]]:
    """A run that was left waiting, decided by a second process and finished by a third one."""
    place = Place(folder=tmp_path_factory.mktemp("waited"))
    waiting = place.json("demo", "logistics", "--decide", "wait", code=3)
    (request,) = waiting["requests"]
    place.run("approve", request["id"], "--option", "floor", "--as", "dora")
    return place, waiting, place.json("runs", "resume", waiting["run"])


def test_medicine_is_served_and_would_not_have_been(floor: tuple[Place, dict[str, Any]]) -> None:
    _, done = floor
    medical = done["served"]["medical"]
    assert done["status"] == "done" and list(done["served"]) == ["medical", "essential", "retail"]
    assert medical["governed"] == medical["demand"] > medical["ungoverned"]


def test_the_document_says_what_it_has_to_say(floor: tuple[Place, dict[str, Any]]) -> None:
    _, done = floor
    for key, shape in DOCUMENT.items():
        if isinstance(shape, tuple):
            assert done[key] and all(entry.keys() >= set(shape) for entry in done[key]), key
        else:
            assert isinstance(done[key], shape), key
    assert (done["responsible"], done["started_by"]) == ("alice", "nils")
    (request,), (decision,) = done["requests"], done["decisions"]
    assert request["inversions"] > 0 and request["options"][0] == "as-proposed" and len(request["options"]) > 2
    assert (decision["request"], decision["option"], decision["by"], decision["outcome"], decision["assurance"]) == (
        request["id"],
        "floor",
        "dora",
        "approved",
        "asserted-local",
    )
    assert sum(done["effects_by_state"].values()) == len(done["effects"])


def test_only_declared_edges_were_crossed(floor: tuple[Place, dict[str, Any]]) -> None:
    _, done = floor
    declared = Counter((edge["source"], edge["target"], edge["carries"]) for edge in done["edges_declared"])
    crossed = Counter((edge["source"], edge["target"], edge["carries"]) for edge in done["edges_crossed"])
    assert crossed <= declared
    assert [edge["target"] for edge in done["edges_crossed"]] == [
        edge["target"]
        for edge in done["edges_declared"]
        if (edge["source"], edge["target"], edge["carries"]) in crossed
    ]
    assert all(edge["count"] > 0 for edge in done["edges_crossed"])
    assert ("sign-off", "report_denial", "Rejected | Expired") in declared - crossed
    sent = Counter(effect["name"] for effect in done["effects"] if effect["state"] == "done")
    assert sent == {edge["target"]: edge["count"] for edge in done["edges_crossed"] if edge["target"] in sent}


def test_each_call_that_left_names_its_decision_and_arrived_once_to_the_byte(
    floors: tuple[Place, list[dict[str, Any]]],
) -> None:
    place, documents = floors
    assert documents[0]["run"] != documents[1]["run"]
    assert documents[0]["effects_by_state"] == documents[1]["effects_by_state"]
    received = {one.key: one for one in place.received()}
    assert len(received) == len(place.received())
    for done in documents:
        decision = done["decisions"][0]["id"]
        rows = {row.idempotency_key: row for row in place.effects(done["run"]) if row.state == "done"}
        assert {effect["state"] for effect in done["effects"]} == {"done", "withdrawn"}
        sent = [effect for effect in done["effects"] if effect["state"] == "done"]
        assert {effect["idempotency_key"] for effect in sent} == rows.keys()
        for effect in sent:
            one, row = received.pop(effect["idempotency_key"]), rows[effect["idempotency_key"]]
            assert effect["decision"] == decision and effect["grant"] and effect["id"] == row.id
            assert (one.times, one.path, one.body) == (1, row.path, bytes(row.body))
            said = dict(part.split("=", 1) for part in one.headers["accountability"].split("; "))
            assert (said["run"], said["effect"], said["grant"], said["decision"]) == (
                done["run"],
                effect["id"],
                effect["grant"],
                decision,
            )
    assert received == {}


def test_after_a_no_nothing_leaves(tmp_path: Path) -> None:
    place = Place(folder=tmp_path)
    done = place.json("demo", "logistics", "--decide", "reject", "--reason", "not like this")
    assert done["effects_by_state"].keys() == {"withdrawn"} and place.received() == []
    assert done["decisions"][0]["outcome"] == "rejected" and done["decisions"][0]["reason"] == "not like this"
    assert {tier["governed"] for tier in done["served"].values()} == {0}
    assert all(effect["grant"] is None and effect["decision"] is None for effect in done["effects"])


def test_a_run_that_waits_says_what_it_waits_for(waited: tuple[Place, dict[str, Any], dict[str, Any]]) -> None:
    _, waiting, _ = waited
    assert waiting["status"] == "waiting" and waiting["decisions"] == []
    assert waiting["effects_by_state"].keys() == {"prepared"}
    assert waiting["served"]["medical"]["governed"] == 0
    (request,) = waiting["requests"]
    assert request["state"] == "open"


def test_a_decision_from_another_process_comes_to_the_same_end(
    floor: tuple[Place, dict[str, Any]], waited: tuple[Place, dict[str, Any], dict[str, Any]]
) -> None:
    place, _, resumed = waited
    _, done = floor
    assert resumed["status"] == "done"
    for key in ("effects_by_state", "edges_declared", "edges_crossed", "result"):
        assert resumed[key] == done[key], key
    assert {decision["option"] for decision in resumed["decisions"]} == {"floor"}
    assert {one.body for one in place.received()} == {one.body for one in floor[0].received()}


def test_what_is_printed_is_understood_without_knowing_the_program(
    waited: tuple[Place, dict[str, Any], dict[str, Any]],
) -> None:
    """A second demo on the store of a first one; nobody sits at a terminal, so it waits."""
    place, first, resumed = waited
    told = place.run("demo", "logistics", code=3).stdout
    for words in ("storm of", "medical", "ordered", "the agents alone", "Nils Nordin", "Alice Adeyemi", "Next"):
        assert words in told
    runs = place.look("runs", "list")
    assert [run["status"] for run in runs] == ["done", "waiting"] and runs[0]["run"] == first["run"]
    request = place.look("inbox")[0]["id"]
    assert f"answerable approve {request} --option floor --as dora --store {place.url}" in told
    assert len(place.received()) == resumed["effects_by_state"]["done"]


def test_a_bundle_says_of_no_option_what_is_not_in_it(
    waited: tuple[Place, dict[str, Any], dict[str, Any]], tmp_path: Path
) -> None:
    """What the other options serve lies in payloads. Without those there is a gap, and no 0 that reads as an answer."""
    place, first, _ = waited
    told = {}
    for switch in ((), ("--with-payloads",)):
        file = tmp_path / f"evidence{len(switch)}.zip"
        done = CliRunner().invoke(cli, ["bundle", first["run"], "-o", str(file), *switch, "--store", place.url])
        assert done.exit_code == 0, done.output
        with zipfile.ZipFile(file) as archive:
            page = archive.read("story.html").decode()
        table = page.split('<table class="options">')[1].split("</table>")[0]
        rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in table.split("</tr>")]
        told[switch] = {
            plain[0]: plain[1:] for row in rows if (plain := [re.sub("<[^>]+>", "", cell).strip() for cell in row])
        }
    bare, whole = told[()], told["--with-payloads",]
    assert bare["floor"][1:] == ["", "", "", ""]
    place_of = bare["option"].index("inversions")
    assert whole["option"][place_of] == "inversions"
    assert int(bare["as-proposed"][place_of]) == int(whole["as-proposed"][place_of]) > 0
    assert int(whole["floor"][place_of]) > 0


def test_whoever_may_not_decide_is_told_and_the_run_waits(waited: tuple[Place, dict[str, Any], dict[str, Any]]) -> None:
    place, _, _ = waited
    request = place.look("inbox")[0]["id"]
    for person, why in (("nils", "may not decide"), ("eve", "may not decide"), ("bob", "nobody is registered")):
        words = ["approve", request, "--option", "floor", "--as", person, "--store", place.url]
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 1 and why in done.stderr
    assert [one["id"] for one in place.look("inbox")] == [request]


def test_a_decision_that_is_none_is_wrong_usage(tmp_path: Path) -> None:
    assert (
        "none of as-proposed, floor" in Place(folder=tmp_path).run("demo", "logistics", "--decide", "x", code=2).stderr
    )
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_is_interrupted_says_how_to_go_on(tmp_path: Path) -> None:
    place = Place(folder=tmp_path)
    process = place.begin("demo", "logistics", "--decide", "floor")
    assert process.stdout is not None
    while "forecast works" not in (line := process.stdout.readline()):
        assert line, process.communicate()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130 and "Traceback" not in err, err
    (run,) = place.look("runs", "list")
    assert f"answerable runs resume {run['run']}" in err
    assert place.json("runs", "resume", run["run"], code=3)["status"] == "waiting"
