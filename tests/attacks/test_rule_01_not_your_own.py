"""Rule 1: nobody decides what they requested, edited, started or own; not by a detour either."""

from __future__ import annotations

import pytest

from tests.inbox.site import Site, problem
from tests.orchestrator.letters import Ask


@pytest.mark.parametrize("answer", [{"answer": "approve", "option": "kinder"}, {"answer": "reject", "reason": "no"}])
def test_whoever_started_the_run_gives_no_answer_at_all(site: Site, answer: dict[str, str]) -> None:
    site.service.people.add("nils", roles=["lead"])
    request = site.asked()
    assert problem(site.decide(request.id, "nils", **answer)) == (403, "not-eligible")
    assert site.service.request(request.id).state == "open"


def test_an_edit_that_is_edited_back_keeps_its_first_author_away(site: Site) -> None:
    """Emil proposes something else, Dora puts back what was there, and Emil wants to approve that."""
    request = site.asked()
    letter = site.service.request(request.id).message
    emils = site.decide(request.id, "emil", answer="edit", message={"text": "mine"}).json()["edited_into"]
    doras = site.decide(emils, "dora", answer="edit", message=dict(letter)).json()["edited_into"]
    for author in ("emil", "dora"):
        assert problem(site.decide(doras, author, answer="approve", option="kinder")) == (403, "not-eligible")
    assert site.decide(doras, "alice", answer="approve", option="kinder").status_code == 201


def test_an_owner_is_kept_away_however_they_came_to_the_role(site: Site) -> None:
    request = site.asked()
    site.service.people.add("emil", roles=["lead"], teams=["writers"])  # the team that owns the agent
    refused = site.decide(request.id, "emil", answer="approve", option="kinder")
    assert problem(refused) == (403, "not-eligible") and "owns an agent" in refused.json()["detail"]


def test_the_responsible_individual_does_not_approve_what_they_started(site: Site) -> None:
    run = site.service.run(Ask(text="ann"), by="alice")
    refused = site.decide(run.waiting_for[0].id, "alice", answer="approve", option="kinder")
    assert problem(refused) == (403, "not-eligible") and not site.receiver.received
