"""What becomes of a decision later, over the API and on the pages: taken back, asked anew, facts that moved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from answerable.agents.options import DAY, HOUR
from answerable.agents.people import role
from answerable.approvals.node import BreakGlass
from tests.inbox.site import API, Site, problem, standing
from tests.orchestrator.letters import Ask, Letter, letters

STOCK = {"paper": 40}


def stock(letter: Letter, ask: Ask) -> Mapping[str, int]:
    return dict(STOCK)


RESTING = letters(facts=stock, denied=True)


def test_a_decision_is_taken_back_over_the_api(site: Site) -> None:
    request = site.asked()
    made = site.decide(request.id, answer="approve", option="kinder").json()
    assert site.shown(request.id)["execute_by"] > made["decision"]["at"]
    path, headers = f"{API}/decisions/{made['decision']['id']}/revocation", site.headers("emil")
    for body in ({"code": "whim", "reason": "because"}, {"code": "wrong", "reason": " "}, {"code": "wrong"}):
        assert problem(site.client.post(path, json=body, headers=headers))[0] == 422
    gone = site.client.post(path, json={"code": "wrong", "reason": "not kind"}, headers=headers)
    assert gone.status_code == 201, gone.text
    assert (len(gone.json()["withdrawn"]), gone.json()["sent"], gone.json()["request"]) == (1, [], request.id)
    again = site.client.post(path, json={"code": "wrong", "reason": "not kind"}, headers=headers)
    assert problem(again) == (409, "not-open")
    (new,) = site.service.resume(request.run).waiting_for
    assert site.shown(request.id)["decision"]["revoked"] == "person"
    assert site.shown(request.id)["asked_anew"] == new.id
    assert site.shown(new.id)["in_place_of"] == request.id
    assert not site.receiver.received


def test_a_decision_is_taken_back_on_its_page_and_asked_anew(site: Site) -> None:
    request, dora = site.asked("ann"), site.browser("dora")
    path = f"/requests/{request.id}"
    assert "after a yes, its calls leave within <strong>1 d" not in dora.get(path).text
    assert "After a yes, its calls leave within 1 d, or not at all." in dora.get(path).text
    site.decide(request.id, answer="approve", option="kinder")
    assert "or not at all" in dora.get(path).text
    said = dora.form(path, f"{path}/revocation")
    refused = dora.post(f"{path}/revocation", said | {"code": "", "reason": "not <i>"})
    assert refused.status_code == 422 and "not &lt;i&gt;</textarea>" in refused.text
    made = dora.post(f"{path}/revocation", said | {"code": "wrong", "reason": "not kind"})
    assert (made.status_code, made.headers["location"]) == (303, path)
    (new,) = site.service.resume(request.run).waiting_for
    page = dora.get(path).text
    assert "<strong>Revoked.</strong> dora took it back" in page and f'href="/requests/{new.id}"' in page
    assert "Take this decision back" not in page
    again = dora.get(f"/requests/{new.id}").text
    assert "<strong>Asked anew.</strong>" in again and "dora took the decision back" in again and "not kind" in again


def test_who_may_not_take_it_back_has_no_form_for_it(site: Site) -> None:
    request = site.asked()
    site.service.people.add("rita")
    site.decide(request.id, answer="approve", option="kinder")
    assert "Take this decision back" not in site.browser("rita").get(f"/requests/{request.id}").text
    assert "Take this decision back" in site.browser("alice").get(f"/requests/{request.id}").text
    site.service.resume(request.run)
    assert "Take this decision back" not in site.browser("alice").get(f"/requests/{request.id}").text


def test_facts_are_shown_and_those_that_moved_old_to_new(tmp_path: Path) -> None:
    with standing(f"sqlite:///{tmp_path}/a.db", app=RESTING) as site:
        request, dora = site.asked(), site.browser("dora")
        STOCK["paper"] = 40
        page = dora.get(f"/requests/{request.id}").text
        assert "What it rests on" in page and '<q class="agent">paper</q>' in page
        site.decide(request.id, answer="approve", option="as-proposed")
        STOCK["paper"] = 7
        (new,) = site.service.resume(request.run).waiting_for
        page = dora.get(f"/requests/{new.id}").text
        assert "40 → <strong>7</strong>" in page
        assert "what the decision rested on had changed before it was sent" in page
        assert site.shown(new.id)["facts"] == [{"name": "paper", "now": "7", "was": "40"}]
        old = dora.get(f"/requests/{request.id}").text
        assert "What it rests on had changed before anything was sent: “paper”" in old
        assert "had moved</span> before sending" in dora.get(f"/runs/{request.run}").text
    assert not site.receiver.received


CLOCKED = letters(
    escalate={0.5 * HOUR: role("manager")}, break_glass=BreakGlass(by=role("duty"), per_day=3), denied=True
)


def test_whoever_looks_sees_that_it_was_escalated_and_may_decide(tmp_path: Path) -> None:
    with standing(f"sqlite:///{tmp_path}/a.db", app=CLOCKED) as site:
        site.service.people.add("mona", roles=["manager"])
        request, mona = site.asked(), site.browser("mona")
        path = f"/requests/{request.id}"
        page = mona.get(path).text
        assert "If nobody decides by" in page and "You cannot decide this" in page
        site.clock.advance(0.5 * HOUR)
        page = mona.get(path).text
        assert "Escalated on" in page and "role manager may decide as well" in page and 'name="answer"' in page
        shown = site.shown(request.id)
        assert [one["in_force"] for one in shown["escalations"]] == [True]
        assert (shown["stage"], shown["escalates_at"]) == (1, None)
        said = mona.form(path, f"{path}/decisions")
        assert mona.post(f"{path}/decisions", said | {"answer": "reject", "reason": "no"}).status_code == 303


def test_glass_is_broken_on_the_page_and_reviewed_there(tmp_path: Path) -> None:
    with standing(f"sqlite:///{tmp_path}/a.db", app=CLOCKED) as site:
        site.service.people.add("dirk", roles=["duty"])
        request, dirk, dora = site.asked(), site.browser("dirk"), site.browser("dora")
        path = f"/requests/{request.id}"
        assert "Break the glass" not in dora.get(path).text
        said = dirk.form(path, f"{path}/glass") | {"option": "as-proposed"}
        refused = dirk.post(f"{path}/glass", said | {"code": "urgent", "reason": " "})
        assert refused.status_code == 422
        made = dirk.post(f"{path}/glass", said | {"code": "urgent", "reason": "the dam breaks"})
        assert made.status_code == 303, made.text
        assert "<strong>The glass was broken.</strong>" in dora.get(path).text
        (review,) = site.client.get(f"{API}/reviews", headers=site.headers("dora")).json()["reviews"]
        assert (review["of"], review["state"]) == ("break-glass", "due")
        site.clock.advance(DAY)
        dirk, dora = site.browser("dirk"), site.browser("dora")
        assert "The review is overdue" in dora.get("/reviews").text
        form = dirk.form("/freezes", "/freezes")  # its page has no form for who had a part in it
        mine = dirk.post(f"/reviews/{review['id']}", form | {"verdict": "right", "reason": "fine"})
        assert mine.status_code == 403 and "nobody reviews their own" in mine.text
        form = dora.form("/reviews", f"/reviews/{review['id']}")
        done = dora.post(f"/reviews/{review['id']}", form | {"verdict": "wrong", "reason": "there was time"})
        assert done.status_code == 303
        assert "Nothing is to be reviewed." in dora.get("/reviews").text
        assert "dora reviewed it: it was wrong" in dora.get(path).text


def test_glass_is_broken_and_reviewed_over_the_api(tmp_path: Path) -> None:
    with standing(f"sqlite:///{tmp_path}/a.db", app=CLOCKED) as site:
        site.service.people.add("dirk", roles=["duty"])
        request = site.asked()
        asked = {"answer": "break-glass", "option": "as-proposed", "code": "urgent", "reason": "the dam breaks"}
        assert problem(site.decide(request.id, "dora", **asked)) == (403, "not-eligible")
        made = site.decide(request.id, "dirk", **asked)
        assert made.status_code == 201, made.text
        decision = site.shown(request.id)["decision"]
        assert (decision["broke_glass"], decision["code"]) == (True, "urgent")
        headers = site.headers("dora")
        (review,) = site.client.get(f"{API}/reviews", headers=headers).json()["reviews"]
        path = f"{API}/reviews/{review['id']}/verdict"
        assert problem(site.client.post(path, json={"verdict": "fine", "reason": "x"}, headers=headers))[0] == 422
        done = site.client.post(path, json={"verdict": "right", "reason": "no time"}, headers=headers)
        assert (done.status_code, done.json()["state"], done.json()["by"]) == (201, "done", "dora")
        again = site.client.post(path, json={"verdict": "right", "reason": "no time"}, headers=headers)
        assert problem(again) == (409, "not-open")
