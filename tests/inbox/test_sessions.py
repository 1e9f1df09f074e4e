"""Coming in, and what an attacker tries with somebody else's browser."""

from __future__ import annotations

import pytest

from answerable.inbox.sessions import SESSION_SECONDS
from tests.inbox.site import ORIGIN, Browser, Site
from tests.orchestrator.letters import rows


def test_a_link_is_good_on_this_machine_only(site: Site) -> None:
    secret = site.link("dora")
    site.client._transport.client = ("192.0.2.7", 50_000)  # type: ignore[attr-defined]  # where the client is
    assert site.client.get(f"/enter/{secret}").status_code == 403
    assert site.client.post("/enter", data={"secret": secret}, headers={"Origin": ORIGIN}).status_code == 403


def test_a_session_ends_by_time_and_by_signing_out(site: Site) -> None:
    dora = site.browser("dora")
    out = dora.post("/sign-out", {"csrf": dora.form("/requests", "/sign-out")["csrf"]})
    assert out.status_code == 303 and dora.get("/requests").headers["location"].startswith("/sign-in")
    dora = site.browser("dora")
    site.clock.advance(SESSION_SECONDS)
    assert dora.get("/requests").headers["location"].startswith("/sign-in")


def test_a_session_opened_with_a_token_ends_with_it_and_decides_as_sure(site: Site) -> None:
    request = site.asked()
    made, secret = site.service.portal.call(site.service.office.people.make_token, "dora", seconds=3600)
    entered = site.client.post(
        "/sign-in", data={"token": f" {secret} ", "next": f"/requests/{request.id}"}, headers={"Origin": ORIGIN}
    )
    assert (entered.status_code, entered.headers["location"]) == (303, f"/requests/{request.id}")
    site.client.cookies.clear()
    dora = Browser(site=site, cookie=entered.headers["set-cookie"].partition(";")[0])
    said = dora.answer(request.id)
    site.service.portal.call(site.service.office.people.revoke_token, made.id)
    assert dora.post(f"/requests/{request.id}/decisions", said).status_code == 401 and site.is_untouched(request.id)


def test_what_is_no_token_does_not_sign_in(site: Site) -> None:
    refused = site.client.post("/sign-in", data={"token": "dora", "next": "/runs"}, headers={"Origin": ORIGIN})
    assert refused.status_code == 401 and "his is no token" in refused.text and "set-cookie" not in refused.headers


@pytest.mark.parametrize("next_", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "", "/\nx"])
def test_after_signing_in_nobody_is_sent_elsewhere(site: Site, next_: str) -> None:
    entered = site.client.post(
        "/sign-in", data={"token": site.token("dora"), "next": next_}, headers={"Origin": ORIGIN}
    )
    assert entered.headers["location"] == "/requests"


def test_the_store_holds_no_secret_of_a_session_or_link(site: Site) -> None:
    secret = site.link("dora")
    cookie = site.browser("dora").cookie.partition("=")[2]
    stored = str(site.service.portal.call(rows, site.service, "credentials"))
    assert secret not in stored and cookie not in stored


@pytest.mark.parametrize("body", [b"answer=%ff&csrf=x", b"csrf=a&csrf=b", b"&".join(b"a%d=" % n for n in range(6000))])
def test_a_form_that_cannot_be_read_is_refused(site: Site, body: bytes) -> None:
    request, dora = site.asked(), site.browser("dora")
    headers = {"Cookie": dora.cookie, "Origin": ORIGIN, "Content-Type": "application/x-www-form-urlencoded"}
    refused = site.client.post(f"/requests/{request.id}/decisions", content=body, headers=headers)
    assert refused.status_code == 422
    headers["Content-Type"] = "text/plain"
    assert site.client.post(f"/requests/{request.id}/decisions", content=body, headers=headers).status_code == 422
    assert site.is_untouched(request.id)
