"""`answerable why` and `answerable impact` as somebody types them, also where there is no answer or a part of one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from answerable.commands.exits import PARTIAL
from answerable.orchestrator.reports import Run
from tests.commands.conftest import Desk
from tests.orchestrator.letters import CARRIER, Ask, Letter, letters


def signed(desk: Desk) -> Run[Any]:
    """A run whose letter was signed and sent."""
    run = desk.waiting()
    desk("approve", run.waiting_for[0].id, "--option", "kinder", "--as", "dora", "--reason", "a good one")
    desk("runs", "resume", run.id)
    return run


def change(desk: Desk, statement: str, *values: object) -> None:
    """Somebody has the database open."""
    with closing(sqlite3.connect(desk.file)) as connection:
        assert connection.execute(statement, values).rowcount > 0
        connection.commit()


def sent(desk: Desk) -> str:
    (effect,) = [one for one in desk.json("effects", "list") if one["state"] == "done"]
    found: str = effect["id"]
    return found


def test_why_a_call_was_sent(desk: Desk) -> None:
    run = signed(desk)
    document = desk.json("why", sent(desk)[:12], "--as", "erik")
    assert document["title"] == "Why post was sent"
    assert document["about"] == {"id": sent(desk), "kind": "effect", "name": "post", "state": "done"}
    assert (document["run"], document["partial"]) == (run.id, [])
    decisions = [fact for fact in document["facts"] if fact["kind"] == "decision"]
    people = {person["id"]: person["handle"] for person in document["persons"]}
    assert [people[fact["by"]] for fact in decisions] == ["dora"]
    assert people[document["responsible"][0]] == "alice"
    assert [line["sort"] for line in document["story"]] == ["authority", "start", "step", "request", "decision", "done"]
    assert ["kinder", "1"] in document["story"][3]["table"]


def test_what_somebody_wrote_does_not_command_the_terminal(desk: Desk) -> None:
    def broken(ask: Ask) -> Letter:
        raise ValueError("a\u202egood \x1b[31mone [bold]")

    with letters(writer=broken).connect(desk.url, origins={CARRIER: desk.receiver.origin}) as service:
        run = service.run(Ask(text="a"), by="nils")
    shown = desk("why", run.id, "--as", "erik").stdout
    assert "write (writers) failed: “ValueError: a\\u202egood \\u001b[31mone [bold]” (its own words)" in shown
    assert "\x1b" not in shown and "\u202e" not in shown


def test_what_followed(desk: Desk) -> None:
    run = signed(desk)
    shown = desk("impact", run.id, "--as", "erik").stdout
    assert "3 steps, 1 request, 1 decision and 2 calls" in shown
    assert "1 done and 1 withdrawn" in shown and "It reached the result of the run." in shown
    nothing = desk("impact", sent(desk), "--as", "erik").stdout
    assert "1 step" in nothing


def test_a_run_that_waits(desk: Desk) -> None:
    run = desk.waiting()
    document = desk.json("why", run.id, "--as", "erik")
    assert document["title"] == "Why the run of letters waits for a person"
    assert document["about"]["id"] == run.id
    assert {fact["id"] for fact in document["facts"]} >= {run.waiting_for[0].id}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("eff_00000000000000000000000000000000", "nothing of the id"),
        ("nobody", "runs list"),
        ("", "nothing of the id"),
        ("msg_", "nothing of the id"),
        ("frz_1", "answerable freezes"),
        ("grt_1", "effects list"),
    ],
)
def test_an_id_that_is_not_here(desk: Desk, given: str, said: str) -> None:
    desk.waiting()
    failed = desk("why", given, "--as", "erik", code=1)
    assert "[unknown-id]" in failed.stderr and said in failed.stderr
    assert not failed.stdout


def test_a_beginning_that_several_have(desk: Desk) -> None:
    first, second = desk.waiting(), desk.waiting()
    failed = desk("impact", "run_", "--as", "erik", code=1).stderr
    assert first.id in failed and second.id in failed and "give more of it" in failed


def test_a_store_that_is_not_there(desk: Desk) -> None:
    assert "there is no store" in desk("why", "run_1", "--as", "erik", code=1).stderr


def test_a_changed_record_makes_the_answer_partial(desk: Desk) -> None:
    signed(desk)
    effect = sent(desk)
    change(desk, "UPDATE records SET body = replace(body, 'dora', 'nora') || ' ' WHERE kind = 'decided'")
    document = desk.json("why", effect, "--as", "erik", code=PARTIAL)
    assert any("1 record cannot be read" in why for why in document["partial"])
    assert "Partial: " in desk("why", effect, "--as", "erik", code=PARTIAL).stdout


def test_a_deleted_record_makes_the_answer_partial(desk: Desk) -> None:
    signed(desk)
    effect = sent(desk)
    desk("why", effect, "--as", "erik")
    change(desk, "DELETE FROM records WHERE kind = 'step.finished'")
    document = desk.json("why", effect, "--as", "erik", code=PARTIAL)
    assert document["partial"]


def test_a_ledger_that_was_cut_in_half(desk: Desk) -> None:
    run = signed(desk)
    effect = sent(desk)
    request = run.waiting_for[0].id
    change(desk, "DELETE FROM records WHERE id > (SELECT id FROM records WHERE kind = 'request.made')")
    failed = desk("why", effect, "--as", "erik", code=1).stderr
    assert "[unknown-id]" in failed
    cut = desk.json("why", request, "--as", "erik", code=PARTIAL)
    assert cut["about"]["state"] == "open" and any("the end of stp_" in why for why in cut["partial"])
    change(desk, "DELETE FROM records WHERE kind = 'run.started'")
    document = desk.json("why", request, "--as", "erik", code=PARTIAL)
    assert "the beginning of the run is not recorded" in document["partial"]


def test_what_lies_beside_is_shown_only_if_it_is_what_was_recorded(desk: Desk) -> None:
    signed(desk)
    effect = sent(desk)
    change(desk, "UPDATE decisions SET reason = 'another one'")
    document = desk.json("why", effect, "--as", "erik", code=PARTIAL)
    assert "another one" not in str(document) and any("is left out" in why for why in document["partial"])
    change(desk, "UPDATE decisions SET reason = ''")
    change(desk, "UPDATE messages SET payload = ''")
    erased = desk.json("why", effect, "--as", "erik")
    assert {fact["payload"] for fact in erased["facts"]} == {None}
    assert any("its text is not here any more" in more for line in erased["story"] for more in line["more"])


def test_who_asked_is_a_record(desk: Desk) -> None:
    run = signed(desk)
    desk("why", run.id, "--as", "erik")
    with closing(sqlite3.connect(desk.file)) as connection:
        ((body,),) = connection.execute("SELECT body FROM records WHERE kind = 'evidence.read'")
    assert run.id in body.decode() and '"what":"why"' in body.decode()


def test_a_copy_that_cannot_be_written(desk: Desk) -> None:
    effect_of = signed(desk)
    desk.file.chmod(0o444)
    document = desk.json("why", effect_of.id, "--as", "erik")
    assert document["about"]["state"] == "ended done"


def test_a_page_to_pass_on(desk: Desk) -> None:
    signed(desk)
    file = desk.file.with_name("why.html")
    said = desk("why", sent(desk), "--html", str(file), "--as", "erik")
    assert str(file) in said.stderr and not said.stdout
    page = file.read_text(encoding="utf-8")
    assert 'Why <span class="node">post</span> was sent' in page and "a good one" in page
    for whose in ("whoever started the run", "an agent’s own words", "an option"):
        assert whose in page
    assert "dear a, with love" in page
    both = desk.json("impact", sent(desk), "--html", str(file), "--as", "erik")
    assert both["question"] == "impact" and "the receiver’s answer" in file.read_text(encoding="utf-8")
    failed = desk("why", sent(desk), "--html", str(file.parent / "not-there" / "x.html"), "--as", "erik", code=1)
    assert "cannot be written" in failed.stderr
