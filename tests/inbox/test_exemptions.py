"""Exemptions, as the API and the page of approvals show and accept them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from answerable.approvals.node import exemption
from tests.inbox.site import API, Site, problem, standing
from tests.orchestrator.letters import Ask, Letter, letters


def short(letter: Letter, ask: Ask) -> bool:
    return len(ask.text) < 3


SAID = {"system": "letters", "approval": "sign", "exemption": "short@2"}


@pytest.fixture
def exempting(store_url: str) -> Iterator[Site]:
    """A site whose approval has an exemption in its second version; the first was accepted."""
    with standing(store_url, app=letters(exempt=exemption(version=1)(short))) as site:
        site.service.accept_exemption("sign", by="alice")
    with standing(store_url, app=letters(exempt=exemption(version=2)(short))) as site:
        yield site


def test_the_api_shows_and_accepts_what_was_shown(exempting: Site) -> None:
    client, alice = exempting.client, exempting.headers("alice")
    assert client.get(f"{API}/exemptions").status_code == 401
    assert client.get(f"{API}/exemptions", headers=exempting.headers("dora")).json()["exemptions"] == [
        {**SAID, "exemption": "short@1", "declared": False, "accepted": True, "by": "alice"},
        {**SAID, "declared": True, "accepted": False, "by": ""},
    ]
    path = f"{API}/exemptions/acceptance"
    assert client.post(path, json=SAID).status_code == 401
    assert problem(client.post(path, json=SAID, headers=exempting.headers("dora"))) == (403, "not-eligible")
    wrong = [({"exemption": "short@1"}, 409), ({"approval": "write"}, 404), ({"system": "others"}, 409)]
    for change, status in wrong:
        assert problem(client.post(path, json=SAID | change, headers=alice))[0] == status, change
    exempting.asked("hi")
    accepted = client.post(path, json=SAID, headers=alice)
    assert (accepted.status_code, accepted.json()) == (
        201,
        {**SAID, "declared": True, "accepted": True, "by": "alice"},
    )
    assert exempting.service.run(Ask(text="hi"), by="nils").status == "done"


def test_the_page_shows_and_accepts_what_was_shown(exempting: Site) -> None:
    dora, alice = exempting.browser("dora"), exempting.browser("alice")
    path = "/approvals/exemption"
    text = dora.get("/approvals").text
    assert "The exemption short@2" in text and "It has no force: nobody accepted it." in text
    assert "Accepted by alice. No program that is at hand here declares it." in text  # the first version
    assert "You cannot accept it: dora does not answer for" in dora.get("/approvals").text
    theirs = alice.form("/approvals", path) | {"csrf": dora.form("/freezes", "/freezes")["csrf"]}
    assert "does not answer for" in dora.post(path, theirs).text
    form = alice.form("/approvals", path)
    for change in ({"csrf": "x"}, {"exemption": "short@1"}, {"exemption": ""}):
        assert alice.post(path, {**form, **change}).status_code >= 400
    exempting.asked("hi")
    assert alice.post(path, form).status_code == 303
    text = alice.get("/approvals").text
    assert "Accepted by alice: what it says yes to passes without being asked about." in text and path not in text
    assert exempting.service.run(Ask(text="hi"), by="nils").status == "done"


def test_without_the_program_what_was_accepted_is_shown(sqlite_url: str) -> None:
    with standing(sqlite_url, app=letters(exempt=exemption(version=2)(short)), program=False) as site:
        site.service.accept_exemption("sign", by="alice")
        text = site.browser("dora").get("/approvals").text
        assert "No program that is at hand here declares it." in text and "/approvals/exemption" not in text
        refused = site.client.post(f"{API}/exemptions/acceptance", json=SAID, headers=site.headers("alice"))
        assert problem(refused)[1] == "version-gone"
