"""The address of a page that asks for what the page does not have: said in words, with a way back."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.inbox.site import API, Site, problem


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/statistics?days=0", "days is at least 1"),
        ("/statistics?days=99999", "days is at most 3660"),
        ("/statistics?days=soon", "days is a whole number"),
        ("/requests?sort=loudest", "sort is 'tier' or 'deadline'"),
        ("/requests?state=lost&sort=x", "state is 'open', 'decided', 'expired'"),
        ("/requests?cursor=x", "does not say where in this list to go on"),
        ("/runs?cursor=WyJ0aWVyIl0", "does not say where in this list to go on"),
        ("/runs?status=%3Cb%3E", "status is '', 'running'"),
        ("/runs?system=%00", "system has characters that it cannot have"),
        (f"/requests?system={'x' * 501}", "system has at most 500 characters"),
    ],
)
def test_what_a_page_does_not_have_is_said_in_its_words(site: Site, path: str, says: str) -> None:
    dora = site.browser("dora")
    page = dora.get(path)
    text = unescape(page.text)
    assert page.status_code == 422 and says in text
    assert not re.search(r"openapi|next`|Input should|query\.|<b>", text)
    (back,) = re.findall(r'<a href="([^"]+)">This page, as it is', page.text)
    assert dora.get(back).status_code == 200


def test_what_is_no_page_says_so_and_leads_to_the_inbox(site: Site) -> None:
    dora, request = site.browser("dora"), site.asked()
    for path, status, says in (
        ("/nowhere", 404, "There is no page at this address"),
        (f"/requests/{request.id}/decisions", 405, "where a button of a page sends to"),
        ("/requests/%00", 404, "Nothing here has the name"),
        ("/requests/req_none", 404, "There is no request req_none"),
    ):
        page = dora.get(path)
        assert (page.status_code, says in unescape(page.text)) == (status, True), path
        assert 'href="/requests">Back to the inbox' in page.text and "This page, as" not in page.text
    assert dora.get(f"/requests/{request.id}/decisions").headers["allow"] == "POST"


def test_the_api_says_it_as_before(site: Site) -> None:
    answer = site.client.get(f"{API}/statistics?days=0", headers=site.headers("dora"))
    assert problem(answer) == (422, "invalid-input") and "openapi.json" in answer.json()["hint"]
