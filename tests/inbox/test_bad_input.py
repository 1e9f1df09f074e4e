"""What is given wrongly is said in words, in the API and on the page; nothing is done, and nothing typed is lost."""

from __future__ import annotations

from html import unescape

import pytest

from answerable.approvals.asking.quotas import Quota
from answerable.inbox.sessions import LINK_SECONDS
from tests.approvals.test_floods import flooded
from tests.inbox.site import API, ORIGIN, Site, problem, standing
from tests.orchestrator.letters import Ask


@pytest.mark.parametrize(
    ("served", "said"),
    [
        ('{"insulin": 99}', "served.insulin: 99 cannot be served, 5 are asked for"),
        ('{"insulin": -1}', "served.insulin: -1 cannot be served, 5 are asked for"),
        ('{"gold": 1}', "served.gold: nobody asks for it"),
        ('{"insulin": 1.5}', "served.insulin: Input should be a valid integer"),
        ('"all"', "served: Input should be an object"),
    ],
)
def test_an_edit_that_does_not_add_up_or_fit(store_url: str, served: str, said: str) -> None:
    with standing(store_url, app=flooded(quota=Quota(), count=1)) as site:
        (request,) = site.service.run(Ask(text="plan"), by="nils").waiting_for
        dora, path = site.browser("dora"), f"/requests/{request.id}/edit"
        typed = f'{{"served": {served}}}'
        form = dora.form(f"{path}?whole=1", path) | {"json": typed, "reason": "medicine first", "whole": "1"}
        page = dora.post(path, form)
        assert page.status_code == 422 and said in unescape(page.text)
        assert typed in unescape(page.text) and "medicine first" in page.text
        body = f'{{"answer": "edit", "digest": "{request.digest}", "message": {typed}}}'
        headers = {**site.headers("dora"), "Content-Type": "application/json"}
        refused = site.client.post(f"{API}/requests/{request.id}/decisions", content=body, headers=headers)
        assert problem(refused) == (422, "invalid-message") and said in refused.json()["detail"]
        assert site.service.request(request.id).state == "open"


def test_a_link_that_is_too_old_says_so_and_what_to_do(site: Site) -> None:
    link = site.link("dora")
    site.clock.advance(LINK_SECONDS)
    for answer in (site.client.get(f"/enter/{link}"), site.client.post("/enter", data={"secret": link})):
        assert answer.status_code in (401, 403)
    page = unescape(site.client.get(f"/enter/{link}").text)
    assert "This link has expired" in page and "answerable serve" in page


def test_a_token_that_was_revoked_says_so_and_keeps_the_request_open(site: Site) -> None:
    request, secret = site.asked(), site.token("dora")
    (token,) = site.service.portal.call(site.service.office.people.tokens)
    site.service.portal.call(site.service.office.people.revoke_token, token.id)
    body = {"answer": "approve", "option": "kinder", "digest": request.digest}
    headers = {"Authorization": f"Bearer {secret}"}
    refused = site.client.post(f"{API}/requests/{request.id}/decisions", json=body, headers=headers)
    assert problem(refused) == (401, "not-authenticated") and "was revoked" in refused.json()["detail"]
    assert "answerable token create" in refused.json()["hint"]
    page = site.client.post("/sign-in", data={"token": secret}, headers={"Origin": ORIGIN})
    assert page.status_code == 401 and "was revoked" in page.text
    assert site.service.request(request.id).state == "open"
