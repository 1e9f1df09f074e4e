"""Rule 17: agents hold no token, and what an approval asks is changed by nobody but by a decision."""

from __future__ import annotations

import os
from typing import Any

import pytest

from answerable.agents.people import role
from answerable.approvals.node import exemption
from answerable.errors import NotEligible, UnknownId
from tests.commands.conftest import Desk as Terminal
from tests.commands.test_tokens import connect
from tests.inbox.site import API, ORIGIN, Site, problem, standing
from tests.orchestrator.letters import Ask, Letter, kinder, letters


@pytest.mark.parametrize("agent", ["write", "letters", "sign", "post"])
def test_nothing_but_a_person_gets_a_token(site: Site, agent: str) -> None:
    with pytest.raises(UnknownId):
        site.token(agent)


def test_an_agent_that_finds_the_server_finds_no_way_in(store_url: str) -> None:
    """It knows the address and its own request; all that it can show is what lies in its process."""
    found: list[Any] = []

    def nosy(ask: Ask) -> Letter:
        site = sites[0]
        given = [value for name, value in os.environ.items() if "TOKEN" in name and value.startswith("answerable_tok_")]
        shown: list[dict[str, str]] = [{}, {"Authorization": "Bearer write"}, {"X-Agent": "write"}]
        for headers in [*shown, *({"Authorization": f"Bearer {one}"} for one in given)]:
            acting = {"Origin": ORIGIN, **headers}
            answers = [site.client.get(f"{API}/{path}", headers=headers) for path in ("requests", "me")]
            answers.append(site.client.post(f"{API}/freezes", json={"system": "letters"}, headers=acting))
            found.extend(one.status_code for one in answers)
        return Letter(text="dear you")

    sites: list[Site] = []
    with standing(store_url, app=letters(writer=nosy, options=kinder)) as site:
        sites.append(site)
        site.asked()
        assert set(found) == {401} and len(found) == 9


def test_no_agent_finds_the_token_of_whoever_started_the_program(desk: Terminal) -> None:
    run = desk.waiting().id
    token = desk.json("token", "create", "dora")["token"]
    given = {"ANSWERABLE_TOKEN": token, "ANSWERABLE_SERVICE": f"{connect.__module__}:connect"}
    desk("approve", desk.json("inbox")[0]["id"], "--option", "as-proposed", **given)
    desk("runs", "resume", run, **given)


def exempting(letter: Letter, ask: Ask) -> bool:
    return True


def test_only_the_responsible_individual_switches_an_exemption_on(site: Site) -> None:
    app = letters(exempt=exemption(version=1)(exempting), options=kinder, denied=True)
    service = site.service
    for person in ("dora", "emil"):
        with pytest.raises(NotEligible):
            service.portal.call(service.office.accept_exemption, "letters", app.graph.nodes["sign"], by=person)


def test_a_run_does_not_go_on_under_an_approval_that_asks_somebody_else(store_url: str) -> None:
    """Somebody starts the program anew, with an approval that asks whomever they like; the request stays as it was."""
    with standing(store_url, app=letters(options=kinder)) as site:
        request = site.asked()
    with standing(store_url, app=letters(options=kinder, by=role("anybody"))) as site:
        site.service.people.add("eve", roles=["anybody"])
        refused = site.decide(request.id, "eve", answer="approve", option="kinder")
        assert problem(refused) == (403, "not-eligible")
