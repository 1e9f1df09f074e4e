"""Rule 3: a yes is bound to the bytes that were shown; one changed byte is another request."""

from __future__ import annotations

from typing import Any

from tests.inbox.site import API, Site, problem
from tests.orchestrator.letters import rows, tamper


def _stored(row: dict[str, Any]) -> dict[str, Any]:
    return {"body": row["body"], "view": row["view"]}


def test_a_digest_that_was_not_shown_is_refused(site: Site) -> None:
    request, other = site.asked(), site.asked("bob")
    for digest in ("0" * 64, other.digest):
        refused = site.decide(request.id, answer="approve", option="kinder", digest=digest)
        assert problem(refused) == (409, "not-as-shown")
    for missing in ({}, {"digest": ""}, {"digest": request.digest[:-1]}):
        body = {"answer": "approve", "option": "kinder", **missing}
        refused = site.client.post(f"{API}/requests/{request.id}/decisions", json=body, headers=site.headers("dora"))
        assert problem(refused) == (422, "invalid-input")
    assert site.is_untouched(request.id)


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
    assert site.is_untouched(request.id)


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


def test_a_form_of_another_request_decides_nothing(site: Site) -> None:
    mine, other, dora = site.asked("ann"), site.asked("bob"), site.browser("dora")
    said = dora.answer(other.id)
    refused = dora.post(f"/requests/{mine.id}/decisions", said)
    assert refused.status_code == 409 and "not the one that was shown" in refused.text
    assert site.is_untouched(mine.id) and site.is_untouched(other.id)
