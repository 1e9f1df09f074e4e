"""A button stands where whoever looks may press it; elsewhere the page says why not. Nobody is asked to fail."""

from __future__ import annotations

from typing import Any

from answerable.agents.options import DAY, HOUR
from answerable.agents.people import quorum, role
from answerable.approvals.node import BreakGlass
from answerable.approvals.rules.file import read_rule
from answerable.orchestrator.places import place_of
from tests.inbox.site import API, Site, standing
from tests.inbox.test_rules import RULE
from tests.orchestrator.letters import kinder, length, letters

DEAR = letters(options=kinder, value=length, above={15: role("boss")}, denied=True)
GLASS = letters(break_glass=BreakGlass(by=role("duty"), at_most=15, per_day=5), options=kinder, value=length)


def test_reviews_are_offered_to_who_may_review_and_the_others_are_told_why_not(sqlite_url: str) -> None:
    with standing(sqlite_url, app=GLASS) as site:
        for handle, roles in (("dirk", ["duty"]), ("olaf", []), ("nils", ["lead"])):
            site.service.people.add(handle, roles=roles)
        request = site.asked()
        site.decide(request.id, "dirk", answer="break-glass", option="as-proposed", code="urgent", reason="now")
        for person, why in (
            ("dirk", "dirk had a part in it, and nobody reviews their own"),
            ("nils", "nils started this run, and nobody decides their own"),
            ("olaf", "You cannot review it: olaf"),
        ):
            page = site.browser(person).get("/reviews").text
            assert why in page and 'name="verdict"' not in page, person
        assert 'name="verdict"' in site.browser("dora").get("/reviews").text


def test_a_review_that_takes_a_surer_login_says_so_in_its_place(sqlite_url: str) -> None:
    app = letters(break_glass=BreakGlass(by=role("duty"), per_day=5), fresh=600)
    with standing(sqlite_url, app=app) as site:
        site.service.people.add("dirk", roles=["duty"])
        path, dirk, dora = f"/requests/{site.asked().id}", site.browser("dirk"), site.browser("dora")
        said = {"option": "as-proposed", "code": "urgent", "reason": "now"}
        assert dirk.post(f"{path}/glass", dirk.form(path, f"{path}/glass") | said).status_code == 303
        assert 'name="verdict"' in dora.get("/reviews").text
        site.clock.advance(601)
        page = dora.get("/reviews").text
        assert 'name="verdict"' not in page and 'href="/sign-in?fresh=true&amp;next=%2Freviews"' in page


def test_an_option_that_takes_somebody_else_has_no_button_but_the_reason(sqlite_url: str) -> None:
    with standing(sqlite_url, app=DEAR) as site:  # "kinder" is longer, so it takes a boss
        site.service.people.add("bob", roles=["boss"])
        path = f"/requests/{site.asked().id}"
        page = site.browser("dora").get(path).text
        assert 'value="approve:as-proposed"' in page and 'value="approve:kinder"' not in page
        assert "You cannot choose <strong>kinder</strong>: dora" in page and 'value="reject"' in page
        page = site.browser("bob").get(path).text
        assert 'value="approve:kinder"' in page and 'value="approve:as-proposed"' not in page


def test_glass_has_a_button_for_what_it_may_be_broken_for(sqlite_url: str) -> None:
    with standing(sqlite_url, app=GLASS) as site:
        site.service.people.add("dirk", roles=["duty"])
        page = site.browser("dirk").get(f"/requests/{site.asked().id}").text
        assert 'name="option" value="as-proposed"' in page and 'name="option" value="kinder"' not in page
        assert "Not for <strong>kinder</strong>: the value of &#39;kinder&#39; is" in page


def test_what_somebody_answered_already_is_not_offered_again(sqlite_url: str) -> None:
    with standing(sqlite_url, app=letters(by=quorum(2, role("lead")), options=kinder)) as site:
        request, dora = site.asked(), site.browser("dora")
        site.decide(request.id, answer="approve", option="kinder")
        page = dora.get(f"/requests/{request.id}").text
        assert 'value="approve:kinder"' not in page and 'value="approve:as-proposed"' in page
        assert "You cannot choose <strong>kinder</strong>: dora gave this answer already, and it counts." in page


def test_a_freeze_is_lifted_by_who_may_and_the_others_are_told_who(site: Site) -> None:
    site.service.people.add("olaf")
    stop = site.service.freeze(by="olaf", reason="stop")
    action = f'action="/freezes/{stop.id}/thaw"'
    for person, may in (("olaf", True), ("alice", True), ("dora", False)):
        page = site.browser(person).get("/freezes").text
        assert (action in page, "You cannot lift it" in page) == (may, not may), person
        assert 'action="/freezes"' in page  # anybody may stop something
    dora = site.browser("dora")
    csrf = dora.form("/freezes", "/freezes")["csrf"]
    refused = dora.post(f"/freezes/{stop.id}/thaw", {"csrf": csrf, "reason": "go on"})
    assert refused.status_code == 403 and "alice answers for it" in refused.text
    answer = site.client.post(f"{API}/freezes/{stop.id}/thaw", json={"reason": "go"}, headers=site.headers("dora"))
    assert (answer.status_code, answer.json()["code"]) == (403, "not-eligible")


def test_a_delegation_is_ended_by_who_may(site: Site) -> None:
    made = site.service.people.delegate(by="dora", to="emil", seconds=HOUR, reason="a break")
    action = f'action="/delegations/{made.id}/revocation"'
    for person, may in (("dora", True), ("alice", True), ("emil", False)):
        page = site.browser(person).get("/delegations").text
        assert (action in page, "You cannot end it" in page) == (may, not may), person


def test_a_rule_is_approved_and_revoked_by_who_may(site: Site) -> None:
    site.service.people.add("olaf")
    site.service.people.add("eve")
    service: Any = site.service
    rule = read_rule(RULE, where="the rule")
    row = service.portal.call(lambda: service.office.rules.propose(rule, place_of(service.app.graph, "sign"), by="eve"))
    for person, approves, revokes in (("dora", True, True), ("eve", False, True), ("olaf", False, False)):
        page = site.browser(person).get(f"/rules/{row.head.id}").text
        action = f'action="/rules/{row.head.id}'
        assert (f"{action}/approval" in page, "You cannot approve it" in page) == (approves, not approves), person
        assert (f"{action}/revocation" in page, "You cannot revoke it" in page) == (revokes, not revokes), person


def test_what_cannot_be_edited_has_no_form(site: Site) -> None:
    site.service.people.add("nils", roles=["lead"])
    request, dora = site.asked(), site.browser("dora")
    path = f"/requests/{request.id}/edit"
    assert "<textarea" in dora.get(path).text
    page = site.browser("nils").get(path).text
    assert "You cannot edit this: nils started this run" in page and "<textarea" not in page
    site.clock.advance(DAY)
    page = site.browser("dora").get(path).text
    assert "The time to decide is over" in page and "<textarea" not in page
