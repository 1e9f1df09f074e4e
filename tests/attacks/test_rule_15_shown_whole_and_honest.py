"""Rule 15: what is shown is what is bound: nothing misleads, and nothing is cut without saying so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.inbox.site import Site, problem, standing
from tests.orchestrator.letters import Ask, Letter, letters


@pytest.mark.parametrize("spoiled", ["evil\u202e", "evil\x1b[2J", "evil\x00"])
def test_texts_that_mislead_are_refused(site: Site, spoiled: str) -> None:
    request = site.asked()
    assert problem(site.decide(request.id, answer="reject", reason=spoiled)) == (422, "invalid-input")
    assert problem(site.decide(request.id, answer="approve", option=spoiled)) == (422, "invalid-input")
    assert site.is_untouched(request.id)


@pytest.mark.parametrize(
    "text", ["evil\u202egnp.exe", "a\x1b[2Jb", "zero\u200bwidth", "\u2066isolated", "\u3164\U000e0041"]
)
def test_characters_that_mislead_are_made_visible(sqlite_url: str, text: str) -> None:
    def hostile(ask: Ask) -> Letter:
        return Letter(text=f"{text} <script>alert(1)</script> {{{{ 7 * 7 }}}}")

    with standing(sqlite_url, app=letters(writer=hostile, denied=True)) as site:
        request, dora = site.asked(), site.browser("dora")
        for path in (f"/requests/{request.id}", f"/requests/{request.id}/edit", f"/runs/{request.run}"):
            page = dora.get(path).text
            assert not [one for one in page if (not one.isprintable() and one != "\n") or one == "\u3164"]
            assert "ritten by" in page or "/runs/" in path  # and whose words they are
            assert "<script>alert" not in page and " 49 " not in page


def test_a_large_body_is_cut_and_says_so_and_is_whole_in_its_file(sqlite_url: str) -> None:
    def long(ask: Ask) -> Letter:
        return Letter(text="x" * 50_000)

    with standing(sqlite_url, app=letters(writer=long)) as site:
        request, dora = site.asked(), site.browser("dora")
        page = dora.get(f"/requests/{request.id}").text
        (effect,) = (call["effect"] for call in site.shown(request.id)["body"]["options"][0]["calls"])
        assert "more characters are not shown here" in page
        file: Any = dora.get(f"/requests/{request.id}/calls/{effect}")
        assert len(file.content) == 50_011 and "attachment" in file.headers["content-disposition"]
