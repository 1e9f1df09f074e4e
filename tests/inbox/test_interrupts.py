"""Requests as LangGraph's HumanInterrupt: what other inboxes are shown, and what their answers mean."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from pydantic import TypeAdapter

from answerable.approvals.asking.quotas import Quota
from answerable.orchestrator.service import Service
from tests.approvals.test_floods import flooded
from tests.inbox.site import API, Site, problem, standing
from tests.orchestrator.letters import Ask, Letter, letters, tamper

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # LangGraph moves these types about; what inboxes know is their shape
    from langgraph.prebuilt.interrupt import HumanInterrupt


def shown(site: Site, request: str) -> dict[str, Any]:
    """One request in that shape."""
    found = site.client.get(f"{API}/interrupts/{request}", headers=site.headers("dora"))
    assert found.status_code == 200, found.text
    document: dict[str, Any] = found.json()
    return document


def answered(site: Site, request: str, person: str = "dora", /, **said: Any) -> Any:
    """The response to an answer in that shape."""
    body = {"digest": site.service.request(request).digest, **said}
    return site.client.post(f"{API}/interrupts/{request}", json=body, headers=site.headers(person))


def test_a_request_has_the_shape_that_inboxes_know(site: Site) -> None:
    request = site.asked()
    (listed,) = site.client.get(f"{API}/interrupts", headers=site.headers("dora")).json()["interrupts"]
    assert listed == shown(site, request.id)
    TypeAdapter(HumanInterrupt).validate_python({name: listed[name] for name in HumanInterrupt.__annotations__})
    assert listed["action_request"] == {"action": "sign", "args": {"text": "dear ann"}}
    config = {"allow_accept": True, "allow_edit": True, "allow_respond": True, "allow_ignore": False}
    assert listed["config"] == config
    assert (listed["id"], listed["digest"]) == (request.id, request.digest)
    for said in ("**sign** of letters", "kinder: 1 call", f"/requests/{request.id}", "A response is a no"):
        assert said in listed["description"]
    assert "dear" not in listed["description"]


def test_accepting_chooses_what_is_proposed(site: Site) -> None:
    for args in (None, {"action": "sign", "args": {"text": "dear ann"}}):
        request = site.asked()
        made = answered(site, request.id, type="accept", args=args)
        assert made.status_code == 201, made.text
        decision = made.json()["decision"]
        assert (decision["outcome"], decision["option"]) == ("approved", "as-proposed")
        assert (decision["by"], decision["assurance"]) == ("dora", "token")
        site.service.resume(request.run)
    assert [one.json()["text"] for one in site.receiver.happened] == ["dear ann"] * 2


def test_an_edit_is_for_somebody_else(site: Site) -> None:
    request = site.asked()
    made = answered(site, request.id, type="edit", args={"action": "sign", "args": {"text": "dearest ann"}})
    edited = made.json()["edited_into"]
    assert shown(site, edited)["action_request"]["args"] == {"text": "dearest ann"}
    assert problem(answered(site, edited, type="accept")) == (403, "not-eligible")
    assert answered(site, edited, "emil", type="accept").status_code == 201


def test_a_response_is_a_no_where_no_agent_takes_texts(site: Site) -> None:
    request = site.asked()
    decision = answered(site, request.id, type="response", args="too dear").json()["decision"]
    assert (decision["outcome"], decision["reason"]) == ("rejected", "too dear")


def test_ignoring_needs_a_reason(site: Site) -> None:
    request = site.asked()
    assert problem(answered(site, request.id, type="ignore", args=None)) == (422, "invalid-input")
    assert answered(site, request.id, type="ignore", reason="not ours").json()["decision"]["outcome"] == "rejected"


@pytest.mark.parametrize(
    "said",
    [
        {"type": "accept", "args": {"action": "sign", "args": {"text": "dear bob"}}},
        {"type": "accept", "args": "yes"},
        {"type": "edit"},
        {"type": "edit", "args": "dear bob"},
        {"type": "response"},
        {"type": "response", "args": {"action": "sign", "args": {}}},
        {"type": "respond", "args": "x"},
        {"type": "accept", "by": "alice"},
        {"args": None},
    ],
)
def test_what_is_no_answer_decides_nothing(site: Site, said: dict[str, Any]) -> None:
    request = site.asked()
    assert problem(answered(site, request.id, **said)) == (422, "invalid-input")
    assert site.service.request(request.id).state == "open"


def test_only_a_persons_token_and_the_digest_that_was_shown_decide(site: Site) -> None:
    request, other = site.asked(), site.asked("bob")
    body = {"type": "accept", "args": None, "digest": request.digest}
    path = f"{API}/interrupts/{request.id}"
    cookie = site.browser("dora").cookie
    for headers in ({}, {"Cookie": cookie}, {"Authorization": "Bearer answerable_tok_0"}):
        refused = site.client.post(path, json=body, headers={"Origin": "http://127.0.0.1:8765", **headers})
        assert problem(refused) == (401, "not-authenticated")
    assert problem(answered(site, request.id, digest=other.digest, type="accept")) == (409, "not-as-shown")
    assert problem(answered(site, request.id, "nils", type="accept")) == (403, "not-eligible")
    without = site.client.post(path, json={"type": "accept", "args": None}, headers=site.headers("dora"))
    assert problem(without) == (422, "invalid-input")
    assert site.service.request(request.id).state == "open"


def test_a_proposal_that_would_mislead_is_accepted_on_the_page_only(site: Site) -> None:
    request = site.asked("ann\u202egnp.exe")
    document = shown(site, request.id)
    assert not document["config"]["allow_accept"] and not document["config"]["allow_edit"]
    assert "characters that mislead" in document["description"] and "\u202e" not in document["description"]


def marked(letter: Letter, _: Ask) -> dict[str, Letter]:
    return {"a_b": letter}


def test_names_are_no_markdown(sqlite_url: str) -> None:
    with standing(sqlite_url, app=letters(options=marked)) as site:
        assert "a\\_b: 1 call" in shown(site, site.asked().id)["description"]


def test_what_is_frozen_or_over_takes_no_answer(site: Site) -> None:
    request = site.asked()
    site.service.freeze("system", by="dora", reason="look")
    config = shown(site, request.id)["config"]
    assert not any(config.values()) and "It is frozen now." in shown(site, request.id)["description"]


def test_the_tier_that_goes_short_is_said(sqlite_url: str) -> None:
    with standing(sqlite_url, app=flooded(quota=Quota(), count=2)) as site:
        site.service.run(Ask(text="both"), by="nils")
        first, *others = site.client.get(f"{API}/interrupts", headers=site.headers("dora")).json()["interrupts"]
        assert first["action_request"]["action"] == "weigh" and len(others) == 2
        assert "**medical goes short as proposed.**" in first["description"]
        assert "medical 1 of 5" in first["description"]
        assert "nothing leaves: medical 0 of 5" in site.browser("dora").get(f"/requests/{first['id']}").text


def test_a_request_that_was_changed_by_hand_is_not_shown(site: Site) -> None:
    request = site.asked()
    service: Service[Any, Any] = site.service
    service.portal.call(tamper, service, "requests", view=b"{}")
    assert site.client.get(f"{API}/interrupts", headers=site.headers("dora")).json()["interrupts"] == []
    found = site.client.get(f"{API}/interrupts/{request.id}", headers=site.headers("dora"))
    assert problem(found) == (500, "store-corrupt")
