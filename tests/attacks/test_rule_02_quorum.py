"""Rule 2: n people are n different people, and a no is final."""

from __future__ import annotations

from answerable.agents.people import quorum, role
from tests.inbox.site import Site, problem, standing
from tests.orchestrator.letters import LEAD, kinder, letters

APP = letters(by=quorum(2, LEAD) & role("pharmacist"), options=kinder)
YES = {"answer": "approve", "option": "kinder"}


def test_one_person_with_every_role_and_every_credential_is_one_person(store_url: str) -> None:
    with standing(store_url, app=APP) as site:
        site.service.people.add("dora", roles=["lead", "pharmacist"])
        request = site.asked()
        assert site.decide(request.id, "dora", **YES).status_code == 201
        for _ in range(3):  # each time with a new token
            assert problem(site.decide(request.id, "dora", **YES)) == (409, "already-decided")
        form = site.browser("dora").form(f"/requests/{request.id}", f"/requests/{request.id}/decisions")
        site.browser("dora").post(f"/requests/{request.id}/decisions", form | {"answer": "approve:kinder"})
        site.service.resume(request.run)
        assert site.service.request(request.id).state == "open" and not site.receiver.received


def test_votes_for_one_option_do_not_carry_another(store_url: str) -> None:
    with standing(store_url, app=APP) as site:
        site.service.people.add("mia", roles=["pharmacist"])
        request = site.asked()
        site.decide(request.id, "dora", answer="approve", option="as-proposed")
        site.decide(request.id, "emil", **YES)
        site.decide(request.id, "mia", **YES)
        site.service.resume(request.run)
        assert site.service.request(request.id).state == "open" and not site.receiver.received


def test_after_a_no_no_number_of_yeses_counts(site: Site) -> None:
    request = site.asked()
    assert site.decide(request.id, "emil", answer="reject", reason="it is wrong").status_code == 201
    for person in ("dora", "alice"):
        assert problem(site.decide(request.id, person, **YES)) == (409, "already-decided")
    site.service.resume(request.run)
    assert not site.receiver.received
