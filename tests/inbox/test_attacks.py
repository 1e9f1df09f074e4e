"""What an attacker tries against the API, each by its name, and what it brings: a refusal, and nothing done."""

from __future__ import annotations

from typing import Any

import pytest

from answerable.inbox import limits
from answerable.inbox.guarding import MOST_BYTES
from tests.inbox.site import API, ORIGIN, Site, problem, standing
from tests.orchestrator.letters import rows, tamper

_ABROAD = "http://127.0.0.1:9999"


def _stored(row: dict[str, Any]) -> dict[str, Any]:
    return {"body": row["body"], "view": row["view"]}


def _untouched(site: Site, request: str) -> bool:
    return site.service.request(request).state == "open" and not site.receiver.received


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
    assert _untouched(site, request.id)


def test_a_revoked_token_opens_nothing(site: Site) -> None:
    request, dora = site.asked(), site.headers("dora")
    (token,) = site.service.portal.call(site.service.office.tokens)
    site.service.portal.call(site.service.office.revoke_token, token.id)
    body = {"answer": "approve", "option": "kinder", "digest": request.digest}
    refused = site.client.post(f"{API}/requests/{request.id}/decisions", json=body, headers=dora)
    assert problem(refused) == (401, "not-authenticated") and _untouched(site, request.id)


def test_an_expired_token_opens_nothing(site: Site) -> None:
    dora = {"Authorization": f"Bearer {site.token('dora', seconds=60)}"}
    assert site.client.get(f"{API}/me", headers=dora).status_code == 200
    site.clock.advance(60)
    assert problem(site.client.get(f"{API}/me", headers=dora)) == (401, "not-authenticated")


@pytest.mark.parametrize("claim", [{"by": "alice"}, {"person": "alice"}, {"assurance": "signed"}, {"as": "alice"}])
def test_a_body_that_claims_another_person_is_refused(site: Site, claim: dict[str, Any]) -> None:
    request = site.asked()
    refused = site.decide(request.id, "nils", answer="approve", option="kinder", **claim)
    assert problem(refused) == (422, "invalid-input") and _untouched(site, request.id)


def test_a_header_that_claims_another_person_changes_nothing(site: Site) -> None:
    claims = {"X-Forwarded-User": "alice", "X-Remote-User": "alice", "Remote-User": "alice", "From": "alice"}
    me = site.client.get(f"{API}/me", headers={**site.headers("dora"), **claims})
    assert me.json()["person"] == "dora"


def test_a_digest_that_was_not_shown_is_refused(site: Site) -> None:
    request, other = site.asked(), site.asked("bob")
    for digest in ("0" * 64, other.digest):
        refused = site.decide(request.id, answer="approve", option="kinder", digest=digest)
        assert problem(refused) == (409, "not-as-shown")
    for missing in ({}, {"digest": ""}, {"digest": request.digest[:-1]}):
        body = {"answer": "approve", "option": "kinder", **missing}
        refused = site.client.post(f"{API}/requests/{request.id}/decisions", json=body, headers=site.headers("dora"))
        assert problem(refused) == (422, "invalid-input")
    assert _untouched(site, request.id)


def test_a_request_that_changed_between_showing_and_deciding_is_not_decided(site: Site) -> None:
    request = site.asked()
    (row,) = site.service.portal.call(rows, site.service, "requests")
    for column in ("body", "view"):
        spoiled = bytes(row[column]).replace(b"e", b"E", 1)
        site.service.portal.call(tamper, site.service, "requests", **{**_stored(row), column: spoiled})
        seen = site.client.get(f"{API}/requests/{request.id}", headers=site.headers("dora"))
        body = {"answer": "approve", "option": "kinder", "digest": request.digest}
        decided = site.client.post(f"{API}/requests/{request.id}/decisions", json=body, headers=site.headers("dora"))
        assert problem(seen) == problem(decided) == (500, "store-corrupt")
    site.service.portal.call(tamper, site.service, "requests", **_stored(row))
    assert _untouched(site, request.id)


def test_a_call_that_changed_between_showing_and_deciding_is_not_sent(site: Site) -> None:
    request = site.asked()
    (effect, _) = site.service.portal.call(rows, site.service, "effects")
    site.service.portal.call(tamper, site.service, "effects", body=bytes(effect["body"]).replace(b"a", b"A", 1))
    seen = site.client.get(f"{API}/requests/{request.id}", headers=site.headers("dora"))
    assert problem(seen) == (500, "store-corrupt")
    assert site.decide(request.id, answer="approve", option="kinder").status_code == 201  # by somebody who did not look
    site.service.resume(request.run)
    assert not site.receiver.received


def test_a_decision_for_another_run_moves_nothing_of_this_one(site: Site) -> None:
    mine, other = site.asked("ann"), site.asked("bob")
    assert site.decide(other.id, answer="approve", option="kinder").status_code == 201
    site.service.resume(mine.run)
    site.service.resume(other.run)
    assert site.service.request(mine.id).state == "open"
    assert [one.json() for one in site.receiver.happened] == [{"text": "dear bob, with love"}]


def test_nothing_is_decided_by_get(site: Site) -> None:
    request, dora = site.asked(), site.headers("dora")
    query = {"answer": "approve", "option": "kinder", "digest": request.digest}
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
        found = site.client.request(
            method, f"{API}/requests/{request.id}/decisions", params=query, headers={**dora, "Origin": ORIGIN}
        )
        assert found.status_code == 405, method
    assert _untouched(site, request.id)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": _ABROAD},
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
    assert problem(refused) == (403, "access-refused") and _untouched(site, request.id)


def test_no_answer_may_be_read_by_another_page(site: Site) -> None:
    found = site.client.get(f"{API}/me", headers={**site.headers("dora"), "Origin": _ABROAD})
    assert not [name for name in found.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "host", ["evil.example:8765", "evil.example", "127.0.0.1", "127.0.0.1:9999", "", "localhost.:8765"]
)
def test_a_name_that_somebody_points_here_is_not_answered(site: Site, host: str) -> None:
    assert problem(site.client.get(f"{API}/me", headers={**site.headers("dora"), "Host": host})) == (
        421,
        "access-refused",
    )


def test_a_body_of_10_mb_is_not_read(site: Site) -> None:
    request = site.asked()
    dora = {**site.headers("dora"), "Content-Type": "application/json"}
    path = f"{API}/requests/{request.id}/decisions"
    whole = site.client.post(path, content=b" " * 10_000_000, headers=dora)
    pieces = site.client.post(path, content=(b" " * 100_000 for _ in range(100)), headers=dora)
    assert problem(whole) == problem(pieces) == (413, "invalid-input")
    message = {"text": "x" * MOST_BYTES}
    assert problem(site.decide(request.id, answer="edit", message=message)) == (413, "invalid-input")
    assert _untouched(site, request.id)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"x"', b"[" * 100_000, b'{"answer":"\\ud800"}']
)
def test_what_is_no_answer_is_refused(site: Site, content: bytes) -> None:
    request = site.asked()
    dora = {**site.headers("dora"), "Content-Type": "application/json"}
    refused = site.client.post(f"{API}/requests/{request.id}/decisions", content=content, headers=dora)
    assert problem(refused) in ((400, "invalid-input"), (422, "invalid-input")) and _untouched(site, request.id)


@pytest.mark.parametrize("spoiled", ["evil\u202e", "evil\x1b[2J", "evil\x00"])
def test_texts_that_mislead_are_refused(site: Site, spoiled: str) -> None:
    request = site.asked()
    assert problem(site.decide(request.id, answer="reject", reason=spoiled)) == (422, "invalid-input")
    assert problem(site.decide(request.id, answer="approve", option=spoiled)) == (422, "invalid-input")
    assert _untouched(site, request.id)


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


def test_one_person_is_answered_only_so_often_and_others_meanwhile(sqlite_url: str) -> None:
    with standing(sqlite_url) as site:
        dora, emil = site.headers("dora"), site.headers("emil")
        for _ in range(limits.READING.burst):
            assert site.client.get(f"{API}/me", headers=dora).status_code == 200
        refused = site.client.get(f"{API}/me", headers=dora)
        assert problem(refused) == (429, "too-many-requests") and int(refused.headers["retry-after"]) > 0
        assert site.client.get(f"{API}/me", headers=emil).status_code == 200
        site.clock.advance(1 / limits.READING.per_second)
        assert site.client.get(f"{API}/me", headers=dora).status_code == 200


def test_whoever_guesses_tokens_is_not_listened_to_for_a_while(sqlite_url: str) -> None:
    with standing(sqlite_url) as site:
        guess: Any = {"Authorization": f"Bearer answerable_tok_{'0' * 72}"}
        for _ in range(limits.GUESSING.burst):
            assert problem(site.client.get(f"{API}/me", headers=guess)) == (401, "not-authenticated")
        assert problem(site.client.get(f"{API}/me", headers=guess)) == (429, "too-many-requests")
        assert problem(site.client.get(f"{API}/me", headers=site.headers("dora"))) == (429, "too-many-requests")
        site.clock.advance(1 / limits.GUESSING.per_second)
        assert site.client.get(f"{API}/me", headers=site.headers("dora")).status_code == 200
