"""Statistics of deciding: what the database counts is what a person would count by hand."""

from __future__ import annotations

from typing import Any

from answerable.agents.options import HOUR
from answerable.agents.people import role
from answerable.approvals.node import BreakGlass
from tests.inbox.site import API, Site, problem, standing
from tests.orchestrator.letters import kinder, letters


def counted(site: Site, **query: Any) -> list[dict[str, Any]]:
    """What the API says."""
    found = site.client.get(f"{API}/statistics", params=query, headers=site.headers("dora"))
    assert found.status_code == 200, found.text
    approvals: list[dict[str, Any]] = found.json()["approvals"]
    return approvals


def decided(site: Site, after: list[float], *, person: str = "dora", answer: str = "approve") -> None:
    """Decide a request so many seconds after it was made, for each."""
    for seconds in after:
        request = site.asked(f"{person} {seconds}")
        site.clock.advance(seconds)
        more = {"option": "kinder"} if answer == "approve" else {"reason": "no"}
        assert site.decide(request.id, person, answer=answer, **more).status_code == 201


def test_nothing_was_decided(site: Site) -> None:
    site.asked()
    assert counted(site) == []
    assert "Nothing was decided in this time." in site.browser("dora").get("/statistics").text


def test_what_people_and_time_decided_is_counted(site: Site) -> None:
    decided(site, [1, 2, 4.9, 5, 6, 60, 70, 80, 1000])
    decided(site, [90], person="emil", answer="reject")
    late = site.asked("late")
    site.clock.advance(HOUR)
    site.service.resume(late.run)
    (one,) = counted(site)
    assert (one["system"], one["approval"], one["person"]) == ("letters", "sign", None)
    assert (one["number"], one["by_people"]) == (11, 10)
    assert one["outcomes"] == {"approved": 9, "rejected": 1, "expired": 1}
    assert (one["approval_rate"], one["fast_share"]) == (0.9, 0.3)
    assert (one["median_seconds"], one["p90_seconds"]) == (6, 90)  # the 5th and the 9th of ten
    text = site.browser("dora").get("/statistics").text
    for figure in ("<dd>11</dd>", "<dd>90%</dd>", "<dd>6.0 s</dd>", "<dd>1 min 30 s</dd>", "<dd>30%</dd>"):
        assert figure in text, figure
    assert "emil" not in text


def test_one_decision_is_its_own_median(site: Site) -> None:
    decided(site, [7])
    (one,) = counted(site)
    assert one["median_seconds"] == one["p90_seconds"] == 7


def test_it_counts_the_last_days(site: Site) -> None:
    decided(site, [1])
    site.clock.advance(48 * HOUR)
    decided(site, [2, 3])
    assert [one["number"] for one in counted(site, days=1)] == [2]
    assert [one["number"] for one in counted(site)] == [3]
    for days in ("0", "x", "9999"):
        answer = site.client.get(f"{API}/statistics", params={"days": days}, headers=site.headers("dora"))
        assert problem(answer) == (422, "invalid-input")


def test_by_person_only_where_the_server_was_started_so(sqlite_url: str) -> None:
    with standing(sqlite_url, statistics_per_person=True) as site:
        decided(site, [1, 3])
        decided(site, [9], person="emil", answer="reject")
        late = site.asked("late")
        site.clock.advance(HOUR)
        site.service.resume(late.run)
        found = [(one["person"], one["number"], one["median_seconds"], one["approval_rate"]) for one in counted(site)]
        assert sorted(found) == [("dora", 2, 1, 1), ("emil", 1, 9, 0)]
        assert "by emil" in site.browser("dora").get("/statistics").text


def test_broken_glass_and_reviews_are_counted(sqlite_url: str) -> None:
    app = letters(options=kinder, break_glass=BreakGlass(by=role("duty"), per_day=5))
    with standing(sqlite_url, app=app) as site:
        site.service.people.add("dirk", roles=["duty"])
        for verdict in ("right", "wrong"):
            request = site.asked(verdict)
            site.service.break_glass(request.id, by="dirk", code="urgent", reason="the dam breaks")
            (review,) = [one for one in site.service.portal.call(site.service.office.reviews) if not one.verdict]
            call = site.service.portal.call
            call(site.service.office.review, review.id, verdict=verdict, by="dora", reason="I looked")
        (one,) = counted(site)
        assert (one["broke_glass"], one["reviewed"], one["disagreed"]) == (2, 2, 1)
        assert "<dd>1 of 2</dd>" in site.browser("dora").get("/statistics").text
