"""Votes and delegations, as the API and the pages take and show them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from answerable.agents.people import quorum, role
from tests.inbox.site import API, Site, standing
from tests.orchestrator.letters import LEAD, kinder, letters

SEVERAL = letters(options=kinder, by=quorum(2, LEAD) & role("pharmacist"), denied=True, denials=2)


@pytest.fixture
def several(store_url: str) -> Iterator[Site]:
    with standing(store_url, app=SEVERAL) as made:
        for handle, of in {"dora": "lead", "emil": "lead", "mia": "pharmacist", "eve": "none"}.items():
            made.service.people.add(handle, roles=[of])
        yield made


def test_an_answer_tells_whether_it_decided_or_who_is_missing(several: Site) -> None:
    request = several.asked()
    first = several.decide(request.id, "dora", key="one", answer="approve", option="kinder", reason="nicer")
    assert first.status_code == 201
    said = first.json()
    assert (said["decision"], said["vote"]["by"], said["vote"]["option"]) == (None, "dora", "kinder")
    assert said["missing"] == '1 of role("lead") and 1 of role("pharmacist")'
    again = several.decide(request.id, "dora", key="one", answer="approve", option="kinder", reason="nicer")
    assert again.json() == said  # sent twice, one vote, and the same is missing
    twice = several.decide(request.id, "dora", answer="approve", option="kinder")
    assert (twice.status_code, twice.json()["code"]) == (409, "already-decided")
    several.decide(request.id, "mia", answer="approve", option="as-proposed")
    several.decide(request.id, "mia", answer="approve", option="kinder")
    shown = several.shown(request.id, "emil")
    assert [(one["by"], one["option"], one["counts"]) for one in shown["votes"]] == [
        ("dora", "kinder", True),
        ("mia", "as-proposed", False),
        ("mia", "kinder", True),
    ]
    assert shown["missing"] == {
        "as-proposed": '2 of role("lead") and 1 of role("pharmacist")',
        "kinder": '1 of role("lead")',
    }
    assert (shown["missing_to_deny"], shown["asks"]) == ("2 more noes", '2 of role("lead") and 1 of role("pharmacist")')
    last = several.decide(request.id, "emil", answer="approve", option="kinder").json()
    assert (last["vote"], last["missing"], last["decision"]["outcome"]) == (None, "", "approved")
    assert (last["decision"]["by"], last["decision"]["voters"]) == ("emil", ["dora", "mia"])
    assert several.shown(request.id)["missing"] == {}


def test_a_no_that_takes_two(several: Site) -> None:
    request = several.asked()
    first = several.decide(request.id, "dora", answer="reject", reason="too long").json()
    assert (first["decision"], first["vote"]["answer"], first["missing"]) == (None, "rejected", "1 more no")
    last = several.decide(request.id, "mia", answer="reject", reason="indeed").json()
    assert (last["decision"]["outcome"], last["decision"]["voters"]) == ("rejected", ["dora"])


def test_a_delegation_is_made_used_and_revoked(several: Site) -> None:
    request = several.asked()
    eve = several.headers("eve")
    asked = {"to": "eve", "seconds": 3600, "system": "letters", "approval": "sign", "reason": "at the dentist's"}
    made = several.client.post(f"{API}/delegations", json=asked, headers=several.headers("mia"))
    assert made.status_code == 201, made.text
    one = made.json()
    assert (one["from"], one["to"], one["state"]) == ("mia", "eve", "standing")
    assert several.client.get(f"{API}/delegations", headers=eve).json() == {"delegations": [one]}
    voted = several.decide(request.id, "eve", answer="approve", option="kinder", for_person="mia").json()
    assert (voted["vote"]["by"], voted["vote"]["for_person"]) == ("eve", "mia")
    refused = several.decide(request.id, "eve", answer="approve", option="kinder", for_person="dora")
    assert (refused.status_code, refused.json()["code"]) == (403, "not-eligible")
    path = f"{API}/delegations/{one['id']}/revocation"
    not_theirs = several.client.post(path, json={"reason": "no"}, headers=eve)
    assert (not_theirs.status_code, not_theirs.json()["code"]) == (403, "not-eligible")
    ended = several.client.post(path, json={"reason": "back"}, headers=several.headers("mia")).json()
    assert ended["state"] == "revoked"
    assert [vote["counts"] for vote in several.shown(request.id)["votes"]] == [False]
    assert several.client.post(f"{API}/delegations", json=asked).status_code == 401
    for wrong in ({"seconds": 91 * 86_400}, {"to": "mia"}, {"to": "nobody"}, {"reason": ""}, {"system": ""}):
        answer = several.client.post(f"{API}/delegations", json=asked | wrong, headers=several.headers("mia"))
        assert answer.status_code in (404, 422), (wrong, answer.text)


def test_a_page_says_who_has_voted_and_for_whom_its_reader_may_answer(several: Site) -> None:
    request, path = several.asked(), ""
    path = f"/requests/{request.id}"
    several.service.people.delegate(by="mia", to="eve", seconds=3600, reason="holidays")
    dora, eve = several.browser("dora"), several.browser("eve")
    assert "It takes <strong>2 of role" in dora.get(path).text
    form = dora.form(path, f"{path}/decisions")
    assert dora.post(f"{path}/decisions", {**form, "answer": "approve:kinder", "reason": "nicer"}).status_code == 303
    text = eve.get(path).text
    assert "dora: kinder (token)" in text or "dora: kinder" in text
    assert "nicer" in text and "eve for mia" in text
    form = eve.form(path, f"{path}/decisions")
    answered = eve.post(f"{path}/decisions", {**form, "answer": "approve:kinder", "for_person": "mia"})
    assert answered.status_code == 303
    assert "eve for mia: kinder" in dora.get(path).text
    again = dora.post(f"{path}/decisions", {**dora.form(path, f"{path}/decisions"), "answer": "approve:kinder"})
    assert again.status_code == 409 and "gave this answer already" in again.text
