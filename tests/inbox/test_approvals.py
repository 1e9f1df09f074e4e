"""Approvals and delegations, as the API and the pages show and change them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from answerable.agents.people import quorum, role
from tests.inbox.site import API, Site, problem, standing
from tests.orchestrator.letters import LEAD, letters

TWO = '2 of role("lead")'


@pytest.fixture
def changed(store_url: str) -> Iterator[Site]:
    """A site whose system asked two leads before, and is declared with one."""
    with standing(store_url, app=letters(by=quorum(2, LEAD))):
        pass
    with standing(store_url, app=letters()) as site:
        yield site


def test_the_api_shows_what_is_proposed_and_takes_the_acceptance(changed: Site) -> None:
    client = changed.client
    (one,) = client.get(f"{API}/approvals", headers=changed.headers("dora")).json()["approvals"]
    assert (one["approval"], one["in_force"]["rules"]["by"], one["by"]) == ("sign", TWO, "")
    (new,) = one["proposed"]
    assert new["changes"] == [{"name": "by", "was": TWO, "would_be": "role lead"}]
    said = {"system": "letters", "approval": "sign", "digest": new["digest"]}
    path = f"{API}/approvals/acceptance"
    assert client.post(path, json=said).status_code == 401
    assert problem(client.post(path, json=said, headers=changed.headers("dora"))) == (403, "not-eligible")
    for change, status in (({"digest": "0" * 64}, 409), ({"approval": "nothing"}, 404), ({"digest": ""}, 422)):
        answer = client.post(path, json=said | change, headers=changed.headers("alice"))
        assert problem(answer)[0] == status, change
    accepted = client.post(path, json=said, headers=changed.headers("alice"))
    assert accepted.status_code == 201, accepted.text
    assert (accepted.json()["by"], accepted.json()["assurance"], accepted.json()["proposed"]) == ("alice", "token", [])
    assert changed.asked().asks == "role lead"


def test_the_page_shows_it_and_the_responsible_individual_accepts_there(changed: Site) -> None:
    dora, alice = changed.browser("dora"), changed.browser("alice")
    text = dora.get("/approvals").text
    assert "<td>2 of role(&#34;lead&#34;)</td><td>role lead</td>" in text and "as it was first declared" in text
    assert "You cannot accept or decline them: dora does not answer for" in text and 'action="/approvals' not in text
    form = alice.form("/approvals", "/approvals") | {"csrf": dora.form("/freezes", "/freezes")["csrf"]}
    refused = dora.post("/approvals", form)
    assert "Nothing was changed:" in refused.text and "does not answer for" in refused.text
    assert alice.post("/approvals", {**alice.form("/approvals", "/approvals"), "csrf": "x"}).status_code == 403
    assert alice.post("/approvals", {**alice.form("/approvals", "/approvals"), "digest": ""}).status_code >= 400
    assert alice.get("/approvals?system=letters&approval=sign").status_code == 200
    assert changed.asked().asks == TWO
    assert alice.post("/approvals", alice.form("/approvals", "/approvals")).status_code == 303
    assert "accepted by alice (asserted-local)" in alice.get("/approvals").text
    assert changed.asked().asks == "role lead"


def test_the_api_takes_a_refusal(changed: Site) -> None:
    client, alice = changed.client, changed.headers("alice")
    ((one,),) = (each["proposed"] for each in client.get(f"{API}/approvals", headers=alice).json()["approvals"])
    assert one["declined"] is None
    said = {"system": "letters", "approval": "sign", "digest": one["digest"], "reason": "two see more"}
    path = f"{API}/approvals/refusal"
    assert client.post(path, json=said).status_code == 401
    assert problem(client.post(path, json=said, headers=changed.headers("dora"))) == (403, "not-eligible")
    for change, status in (({"digest": "0" * 64}, 409), ({"approval": "no"}, 404), ({"reason": " "}, 422)):
        assert problem(client.post(path, json=said | change, headers=alice))[0] == status, change
    declined = client.post(path, json=said, headers=alice)
    assert declined.status_code == 201, declined.text
    (one,) = declined.json()["proposed"]
    assert (one["declined"]["by"], one["declined"]["reason"]) == ("alice", "two see more")
    assert problem(client.post(path, json=said, headers=alice)) == (409, "already-decided")
    assert changed.asked().asks == TWO


def test_the_responsible_individual_declines_on_the_page_and_thinks_better_of_it(changed: Site) -> None:
    dora, alice = changed.browser("dora"), changed.browser("alice")
    path = "/approvals/refusal"
    csrf = dora.form("/freezes", "/freezes")["csrf"]
    form = {**alice.form("/approvals", path), "csrf": csrf, "reason": "two <see> more"}
    refused = dora.post(path, form)
    assert "Nothing was changed:" in refused.text
    for reason in (" ", "two <see> more\x07"):  # what was typed is kept
        refused = alice.post(path, {**alice.form("/approvals", path), "reason": reason})
        assert "Nothing was changed:" in refused.text
    assert ">two &lt;see&gt; more\\u0007</textarea>" in refused.text
    assert alice.post(path, {**form, "csrf": "x"}).status_code == 403
    assert alice.post(path, {**alice.form("/approvals", path), "reason": form["reason"]}).status_code == 303
    text = alice.get("/approvals").text
    assert "alice declined it on" in text and "two &lt;see&gt; more" in text and path not in text
    assert changed.asked().asks == TWO
    assert alice.post("/approvals", alice.form("/approvals", "/approvals")).status_code == 303
    assert changed.asked().asks == "role lead"


def test_a_name_that_hides_something_is_shown_as_it_is(sqlite_url: str) -> None:
    with standing(sqlite_url, app=letters()):
        pass
    with standing(sqlite_url, app=letters(by=role("lead\u202edael"))) as site:
        text = site.browser("alice").get("/approvals").text
        assert "\u202e" not in text


def test_the_page_shows_who_decides_in_whose_place_and_ends_it(site: Site) -> None:
    people = site.service.people
    made = people.delegate(by="dora", to="emil", seconds=3600, system="letters", reason="at the dentist's")
    emil, dora = site.browser("emil"), site.browser("dora")
    text = dora.get("/delegations").text
    assert "Everywhere in letters" in text and "at the dentist&#39;s" in text
    path = f"/delegations/{made.id}/revocation"
    refused = emil.post(path, {**emil.form("/freezes", "/freezes"), "reason": "I do not want to"})
    assert "Nothing was changed:" in refused.text
    assert "Nothing was changed:" in dora.post(path, {**dora.form("/delegations", path), "reason": " "}).text
    done = dora.post(path, {**dora.form("/delegations", path), "reason": "back again"})
    assert (done.status_code, done.headers["location"]) == (303, "/delegations")
    text = dora.get("/delegations").text
    assert "Nobody decides in another" in text and "1 more is over or revoked" in text
