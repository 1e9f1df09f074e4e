"""Rule 14: a no, and whatever overrides, says why; and what only looks like words is none."""

from __future__ import annotations

import pytest

from tests.inbox.site import API, Site, problem


@pytest.mark.parametrize("reason", ["", " ", "\n\t", "\u200b", "\u2060\ufeff", "\u00a0"])
def test_a_no_without_words_is_refused(site: Site, reason: str) -> None:
    request = site.asked()
    assert problem(site.decide(request.id, answer="reject", reason=reason)) == (422, "invalid-input")
    for path in ("freezes",):
        body = {"system": "letters", "reason": reason}
        assert problem(site.client.post(f"{API}/{path}", json=body, headers=site.headers("dora")))[0] == 422
    assert site.service.request(request.id).state == "open" and not site.service.freezes()


def test_taking_back_needs_a_code_and_a_text(site: Site) -> None:
    request = site.asked()
    decision = site.decide(request.id, answer="approve", option="kinder").json()["decision"]["id"]
    path = f"{API}/decisions/{decision}/revocation"
    for body in ({"reason": "why not"}, {"code": "wrong", "reason": " "}, {"code": "because", "reason": "why not"}):
        assert problem(site.client.post(path, json=body, headers=site.headers("dora")))[0] == 422, body
    assert site.service.resume(request.run).status == "done"
