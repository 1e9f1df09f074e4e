"""Requests of one approval in the inbox's list: no two lines look alike that ask something else."""

from __future__ import annotations

import re
from html import unescape

import pytest

from answerable.inbox.leaves import leaves
from answerable.inbox.lines import MOST_CHARACTERS, apart
from tests.inbox.site import Site, standing
from tests.inbox.test_afterwards import RESTING, STOCK
from tests.orchestrator.letters import Letter


def told(page: str) -> dict[str, str]:
    """What each line tells, by the id of its request, as a screen reader has it: quoted texts are in quotes."""
    found = re.findall(r'<p id="t-(req_\w+)" class="told">(.*?)</p>', page, re.DOTALL)
    quoted = {id: re.sub(r"</?q[^>]*>", '"', text) for id, text in found}
    return {id: unescape(" ".join(re.sub(r"<[^>]+>", "", text).split())) for id, text in quoted.items()}


def test_each_line_says_where_its_message_is_another_and_that_an_agent_wrote_it(site: Site) -> None:
    ann, bob = site.asked("ann"), site.asked("bob")
    page = site.browser("dora").get("/requests").text
    assert told(page) == {ann.id: 'An agent wrote text "dear ann"', bob.id: 'An agent wrote text "dear bob"'}
    assert page.count('<q class="agent">') == 2
    assert f'aria-describedby="t-{ann.id}"' in page  # two links that have the same name
    assert page.count("1 post") == 2 and page.count("in a run of nils") == 2


def test_long_texts_are_shown_around_the_place_where_they_differ(site: Site) -> None:
    same = "the same words again and again " * 40
    one, other = site.asked(f"{same}yes{same}"), site.asked(f"{same}no{same}")
    longest = site.asked(f"{same}no{same}!")
    lines = told(site.browser("dora").get("/requests").text)
    assert "yes" in lines[one.id] and "yes" not in lines[other.id] and "!" in lines[longest.id]
    assert len(set(lines.values())) == 3
    assert all(len(line) < MOST_CHARACTERS + 30 and "…" in line for line in lines.values())


def test_an_edit_says_who_changed_what_old_to_new(site: Site) -> None:
    request = site.asked("ann")
    edited = site.service.edit(request.id, Letter(text="dear all"), by="dora")
    assert told(site.browser("emil").get("/requests").text) == {
        edited.id: 'dora changed text "dear ann" → "dear all"',
    }


def test_what_is_asked_anew_says_which_facts_moved(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STOCK, "paper", 40)
    with standing(sqlite_url, app=RESTING) as site:
        request = site.asked()
        site.decide(request.id, answer="approve", option="as-proposed")
        monkeypatch.setitem(STOCK, "paper", 7)
        (new,) = site.service.resume(request.run).waiting_for
        assert told(site.browser("dora").get("/requests").text) == {
            new.id: 'Asked anew, since these moved: "paper" "40" → "7"'
        }


def test_characters_that_are_not_seen_are_shown_as_what_they_are(site: Site) -> None:
    one, other = site.asked("ann"), site.asked("ann\u202egnp")
    lines = told(site.browser("dora").get("/requests").text)
    assert "\\u202e" in lines[other.id] and "\u202e" not in lines[other.id] and lines[one.id] != lines[other.id]


def test_what_is_alone_says_how_it_begins_and_what_a_list_of_the_past_had(site: Site) -> None:
    request = site.asked("ann")
    site.service.approve(request.id, by="dora")
    assert told(site.browser("dora").get("/requests?state=decided").text) == {
        request.id: 'An agent wrote text "dear ann"'
    }


@pytest.mark.parametrize("text", ["a\nb", ""])
def test_any_text_is_told_on_one_line(site: Site, text: str) -> None:
    request = site.asked(text)
    assert told(site.browser("dora").get("/requests").text)[request.id].startswith('An agent wrote text "dear')


def test_a_messages_own_fields_are_told_before_what_is_deep_in_it() -> None:
    message = {"cost_cents": 190377, "dispatches": [{"date": "2015-12-08"}], "note": "by the coast", "stops": []}
    ((kind, told),) = apart([dict(leaves(message))])
    assert kind == "message"
    assert [(one.where, one.now) for one in told] == [("cost", "1,903.77"), ("note", "by the coast"), ("stops", "none")]
