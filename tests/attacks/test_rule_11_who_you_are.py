"""Rule 11: who acts comes from authentication, never from what is said."""

from __future__ import annotations

from typing import Any

import pytest

from tests.inbox.site import API, ORIGIN, Browser, Site, problem
from tests.orchestrator.letters import rows, tamper


def test_without_a_token_nothing_is_shown_or_done(site: Site) -> None:
    request = site.asked()
    reads = ["me", "requests", f"requests/{request.id}", "runs", f"runs/{request.run}", "freezes", "events"]
    for path in reads:
        assert problem(site.client.get(f"{API}/{path}")) == (401, "not-authenticated")
    body = {"answer": "approve", "option": "kinder", "digest": request.digest}
    for shown in ("", "Bearer", "Bearer dora", "Basic ZG9yYTpkb3Jh", f"Bearer answerable_tok_{'0' * 72}"):
        headers = {"Authorization": shown, "Origin": ORIGIN}
        refused = site.client.post(f"{API}/requests/{request.id}/decisions", json=body, headers=headers)
        assert problem(refused) == (401, "not-authenticated")
        assert refused.headers["www-authenticate"].startswith("Bearer")
    assert site.is_untouched(request.id)


def test_a_revoked_token_opens_nothing(site: Site) -> None:
    request, dora = site.asked(), site.headers("dora")
    (token,) = site.service.portal.call(site.service.office.people.tokens)
    site.service.portal.call(site.service.office.people.revoke_token, token.id)
    body = {"answer": "approve", "option": "kinder", "digest": request.digest}
    refused = site.client.post(f"{API}/requests/{request.id}/decisions", json=body, headers=dora)
    assert problem(refused) == (401, "not-authenticated") and site.is_untouched(request.id)


def test_a_revoked_token_that_somebody_put_back_opens_nothing(site: Site) -> None:
    """Its MAC is right: it says that the row was made here, and not that it was not ended since. A record says that."""
    request, dora = site.asked(), site.headers("dora")
    call, office = site.service.portal.call, site.service.office
    before = call(rows, site.service, "credentials")
    for token in call(office.people.tokens):
        call(office.people.revoke_token, token.id)
    call(tamper, site.service, "credentials", ended_at=None)
    assert call(rows, site.service, "credentials") == before
    body = {"answer": "approve", "option": "kinder", "digest": request.digest}
    refused = site.client.post(f"{API}/requests/{request.id}/decisions", json=body, headers=dora)
    assert problem(refused) == (401, "not-authenticated") and "as a record says" in refused.json()["detail"]
    assert site.is_untouched(request.id)


def test_an_expired_token_opens_nothing(site: Site) -> None:
    dora = {"Authorization": f"Bearer {site.token('dora', seconds=60)}"}
    assert site.client.get(f"{API}/me", headers=dora).status_code == 200
    site.clock.advance(60)
    assert problem(site.client.get(f"{API}/me", headers=dora)) == (401, "not-authenticated")


@pytest.mark.parametrize("claim", [{"by": "alice"}, {"person": "alice"}, {"assurance": "signed"}, {"as": "alice"}])
def test_a_body_that_claims_another_person_is_refused(site: Site, claim: dict[str, Any]) -> None:
    request = site.asked()
    refused = site.decide(request.id, "nils", answer="approve", option="kinder", **claim)
    assert problem(refused) == (422, "invalid-input") and site.is_untouched(request.id)


def test_a_header_that_claims_another_person_changes_nothing(site: Site) -> None:
    claims = {"X-Forwarded-User": "alice", "X-Remote-User": "alice", "Remote-User": "alice", "From": "alice"}
    me = site.client.get(f"{API}/me", headers={**site.headers("dora"), **claims})
    assert me.json()["person"] == "dora"


def test_a_form_that_claims_another_person_is_answered_as_who_sent_it(site: Site) -> None:
    request, nils = site.asked(), site.browser("nils")
    dora = site.browser("dora")
    said = dora.answer(request.id) | {
        "by": "dora",
        "person": "dora",
        "csrf": nils.form("/requests", "/sign-out")["csrf"],
    }
    assert nils.post(f"/requests/{request.id}/decisions", said).status_code == 403 and site.is_untouched(request.id)


def test_a_token_is_no_session_and_a_session_no_token(site: Site) -> None:
    dora = site.browser("dora")
    session = dora.cookie.partition("=")[2]
    swapped = Browser(site=site, cookie=f"answerable-8765={site.token('dora')}")
    assert swapped.get("/requests").status_code == 303
    shown = site.client.get("/api/v1/me", headers={"Authorization": f"Bearer {session}"})
    assert shown.status_code == 401
