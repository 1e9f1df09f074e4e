"""Rule 4: a yes that rests on facts is void when they have moved, and is asked anew."""

from __future__ import annotations

from tests.inbox.site import standing
from tests.orchestrator.letters import Ask, Letter, letters


def test_a_fact_that_moves_between_the_yes_and_the_sending(store_url: str) -> None:
    stock = {"trucks": 3}

    def facts(letter: Letter, ask: Ask) -> dict[str, int]:
        return dict(stock)

    with standing(store_url, app=letters(facts=facts)) as site:
        request = site.asked()
        assert site.decide(request.id, answer="approve", option="as-proposed").status_code == 201
        stock["trucks"] = 2
        run = site.service.resume(request.run)
        assert run.status == "waiting" and not site.receiver.received
        (anew,) = run.waiting_for
        assert anew.id != request.id and anew.digest != request.digest
        stock["trucks"] = 3  # as it was when the first yes was given; that one does not come back
        assert site.service.resume(request.run).status == "waiting" and not site.receiver.received
        stock["trucks"] = 2
        assert site.decide(anew.id, answer="approve", option="as-proposed").status_code == 201
        assert site.service.resume(request.run).status == "done"
        assert len(site.receiver.happened) == 1
