"""Against fatigue: what asks the same is one line and may have one answer; a budget; and nothing else is grouped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from answerable.agents.people import role
from answerable.approvals.grouping import MOST_TOGETHER
from answerable.errors import InvalidInput
from answerable.orchestrator.reports import OpenRequest
from answerable.tracing.ledger.records.deciding import Decided
from tests.inbox.site import API, Site, problem, standing
from tests.orchestrator.letters import Ask, kinder, letters, recorded, tamper


def asked(site: Site, text: str = "ann", *, count: int = 3) -> list[OpenRequest]:
    """Requests that ask the same, a minute after one another."""
    found = []
    for _ in range(count):
        found.append(site.asked(text))
        site.clock.advance(60)
    return found


def answer_all(site: Site, asked: list[OpenRequest], person: str = "dora", /, *, key: str = "", **body: Any) -> Any:
    """The response to one answer to all of these."""
    headers = {**site.headers(person), **({"Idempotency-Key": key} if key else {})}
    said = {"requests": [{"id": one.id, "digest": one.digest} for one in asked], **body}
    return site.client.post(f"{API}/decisions", json=said, headers=headers)


def grouped(site: Site, **query: str) -> list[tuple[str, int]]:
    """The grouped list: ids, and how many ask the same."""
    found = site.client.get(f"{API}/requests", params={"grouped": "true", **query}, headers=site.headers("dora"))
    return [(one["id"], one["count_alike"]) for one in found.json()["requests"]]


def test_what_asks_the_same_is_one_line_in_the_place_of_the_first(site: Site) -> None:
    first, *_ = asked(site)
    other = site.asked("bob")
    for sort in ("tier", "deadline"):
        assert grouped(site, sort=sort) == [(first.id, 3), (other.id, 1)]
    listed = site.client.get(f"{API}/requests", headers=site.headers("dora")).json()["requests"]
    assert len(listed) == 4
    mine = site.client.get(f"{API}/requests", params={"alike": listed[0]["alike"]}, headers=site.headers("dora"))
    assert len(mine.json()["requests"]) == 3
    text = site.browser("dora").get("/requests").text
    assert text.count('class="card"') == 2 and "3 that ask the same" in text


def test_when_others_may_decide_as_well_makes_no_difference(store_url: str) -> None:
    app = letters(options=kinder, escalate={600: role("boss")})
    with standing(store_url, app=app) as site:
        first, *_ = asked(site)
        assert grouped(site) == [(first.id, 3)]
        site.clock.advance(600 - 180)
        assert grouped(site) == [(first.id, 3)] and site.service.request(first.id).stage == 1


def test_a_group_is_read_page_by_page(site: Site) -> None:
    asked(site, "ann", count=2), asked(site, "bob", count=2), asked(site, "cid", count=2)
    found, cursor = [], ""
    while cursor is not None:
        query = {"grouped": "true", "limit": "1", "cursor": cursor}
        page = site.client.get(f"{API}/requests", params=query, headers=site.headers("dora")).json()
        found += [one["id"] for one in page["requests"]]
        cursor = page["next"]
    assert len(found) == len(set(found)) == 3


def test_one_answer_to_all_makes_a_decision_for_each(site: Site) -> None:
    group = asked(site)
    told = answer_all(site, list(reversed(group)), answer="approve", option="kinder", reason="all the same")
    assert told.status_code == 200, told.text
    results = told.json()["results"]
    assert [one["request"] for one in results] == [one.id for one in group]  # the soonest deadline first
    assert {one["decision"]["option"] for one in results} == {"kinder"}
    assert len({one["decision"]["id"] for one in results}) == 3
    records = [record for one in group for record in site.service.portal.call(recorded, site.service, one.run, Decided)]
    assert [record.digest for record in records] == [one.digest for one in group]
    for one in group:
        site.service.resume(one.run)
    assert len(site.receiver.happened) == 3


def test_each_is_told_for_itself(site: Site) -> None:
    group = asked(site)
    mine = site.service.run(Ask(text="ann"), by="dora").waiting_for[0]  # dora's own run
    assert site.decide(group[1].id, "emil", answer="reject", reason="no").status_code == 201
    told = answer_all(site, [*group, mine], answer="approve", option="kinder").json()["results"]
    codes = [one["problem"]["code"] if one["problem"] else one["decision"]["outcome"] for one in told]
    assert codes == ["approved", "already-decided", "approved", "not-eligible"]


def test_a_digest_that_was_not_shown_is_refused_for_that_one(site: Site) -> None:
    group = asked(site, count=2)
    said = [{"id": group[0].id, "digest": group[0].digest}, {"id": group[1].id, "digest": group[0].digest}]
    body = {"answer": "approve", "option": "kinder", "requests": said}
    told = site.client.post(f"{API}/decisions", json=body, headers=site.headers("dora")).json()["results"]
    assert [one["problem"] and one["problem"]["code"] for one in told] == [None, "not-as-shown"]


def test_nothing_else_is_answered_together(site: Site) -> None:
    group = [*asked(site, count=2), site.asked("bob")]
    assert problem(answer_all(site, group, answer="approve", option="kinder")) == (422, "invalid-input")
    # nor if somebody writes into the store that they look alike
    site.service.portal.call(tamper, site.service, "requests", alike="x")
    assert problem(answer_all(site, group, answer="reject", reason="no")) == (422, "invalid-input")
    browser, path = site.browser("dora"), f"/requests/{group[0].id}"
    form = browser.form(path, f"{path}/decisions") | {"alike": " ".join(f"{one.id}:{one.digest}" for one in group)}
    sent = browser.post(f"{path}/decisions", {**form, "answer": "all:reject", "reason": "no"})
    assert sent.status_code == 422 and "does not ask the same" in sent.text
    assert [one.state for one in site.service.requests()] == ["open"] * 3


@pytest.mark.parametrize("count", [0, MOST_TOGETHER + 1])
def test_none_and_too_many_are_refused(site: Site, count: int) -> None:
    one = site.asked()
    assert problem(answer_all(site, [one] * count, answer="reject", reason="no"))[0] == 422
    assert problem(answer_all(site, [one, one], answer="reject", reason="no")) == (422, "invalid-input")


def test_an_answer_to_all_may_be_sent_again(site: Site) -> None:
    group = asked(site)
    once = answer_all(site, group, key="mine", answer="reject", reason="no").json()
    assert answer_all(site, group, key="mine", answer="reject", reason="no").json() == once
    again = answer_all(site, group, key="mine", answer="reject", reason="never").json()["results"]
    assert {one["problem"]["code"] for one in again} == {"invalid-input"}


def test_a_page_answers_all_with_one_button(site: Site) -> None:
    group = asked(site)
    browser, path = site.browser("dora"), f"/requests/{group[1].id}"
    text = browser.get(path).text
    assert "3 open requests ask the same" in text and "for all 3" in text and "Reject all 3" in text
    told = browser.post(
        f"{path}/decisions", {**browser.form(path, f"{path}/decisions"), "answer": "all:approve:kinder"}
    )
    assert told.status_code == 200 and "<strong>3 of 3</strong> requests were answered" in told.text
    assert all(one.id in told.text for one in group)


def test_a_request_alone_has_no_button_for_all(site: Site) -> None:
    text = site.browser("dora").get(f"/requests/{site.asked().id}").text
    assert "ask the same" not in text and "for all" not in text


# -- budgets ----------------------------------------------------------------------------------------


@pytest.fixture
def budgeted(store_url: str) -> Iterator[Site]:
    with standing(store_url, budget=2) as site:
        yield site


def test_beyond_the_budget_a_reason_is_required_and_recorded(budgeted: Site) -> None:
    site = budgeted
    for name in ("a", "b"):
        assert site.decide(site.asked(name).id, answer="approve", option="kinder").status_code == 201
    third = site.asked("c")
    refused = site.decide(third.id, answer="approve", option="kinder")
    assert problem(refused) == (422, "invalid-input")
    assert "2 decisions within 24 hours are beyond the budget of 2" in refused.json()["detail"]
    assert "You have decided 2 times in the last 24 hours" in site.browser("dora").get(f"/requests/{third.id}").text
    assert "You have decided" not in site.browser("emil").get(f"/requests/{third.id}").text
    assert site.decide(third.id, answer="approve", option="kinder", reason="I read it").status_code == 201
    (record,) = site.service.portal.call(recorded, site.service, third.run, Decided)
    assert record.beyond_budget == 2
    assert "beyond their budget, after 2 others that day" in site.browser("dora").get(f"/runs/{third.run}").text
    fourth = site.asked("d")
    assert site.decide(fourth.id, "emil", answer="approve", option="kinder").status_code == 201
    site.clock.advance(24 * 3600)
    fifth = site.asked("e")
    assert site.decide(fifth.id, answer="approve", option="kinder").status_code == 201
    (within,) = site.service.portal.call(recorded, site.service, fifth.run, Decided)
    assert within.beyond_budget == 0


def test_a_group_is_held_against_the_budget_one_by_one(budgeted: Site) -> None:
    told = answer_all(budgeted, asked(budgeted, count=3), answer="approve", option="kinder").json()["results"]
    assert [one["problem"] and one["problem"]["code"] for one in told] == [None, None, "invalid-input"]


def test_what_is_decided_elsewhere_counts_for_the_same_budget(budgeted: Site) -> None:
    """The office holds everybody against it: a program, a page, and who works with the service itself."""
    service = budgeted.service
    for name in ("a", "b"):
        service.approve(budgeted.asked(name).id, option="kinder", by="dora")
    third = budgeted.asked("c")
    with pytest.raises(InvalidInput, match="beyond the budget of 2"):
        service.approve(third.id, option="kinder", by="dora")
    with pytest.raises(InvalidInput, match="beyond the budget of 2"):
        service.edit(third.id, {"text": "nicer"}, by="dora")
    assert problem(budgeted.decide(third.id, answer="approve", option="kinder")) == (422, "invalid-input")
    assert service.approve(third.id, option="kinder", by="dora", reason="I read it").outcome == "approved"


# -- the limit of answers -------------------------------------------------------------------------------------------


def test_many_answers_at_once_take_as_many_of_what_one_person_may_give(site: Site) -> None:
    several = [site.asked("ann") for _ in range(70)]
    told = answer_all(site, several, answer="approve", option="kinder").json()["results"]
    assert len(told) == 70 and all(one["problem"] is None for one in told)
    more = site.asked("more")
    assert problem(site.decide(more.id, answer="approve", option="kinder")) == (429, "too-many-requests")
    assert site.decide(more.id, "emil", answer="approve", option="kinder").status_code == 201
    site.clock.advance(10)  # 60 and 10 more were given: nothing is left still
    last = site.asked("last")
    assert problem(site.decide(last.id, answer="approve", option="kinder")) == (429, "too-many-requests")
    site.clock.advance(1)
    assert site.decide(last.id, answer="approve", option="kinder").status_code == 201


def test_an_edit_is_held_against_the_budget(budgeted: Site) -> None:
    for name in ("a", "b"):
        assert budgeted.decide(budgeted.asked(name).id, answer="approve", option="kinder").status_code == 201
    third = budgeted.asked("c")
    nicer: dict[str, Any] = {"answer": "edit", "message": {"text": "nicer"}}
    assert problem(budgeted.decide(third.id, **nicer)) == (422, "invalid-input")
    browser, path = budgeted.browser("dora"), f"/requests/{third.id}/edit"
    told = browser.post(path, {**browser.form(path, path), "m:text": "nicer", "reason": ""})
    assert told.status_code == 422 and "beyond the budget of 2" in told.text
    assert budgeted.decide(third.id, **nicer, reason="it was rude").status_code == 201


def test_without_a_budget_nobody_is_asked_why(site: Site) -> None:
    assert site.service.office.budget == 0
    for name in "abc":
        assert site.decide(site.asked(name).id, answer="approve", option="kinder").status_code == 201
