"""Votes and delegations in the terminal; `why` names everybody who voted."""

from __future__ import annotations

import pytest

from tests.commands import serving
from tests.commands.conftest import Desk
from tests.orchestrator.letters import CARRIER, Ask

SEVERAL = f"{serving.__name__}:connect_several"


@pytest.fixture
def request_id(desk: Desk) -> str:
    with serving.several.connect(desk.url, origins={CARRIER: desk.receiver.origin}) as service:
        for handle, name in {"dora": "lead", "emil": "lead", "mia": "pharmacist", "eve": "none"}.items():
            service.people.add(handle, roles=[name])
        (request,) = service.run(Ask(text="ann"), by="nils").waiting_for
    return request.id


def test_people_vote_and_why_names_them_all(desk: Desk, request_id: str) -> None:
    said = desk("approve", request_id, "--option", "kinder", "--reason", "nicer", "--as", "dora").stdout
    assert "vote of dora" in said and "nothing is decided yet" in said
    assert 'it takes 1 of role("lead") and 1 of role("pharmacist") besides' in said
    voted = desk.json("approve", request_id, "--option", "kinder", "--as", "mia")
    assert (voted["outcome"], voted["by"], voted["missing"]) == ("voted", "mia", '1 of role("lead")')
    shown = desk("show", request_id).stdout
    assert "dora voted kinder" in shown and "mia voted kinder" in shown
    assert 'for kinder it takes 1 of role("lead") besides' in shown
    document = desk.json("show", request_id)
    assert [vote["by"] for vote in document["votes"]] == ["dora", "mia"]
    assert '2 of role("lead")' in "".join(desk("inbox").stdout.split("\n")).replace("  ", " ")
    decided = desk.json("approve", request_id, "--option", "kinder", "--as", "emil")
    assert (decided["outcome"], decided["by"], decided["voters"]) == ("approved", "emil", ["dora", "mia"])
    assert "(with dora, mia)" in desk("show", request_id).stdout
    run = desk.json("show", request_id)["run"]
    rows = [" ".join(line.split()) for line in desk("runs", "show", run).stdout.splitlines()]
    for handle, answer in (("dora", "voted kinder"), ("mia", "voted kinder"), ("emil", "approved kinder")):
        assert [line for line in rows if f"sign {answer} {handle} (asserted-local)" in line], (handle, rows)
    desk("runs", "resume", run, ANSWERABLE_SERVICE=SEVERAL)
    (effect,) = [one for one in desk.json("effects", "list") if one["state"] == "done"]
    told = " ".join(desk("why", effect["id"], "--as", "dora").stdout.split())
    assert "dora voted for kinder at sign" in told and "mia voted for kinder at sign" in told
    assert "emil chose kinder at sign with dora and mia" in told


def test_a_delegate_decides_in_the_terminal(desk: Desk, request_id: str) -> None:
    made = desk.json("delegate", "mia", "--to", "eve", "--until", "7d", "--reason", "holidays", "--system", "letters")
    assert (made["from"], made["to"], made["state"]) == ("mia", "eve", "standing")
    (listed,) = desk.json("delegations", "list")
    assert listed == made
    assert "holidays" in desk("delegations", "list").stdout
    said = desk("approve", request_id, "--option", "kinder", "--as", "eve", "--for", "mia").stdout
    assert "vote of eve" in said
    assert "eve for mia voted kinder" in desk("show", request_id).stdout
    other = desk.waiting("zoe").waiting_for[0]
    desk("reject", other.id, "--reason", "no", "--as", "eve", "--for", "mia")
    assert "eve for mia (asserted-local)" in desk("runs", "show", other.run).stdout
    desk("delegations", "revoke", made["id"], "--as", "eve", "--reason", "no", code=1)
    assert "is revoked" in desk("delegations", "revoke", made["id"][:12], "--as", "mia", "--reason", "back").stdout
    assert "nobody decides in another person's place" in desk("delegations", "list").stdout
    assert desk("delegate", "mia", "--to", "eve", "--until", "91d", "--reason", "long", code=2).stderr
    assert desk("delegate", "mia", "--to", "mia", "--until", "1d", "--reason", "me", code=1).stderr
