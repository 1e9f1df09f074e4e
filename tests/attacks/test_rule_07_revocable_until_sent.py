"""Rule 7: what was not sent can be taken back, is withdrawn with its run, and rests while frozen."""

from __future__ import annotations

from tests.inbox.site import API, Site, problem

YES = {"answer": "approve", "option": "kinder"}


def revoked(site: Site, decision: str, person: str) -> tuple[int, str] | int:
    body = {"reason": "on second thoughts", "code": "wrong"}
    found = site.client.post(f"{API}/decisions/{decision}/revocation", json=body, headers=site.headers(person))
    return found.status_code if found.status_code < 300 else problem(found)


def test_a_yes_that_was_taken_back_sends_nothing_and_one_that_was_sent_stays(site: Site) -> None:
    site.service.people.add("zoe")
    request = site.asked()
    decision = site.decide(request.id, **YES).json()["decision"]["id"]
    assert revoked(site, decision, "zoe") == (403, "not-eligible")
    assert revoked(site, decision, "dora") == 201
    assert revoked(site, decision, "dora") == (409, "not-open")
    (anew,) = site.service.resume(request.run).waiting_for
    assert not site.receiver.received
    decision = site.decide(anew.id, **YES).json()["decision"]["id"]
    site.service.resume(request.run)
    assert revoked(site, decision, "alice") == (409, "not-open") and len(site.receiver.happened) == 1


def test_a_yes_for_a_run_that_was_cancelled_sends_nothing(site: Site) -> None:
    decided, undecided = site.asked("ann"), site.asked("bob")
    site.decide(decided.id, **YES)
    for request in (decided, undecided):
        site.service.cancel(request.run, by="alice", reason="the storm is over")
    assert problem(site.decide(undecided.id, **YES)) == (409, "not-open")
    for request in (decided, undecided):
        assert site.service.resume(request.run).status == "cancelled"
    assert not site.receiver.received
