"""Rule 8: who acts for somebody is nearer to them than anybody else: no way round rule 1 leads over a delegation."""

from __future__ import annotations

from typing import Any

import pytest

from answerable.agents.options import DAY
from answerable.agents.people import quorum
from tests.inbox.site import Site, problem, standing
from tests.orchestrator.letters import LEAD, kinder, letters, tamper

YES = {"answer": "approve", "option": "kinder"}
WHY: dict[str, Any] = {"reason": "holidays", "seconds": DAY}


def decide(site: Site, request: str, person: str, **also: str) -> int | tuple[int, str]:
    """What came of a yes."""
    found = site.decide(request, person, **YES, **also)
    return 201 if found.status_code == 201 else problem(found)


def test_an_approver_who_is_the_owners_delegate_does_not_decide(site: Site) -> None:
    """Emil is a lead in his own right, and acts for Olga, who owns the agent that wrote it."""
    site.service.people.add("olga", teams=["writers"])
    site.service.people.delegate(by="olga", to="emil", **WHY)
    request = site.asked()
    assert decide(site, request.id, "emil") == (403, "not-eligible")
    assert not site.receiver.received


@pytest.mark.parametrize("giver", ["dora", "alice"])
def test_whoever_asked_is_not_made_an_approver_by_anybody(site: Site, giver: str) -> None:
    request = site.asked()
    site.service.people.delegate(by=giver, to="nils", **WHY)
    assert decide(site, request.id, "nils") == (403, "not-eligible")
    assert decide(site, request.id, "nils", for_person=giver) == (403, "not-eligible")


def test_two_steps_are_one_too_many_and_a_claim_is_none(site: Site) -> None:
    for person in ("eve", "fay"):
        site.service.people.add(person)
    site.service.people.delegate(by="dora", to="eve", **WHY)
    site.service.people.delegate(by="eve", to="fay", **WHY)
    request = site.asked()
    for whom in ("dora", "eve", "alice"):
        assert decide(site, request.id, "fay", for_person=whom) == (403, "not-eligible")
    assert decide(site, request.id, "eve", for_person="dora") == 201


def test_a_delegate_is_no_second_person_of_a_quorum(store_url: str) -> None:
    with standing(store_url, app=letters(by=quorum(2, LEAD), options=kinder)) as site:
        site.service.people.delegate(by="dora", to="emil", **WHY)
        request = site.asked()
        assert decide(site, request.id, "emil") == 201  # a vote
        decide(site, request.id, "emil", for_person="dora")  # counted as emil's own newest, not as two
        site.service.resume(request.run)
        assert site.service.request(request.id).state == "open" and not site.receiver.received


def test_what_is_over_or_was_taken_back_opens_nothing(site: Site) -> None:
    site.service.people.add("eve")
    request, later = site.asked("ann"), site.asked("bob")
    made = site.service.people.delegate(by="dora", to="eve", reason="a break", seconds=60)
    site.clock.advance(60)
    assert decide(site, request.id, "eve") == (403, "not-eligible")
    made = site.service.people.delegate(by="dora", to="eve", reason="another", seconds=600)
    site.service.people.revoke_delegation(made.id, by="dora", reason="back again")
    assert decide(site, later.id, "eve") == (403, "not-eligible")


def test_what_was_taken_back_is_not_put_back_in_the_database(site: Site) -> None:
    site.service.people.add("eve")
    made = site.service.people.delegate(by="dora", to="eve", **WHY)
    site.service.people.revoke_delegation(made.id, by="dora", reason="back")
    for row in ({"ended_at": None}, {"ended_at": None, "mac": made.mac}):  # as it was before, with a right MAC
        site.service.portal.call(tamper, site.service, "delegations", **row)
        assert decide(site, site.asked().id, "eve") == (403, "not-eligible")
