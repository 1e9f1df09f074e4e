"""Coming in, and what an attacker tries with somebody else's browser."""

from __future__ import annotations

import pytest

from answerable.inbox.sessions import LINK_SECONDS, SESSION_SECONDS
from tests.inbox.site import ORIGIN, Browser, Site
from tests.orchestrator.letters import rows

_ABROAD = "http://127.0.0.1:9999"


def _answer(site: Site, browser: Browser, request: str) -> dict[str, str]:
    path = f"/requests/{request}"
    return browser.form(path, f"{path}/decisions") | {"answer": "approve:kinder"}


def _open(site: Site, request: str) -> bool:
    return site.service.request(request).state == "open" and not site.receiver.received


def test_a_link_is_shown_by_get_and_used_by_post_once(site: Site) -> None:
    secret = site.link("dora")
    for _ in range(2):  # a preview, and the person
        page = site.client.get(f"/enter/{secret}")
        assert page.status_code == 200 and "Enter as dora" in page.text and "set-cookie" not in page.headers
    entered = site.client.post("/enter", data={"secret": secret}, headers={"Origin": ORIGIN})
    cookie = entered.headers["set-cookie"]
    assert cookie.startswith("answerable-8765=") and "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert "Domain" not in cookie and "Path=/" in cookie
    again = site.client.post("/enter", data={"secret": secret}, headers={"Origin": ORIGIN})
    assert again.status_code == 401 and "set-cookie" not in again.headers
    assert site.client.get(f"/enter/{secret}").status_code == 401


def test_an_expired_link_opens_nothing(site: Site) -> None:
    secret = site.link("dora")
    site.clock.advance(LINK_SECONDS)
    assert site.client.get(f"/enter/{secret}").status_code == 401
    assert site.client.post("/enter", data={"secret": secret}, headers={"Origin": ORIGIN}).status_code == 401


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
    made, secret = site.service.portal.call(site.service.office.make_token, "dora", seconds=3600)
    entered = site.client.post(
        "/sign-in", data={"token": f" {secret} ", "next": f"/requests/{request.id}"}, headers={"Origin": ORIGIN}
    )
    assert (entered.status_code, entered.headers["location"]) == (303, f"/requests/{request.id}")
    site.client.cookies.clear()
    dora = Browser(site=site, cookie=entered.headers["set-cookie"].partition(";")[0])
    said = _answer(site, dora, request.id)
    site.service.portal.call(site.service.office.revoke_token, made.id)
    assert dora.post(f"/requests/{request.id}/decisions", said).status_code == 401 and _open(site, request.id)


def test_what_is_no_token_does_not_sign_in(site: Site) -> None:
    refused = site.client.post("/sign-in", data={"token": "dora", "next": "/runs"}, headers={"Origin": ORIGIN})
    assert refused.status_code == 401 and "this is no token" in refused.text and "set-cookie" not in refused.headers


@pytest.mark.parametrize("next_", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "", "/\nx"])
def test_after_signing_in_nobody_is_sent_elsewhere(site: Site, next_: str) -> None:
    entered = site.client.post(
        "/sign-in", data={"token": site.token("dora"), "next": next_}, headers={"Origin": ORIGIN}
    )
    assert entered.headers["location"] == "/requests"


def test_csrf_from_another_origin_decides_nothing(site: Site) -> None:
    request, dora = site.asked(), site.browser("dora")
    said, path = _answer(site, dora, request.id), f"/requests/{request.id}/decisions"
    for origin in (_ABROAD, "null", "https://evil.example", "http://localhost:9999"):
        assert dora.post(path, said, Origin=origin).status_code == 403
    browserless = site.client.post(path, data=said, headers={"Cookie": dora.cookie})
    assert browserless.status_code == 403  # it says nothing of where it comes from
    assert _open(site, request.id)


def test_csrf_without_the_sessions_own_word_decides_nothing(site: Site) -> None:
    request, dora, emil = site.asked(), site.browser("dora"), site.browser("emil")
    said, path = _answer(site, dora, request.id), f"/requests/{request.id}/decisions"
    theirs = _answer(site, emil, request.id)["csrf"]
    assert theirs != said["csrf"]
    for word in ("", "0" * 64, theirs, said["csrf"][:-1]):
        assert dora.post(path, said | {"csrf": word}).status_code == 403
    assert _open(site, request.id)
    assert dora.post(path, said).status_code == 303


def test_a_page_of_another_port_has_no_use_of_our_cookie(site: Site) -> None:
    """Cookies ignore ports: the browser sends ours along from there, and that is not enough."""
    request, dora = site.asked(), site.browser("dora")
    said, path = _answer(site, dora, request.id), f"/requests/{request.id}/decisions"
    sent = {"Origin": _ABROAD, "Sec-Fetch-Site": "same-site"}
    assert dora.post(path, said, **sent).status_code == 403
    assert dora.post("/freezes", {"system": "letters", "reason": "x"}, **sent).status_code == 403
    assert _open(site, request.id) and not site.service.freezes()


def test_a_cookie_that_was_planted_is_worth_nothing_after_signing_in(site: Site) -> None:
    planted = "answerable-8765=planted-by-another-port"
    entered = site.client.post(
        "/enter", data={"secret": site.link("dora")}, headers={"Origin": ORIGIN, "Cookie": planted}
    )
    assert "planted" not in entered.headers["set-cookie"]
    site.client.cookies.clear()
    for cookie in (planted, "answerable-9999=x", f"answerable-8765={'0' * 64}"):
        page = Browser(site=site, cookie=cookie).get("/requests")
        assert page.headers["location"].startswith("/sign-in")


def test_a_token_is_no_session_and_a_session_no_token(site: Site) -> None:
    dora = site.browser("dora")
    session = dora.cookie.partition("=")[2]
    swapped = Browser(site=site, cookie=f"answerable-8765={site.token('dora')}")
    assert swapped.get("/requests").status_code == 303
    shown = site.client.get("/api/v1/me", headers={"Authorization": f"Bearer {session}"})
    assert shown.status_code == 401


def test_a_session_looks_at_the_api_and_changes_nothing_by_it(site: Site) -> None:
    request, dora = site.asked(), site.browser("dora")
    assert dora.get("/api/v1/requests").status_code == 200
    path = f"/api/v1/requests/{request.id}/decisions"
    body = {"answer": "approve", "option": "kinder", "digest": request.digest}
    refused = site.client.post(path, json=body, headers={"Cookie": dora.cookie, "Origin": ORIGIN})
    assert refused.status_code == 401 and _open(site, request.id)


def test_approve_by_get_is_no_way(site: Site) -> None:
    request, dora = site.asked(), site.browser("dora")
    said = _answer(site, dora, request.id)
    query = "&".join(f"{name}={value}" for name, value in said.items())
    for path in (f"/requests/{request.id}/decisions?{query}", f"/requests/{request.id}?{query}"):
        dora.get(path)
    assert _open(site, request.id)


def test_a_form_that_claims_another_person_is_answered_as_who_sent_it(site: Site) -> None:
    request, nils = site.asked(), site.browser("nils")
    dora = site.browser("dora")
    said = _answer(site, dora, request.id) | {
        "by": "dora",
        "person": "dora",
        "csrf": nils.form("/requests", "/sign-out")["csrf"],
    }
    assert nils.post(f"/requests/{request.id}/decisions", said).status_code == 403 and _open(site, request.id)


def test_a_form_of_another_request_decides_nothing(site: Site) -> None:
    mine, other, dora = site.asked("ann"), site.asked("bob"), site.browser("dora")
    said = _answer(site, dora, other.id)
    refused = dora.post(f"/requests/{mine.id}/decisions", said)
    assert refused.status_code == 409 and "not the one that was shown" in refused.text
    assert _open(site, mine.id) and _open(site, other.id)


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
    assert _open(site, request.id)
