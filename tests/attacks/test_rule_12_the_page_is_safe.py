"""Rule 12: no other page, port, name or link decides anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from answerable.inbox.guarding import Guarded
from answerable.inbox.sessions import LINK_SECONDS
from tests.inbox.site import API, ORIGIN, Browser, Site, problem

ABROAD = "http://127.0.0.1:9999"


def test_nothing_is_decided_by_get(site: Site) -> None:
    request, dora = site.asked(), site.headers("dora")
    query = {"answer": "approve", "option": "kinder", "digest": request.digest}
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
        found = site.client.request(
            method, f"{API}/requests/{request.id}/decisions", params=query, headers={**dora, "Origin": ORIGIN}
        )
        assert found.status_code == 405, method
    assert site.is_untouched(request.id)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ABROAD},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "https://127.0.0.1:8765"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": f"{ORIGIN}.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_what_another_page_sends_is_refused(site: Site, headers: dict[str, str]) -> None:
    request = site.asked()
    body = {"answer": "approve", "option": "kinder", "digest": request.digest}
    path = f"{API}/requests/{request.id}/decisions"
    refused = site.client.post(path, json=body, headers={**site.headers("dora"), **headers})
    assert problem(refused) == (403, "access-refused") and site.is_untouched(request.id)


def test_no_answer_may_be_read_by_another_page(site: Site) -> None:
    found = site.client.get(f"{API}/me", headers={**site.headers("dora"), "Origin": ABROAD})
    assert not [name for name in found.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "host", ["evil.example:8765", "evil.example", "127.0.0.1", "127.0.0.1:9999", "", "localhost.:8765"]
)
def test_a_name_that_somebody_points_here_is_not_answered(site: Site, host: str) -> None:
    assert problem(site.client.get(f"{API}/me", headers={**site.headers("dora"), "Host": host})) == (
        421,
        "access-refused",
    )


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"x"', b"[" * 100_000, b'{"answer":"\\ud800"}']
)
def test_what_is_no_answer_is_refused(site: Site, content: bytes) -> None:
    request = site.asked()
    dora = {**site.headers("dora"), "Content-Type": "application/json"}
    refused = site.client.post(f"{API}/requests/{request.id}/decisions", content=content, headers=dora)
    assert problem(refused) in ((400, "invalid-input"), (422, "invalid-input")) and site.is_untouched(request.id)


def test_every_answer_forbids_what_our_pages_do_not_need(site: Site) -> None:
    answers = [
        site.client.get(f"{API}/me", headers=site.headers("dora")),
        site.client.get(f"{API}/me"),
        site.client.get(f"{API}/me", headers={"Host": "evil.example"}),
        site.client.get("/nowhere"),
    ]
    for one in answers:
        policy = one.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert (one.headers["x-content-type-options"], one.headers["cache-control"]) == ("nosniff", "no-store")
        assert one.headers["referrer-policy"] == "same-origin" and "server" not in one.headers


def test_csrf_from_another_origin_decides_nothing(site: Site) -> None:
    request, dora = site.asked(), site.browser("dora")
    said, path = dora.answer(request.id), f"/requests/{request.id}/decisions"
    for origin in (ABROAD, "null", "https://evil.example", "http://localhost:9999"):
        assert dora.post(path, said, Origin=origin).status_code == 403
    browserless = site.client.post(path, data=said, headers={"Cookie": dora.cookie})
    assert browserless.status_code == 403  # it says nothing of where it comes from
    assert site.is_untouched(request.id)


def test_csrf_without_the_sessions_own_word_decides_nothing(site: Site) -> None:
    request, dora, emil = site.asked(), site.browser("dora"), site.browser("emil")
    said, path = dora.answer(request.id), f"/requests/{request.id}/decisions"
    theirs = emil.answer(request.id)["csrf"]
    assert theirs != said["csrf"]
    for word in ("", "0" * 64, theirs, said["csrf"][:-1]):
        assert dora.post(path, said | {"csrf": word}).status_code == 403
    assert site.is_untouched(request.id)
    assert dora.post(path, said).status_code == 303


def test_a_page_of_another_port_has_no_use_of_our_cookie(site: Site) -> None:
    """Cookies ignore ports: the browser sends ours along from there, and that is not enough."""
    request, dora = site.asked(), site.browser("dora")
    said, path = dora.answer(request.id), f"/requests/{request.id}/decisions"
    sent = {"Origin": ABROAD, "Sec-Fetch-Site": "same-site"}
    assert dora.post(path, said, **sent).status_code == 403
    assert dora.post("/freezes", {"system": "letters", "reason": "x"}, **sent).status_code == 403
    assert site.is_untouched(request.id) and not site.service.freezes()


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


def test_a_session_looks_at_the_api_and_changes_nothing_by_it(site: Site) -> None:
    request, dora = site.asked(), site.browser("dora")
    assert dora.get("/api/v1/requests").status_code == 200
    path = f"/api/v1/requests/{request.id}/decisions"
    body = {"answer": "approve", "option": "kinder", "digest": request.digest}
    refused = site.client.post(path, json=body, headers={"Cookie": dora.cookie, "Origin": ORIGIN})
    assert refused.status_code == 401 and site.is_untouched(request.id)


def test_approve_by_get_is_no_way(site: Site) -> None:
    request, dora = site.asked(), site.browser("dora")
    said = dora.answer(request.id)
    query = "&".join(f"{name}={value}" for name, value in said.items())
    for path in (f"/requests/{request.id}/decisions?{query}", f"/requests/{request.id}?{query}"):
        dora.get(path)
    assert site.is_untouched(request.id)


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


def _as_it_came(site: Site, path: str, headers: list[tuple[str, str]], body: bytes) -> int:
    """The status of what is sent with these very headers; a client library would join those of one name."""
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": path, "query_string": b"", "scheme": "http"}
    scope |= {"headers": [(name.lower().encode(), value.encode()) for name, value in headers]}
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    asyncio.run(Guarded(site.client.app, origins=(ORIGIN,))(scope, receive, send))
    return statuses[0]


@pytest.mark.parametrize(
    "name", ["Host", "Origin", "Authorization", "Sec-Fetch-Site", "Content-Type", "Idempotency-Key"]
)
def test_what_says_twice_who_asks_or_from_where_is_refused(site: Site, name: str) -> None:
    request = site.asked()
    body = json.dumps({"answer": "approve", "digest": request.digest, "option": "kinder"}).encode()
    good = {"Origin": ORIGIN, "Host": ORIGIN.removeprefix("http://"), "Content-Type": "application/json"}
    good |= site.headers("dora") | {"Sec-Fetch-Site": "same-origin", "Idempotency-Key": "once"}
    for values in ([good[name], "http://evil.example"], ["http://evil.example", good[name]], [good[name]] * 2):
        headers = [pair for pair in good.items() if pair[0] != name] + [(name, value) for value in values]
        assert _as_it_came(site, f"{API}/requests/{request.id}/decisions", headers, body) in (400, 421), values
    assert site.is_untouched(request.id)


def test_a_request_of_two_lengths_is_refused(site: Site) -> None:
    headers = {**site.headers("dora"), "Content-Length": "2", "Transfer-Encoding": "chunked"}
    answer = site.client.post(f"{API}/freezes", content=b"{}", headers=headers)
    assert (answer.status_code, answer.headers["connection"]) == (400, "close")


def test_a_second_cookie_that_was_planted_makes_nobody_somebody_else(site: Site) -> None:
    dora, mallory = site.browser("dora"), site.browser("emil")
    for first, second in ((dora, mallory), (mallory, dora), (dora, dora)):
        cookie = f"{first.cookie}; {second.cookie}"
        page = site.client.get("/requests", headers={"Cookie": cookie})
        assert page.status_code == 403 and "Two sessions were shown at once" in page.text
        assert problem(site.client.get(f"{API}/me", headers={"Cookie": cookie})) == (403, "access-refused")
    assert dora.get("/requests").status_code == 200
