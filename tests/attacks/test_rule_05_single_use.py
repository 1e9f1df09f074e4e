"""Rule 5: a yes is good once: replayed, it releases nothing more."""

from __future__ import annotations

from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import grants
from answerable.tracing.storage.tables.runs import effects
from tests.inbox.site import Site, problem

YES = {"answer": "approve", "option": "kinder"}


def test_a_replayed_answer_is_told_so_and_sends_nothing_again(site: Site) -> None:
    request = site.asked()
    first = site.decide(request.id, key="once", **YES)
    site.service.resume(request.run)
    again = site.decide(request.id, key="once", **YES)
    assert again.status_code == 201 and again.json() == first.json()  # the same answer, and no new one
    assert problem(site.decide(request.id, **YES)) == (409, "already-decided")
    assert problem(site.decide(request.id, key="twice", **YES)) == (409, "already-decided")
    assert site.service.resume(request.run).status == "done"
    assert len(site.receiver.received) == 1


def test_a_grant_that_is_put_back_in_the_database_is_no_second_one(site: Site) -> None:
    request = site.asked()
    site.decide(request.id, **YES)
    site.service.resume(request.run)

    def put_back(tx: Tx) -> None:
        tx.run(Statement(grants.update().values(state="granted")))
        tx.run(Statement(effects.update().where(effects.c.state == "done").values(state="prepared")))

    site.service.portal.call(site.service.store.write, put_back)
    site.service.resume(request.run)
    assert len(site.receiver.happened) == 1


def test_the_key_of_one_answer_opens_no_other_request(site: Site) -> None:
    mine, other = site.asked("ann"), site.asked("bob")
    assert site.decide(mine.id, key="once", **YES).status_code == 201
    assert problem(site.decide(other.id, key="once", **YES)) == (422, "invalid-input")
    assert site.service.request(other.id).state == "open"
