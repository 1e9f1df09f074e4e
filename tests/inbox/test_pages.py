"""The pages, as a browser without JavaScript has them."""

from __future__ import annotations

import json
import re

import pytest

from answerable.agents.messages import Message
from tests.inbox.site import Site, standing
from tests.orchestrator.letters import Ask, Letter, batches


def test_the_inbox_lists_what_is_asked_and_leads_to_it(site: Site) -> None:
    request, dora = site.asked(), site.browser("dora")
    page = dora.get("/requests")
    assert "1 request waits" in page.text and f'href="/requests/{request.id}"' in page.text
    assert dora.get("/").headers["location"] == "/requests"
    assert "Nobody" not in page.text and request.id not in dora.get("/requests?state=decided").text


def test_an_inbox_that_finds_nothing_says_what_it_looked_for(site: Site) -> None:
    dora = site.browser("dora")
    assert "None is" not in dora.get("/requests").text
    site.asked()
    assert "1 request waits for an answer. None is what you look for: open, of lettres." in (
        dora.get("/requests?system=lettres").text
    )
    assert "None is what you look for: decided." in dora.get("/requests?state=decided").text
    assert "None is" not in dora.get("/requests").text


def test_a_request_is_shown_with_its_options_calls_and_digest(site: Site) -> None:
    request, dora = site.asked("ann"), site.browser("dora")
    page = dora.get(f"/requests/{request.id}").text
    assert request.digest in page and page.count("post</strong>") == 2
    assert "{&#34;text&#34;:&#34;dear ann, with love&#34;}" in page and f"POST {site.receiver.origin}/letters" in page
    assert 'value="approve:as-proposed"' in page and 'value="approve:kinder"' in page
    assert (
        " checked" not in page.replace("not checked by anybody", "")
        and "autofocus" not in page
        and "<script>" not in page
    )


def test_what_led_to_a_request_is_drawn_and_nothing_else(site: Site) -> None:
    request, dora = site.asked(), site.browser("dora")
    drawn = dora.get(f"/requests/{request.id}").text.partition('id="path"')[2].partition("</section>")[0]
    assert "START → write: Ask, crossed 1 times" in drawn and "write → sign: Letter, crossed 1 times" in drawn
    assert "sign: waiting" in drawn and "post" not in drawn and "END" not in drawn
    edited = site.service.edit(request.id, Letter(text="nicer"), by="dora")
    assert "write → sign: Letter" in dora.get(f"/requests/{edited.id}").text
    site.service.approve(edited.id, by="emil")
    assert "sign: done" in dora.get(f"/requests/{edited.id}").text


def test_of_what_was_taken_apart_only_its_own_part_led_to_a_request(sqlite_url: str) -> None:
    with standing(sqlite_url, app=batches(each_signed=True)) as site:
        run = site.service.run(Ask(text="ann"), by="nils")
        assert len(run.waiting_for) == 3
        page = site.browser("dora").get(f"/requests/{run.waiting_for[0].id}").text
        assert "write → sign: Letter, crossed 1 times" in page  # the others went elsewhere


def test_an_option_is_chosen_on_the_page_and_what_was_shown_is_sent(site: Site) -> None:
    request, dora = site.asked("ann"), site.browser("dora")
    path = f"/requests/{request.id}"
    said = dora.form(path, f"{path}/decisions") | {"answer": "approve:kinder", "reason": "nicer"}
    made = dora.post(f"{path}/decisions", said)
    assert (made.status_code, made.headers["location"]) == (303, path)
    decision = site.service.request(request.id).decision
    assert decision is not None
    assert (decision.option, decision.assurance, decision.reason) == ("kinder", "asserted-local", "nicer")
    again = dora.post(f"{path}/decisions", said)
    assert again.status_code == 303  # the button was pressed twice
    site.service.resume(request.run)
    assert [one.json() for one in site.receiver.happened] == [{"text": "dear ann, with love"}]
    after = dora.get(path).text
    assert "approved: kinder" in after and "Your answer" not in after


def test_what_cannot_be_done_is_said_and_what_was_typed_is_kept(site: Site) -> None:
    request, dora = site.asked(), site.browser("dora")
    path = f"/requests/{request.id}"
    said = dora.form(path, f"{path}/decisions")
    refused = dora.post(f"{path}/decisions", said | {"answer": "reject", "reason": "  "})
    assert refused.status_code == 422 and "a no needs a reason" in refused.text
    refused = dora.post(f"{path}/decisions", said | {"answer": "approve:cruel", "reason": "because <b>"})
    assert refused.status_code == 422 and "because &lt;b&gt;</textarea>" in refused.text
    site.decide(request.id, "emil", answer="reject", reason="no")
    late = dora.post(f"{path}/decisions", said | {"answer": "approve:kinder", "reason": "typed"})
    assert late.status_code == 409 and "is already rejected" in late.text
    assert not site.receiver.received


def test_who_may_not_decide_sees_why_and_no_buttons(site: Site) -> None:
    site.service.people.add("nils", roles=["lead"])
    page = site.browser("nils").get(f"/requests/{site.asked().id}").text
    assert "nobody decides their own" in page and 'name="answer"' not in page


def test_an_edit_is_made_in_a_form_of_the_messages_fields(site: Site) -> None:
    request, dora = site.asked("ann"), site.browser("dora")
    path = f"/requests/{request.id}/edit"
    said = dora.form(path, path)
    assert said["m:text"] == "dear ann"
    made = dora.post(path, said | {"m:text": "dear all", "reason": "more of them"})
    assert made.status_code == 303, made.text
    edited = made.headers["location"]
    page = site.browser("emil").get(edited).text
    assert "before the edit" in page and "dear ann" in page and "dear all" in page
    assert "nobody decides their own" in dora.get(edited).text
    assert "edited request" in dora.get(f"/requests/{request.id}").text


@pytest.mark.parametrize("name", ["\u202ennA", "ann\U000e0001", "an\u00a0n", "ann\r\nbob", "\x1bann \\u202e"])
def test_what_is_not_seen_and_not_touched_stays_as_it_is(site: Site, name: str) -> None:
    request, dora = site.asked(name), site.browser("dora")
    path = f"/requests/{request.id}/edit"
    said = dora.form(path, path)
    assert said["m:text"].isascii() and json.loads(said["m:text"]) == f"dear {name}"
    edited = dora.post(path, said | {"reason": "as it was"}).headers["location"].rpartition("/")[2]
    assert site.service.request(edited).view["options"][0]["message"] == {"text": f"dear {name}"}


def test_an_edit_as_json_says_what_is_wrong_and_keeps_what_was_typed(site: Site) -> None:
    request, dora = site.asked("ann"), site.browser("dora")
    path = f"/requests/{request.id}/edit"
    said = dora.form(f"{path}?whole=true", path)
    for typed, trouble in (("{", "is no JSON object"), ('{"text": 7}', "text"), ('{"texts": "x"}', "texts")):
        refused = dora.post(path, said | {"json": typed, "reason": "typed too"})
        assert refused.status_code == 422 and trouble in refused.text and "typed too" in refused.text
        assert typed.replace('"', "&#34;") in refused.text
    assert dora.post(path, said | {"json": '{"text": "dear all"}'}).status_code == 303


class Item(Message):
    name: str
    units: int


class Wish(Message):
    kind: str = "plain"
    urgent: bool = False
    price: float | None = None
    items: list[Item] = []
    notes: dict[str, str] = {}


def test_numbers_lists_choices_and_mappings_have_their_fields(sqlite_url: str) -> None:
    from answerable.inbox.fields import form, read_form

    value = {
        "kind": "plain",
        "urgent": True,
        "price": None,
        "items": [{"name": "a", "units": 1}, {"name": "b", "units": 2}],
        "notes": {"x": "y"},
    }
    made = form(Wish.model_json_schema(), value)
    assert made is not None
    typed = {field.name: field.typed for field in made if field.kind not in ("group", "list")}
    assert read_form(made, typed) == (value, {})
    changed = typed | {"items/0/units": "7", "items/1/-": "on", "price": "1.5", "urgent": "false", "notes": "{}"}
    assert read_form(made, changed) == (
        {"kind": "plain", "urgent": False, "price": 1.5, "items": [{"name": "a", "units": 7}], "notes": {}},
        {},
    )
    for wrong in ("", "x", "NaN", "true", "1 2", "[1]"):
        assert read_form(made, typed | {"items/0/units": wrong})[1] == {"items/0/units": "is no number"}
    assert read_form(made, typed | {"notes": "{"})[1] == {"notes": "is no JSON"}
    assert form(Wish.model_json_schema(), value | {"items": [{"name": "a", "units": 1}] * 200}) is None


def test_a_run_is_drawn_and_told(site: Site) -> None:
    request, dora = site.asked(), site.browser("dora")
    waiting = dora.get(f"/runs/{request.run}").text
    assert "It waits for somebody" in waiting and "sign: waiting" in waiting and "<svg" in waiting
    site.decide(request.id, answer="approve", option="kinder")
    site.service.resume(request.run)
    done = dora.get(f"/runs/{request.run}").text
    told = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", done.partition('<ol class="timeline">')[2].partition("</ol>")[0]))
    assert "dora started the run" not in told and told.count("chose kinder at sign") == 1 and "post" in told, told
    assert "1 done, 1 withdrawn" in done
    assert f'href="/runs/{request.run}"' in dora.get("/runs").text
    assert request.run not in dora.get("/runs?status=waiting").text


def test_something_is_frozen_and_thawed_on_the_page(site: Site) -> None:
    request, dora = site.asked(), site.browser("dora")
    said = dora.form("/freezes", "/freezes") | {"system": "letters", "reason": "wait <a moment>"}
    assert dora.post("/freezes", said).status_code == 303
    (freeze,) = site.service.freezes()
    assert "wait &lt;a moment&gt;" in dora.get("/freezes").text
    assert "after the" in dora.get(f"/requests/{request.id}").text
    assert "<strong>Frozen:</strong>" in (listed := dora.get("/requests").text) and "Decide within" not in listed
    thaw = dora.form("/freezes", f"/freezes/{freeze.id}/thaw")
    refused = dora.post(f"/freezes/{freeze.id}/thaw", thaw)
    assert refused.status_code == 422 and site.service.freezes()
    assert dora.post(f"/freezes/{freeze.id}/thaw", thaw | {"reason": "go on"}).status_code == 303
    assert not site.service.freezes()
    wrong = dora.post("/freezes", said | {"target": "agent:wriet", "reason": "kept"})
    assert wrong.status_code == 422 and ">kept</textarea>" in wrong.text


def test_what_is_not_there_is_a_page(site: Site) -> None:
    dora = site.browser("dora")
    for path in ("/requests/req_0", "/runs/run_0", "/nowhere", "/static/nothing"):
        page = dora.get(path)
        assert page.status_code == 404 and "<h1>Not here</h1>" in page.text


def test_without_its_program_a_run_shows_what_was_crossed_and_nothing_can_be_edited(sqlite_url: str) -> None:
    with standing(sqlite_url, program=False) as site:
        request, dora = site.asked(), site.browser("dora")
        assert "not at hand" in dora.get(f"/runs/{request.run}").text
        assert "Edit the proposal" not in dora.get(f"/requests/{request.id}").text
        assert dora.get(f"/requests/{request.id}/edit").status_code == 409


def test_a_request_of_which_payloads_were_erased_is_still_shown(site: Site) -> None:
    request, dora = site.asked("ann"), site.browser("dora")
    site.service.reject(request.id, by="dora", reason="not like that")
    site.service.resume(request.run)
    site.service.portal.call(
        lambda: site.service.office.keeping.erase_payloads("run", request.run, by="alice", reason="they asked for it")
    )
    page = dora.get(f"/requests/{request.id}")
    assert page.status_code == 200 and "[erased]" in page.text and "dear ann" not in page.text
    assert "not like that" in page.text and "dear ann" not in str(site.shown(request.id))
    assert dora.get(f"/runs/{request.run}").status_code == 200
