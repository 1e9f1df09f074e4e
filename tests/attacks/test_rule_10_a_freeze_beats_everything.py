"""Rule 10: a freeze beats every approval, exemption and rule."""

from __future__ import annotations

import pytest

from tests.approvals.rules.ruled import active, ruled
from tests.inbox.site import Site, problem, standing
from tests.orchestrator.letters import Ask

YES = {"answer": "approve", "option": "kinder"}


@pytest.mark.parametrize("target", ["system", "effect:post", "agent:sign"])
def test_a_yes_that_was_given_before_a_freeze_sends_nothing_under_it(site: Site, target: str) -> None:
    request = site.asked()
    site.decide(request.id, **YES)
    freeze = site.service.freeze(target, by="emil", reason="wait")
    for _ in range(3):
        site.clock.advance(60)
        assert site.service.resume(request.run).status == "frozen"
    assert not site.receiver.received
    site.service.thaw(freeze.id, by="alice", reason="go on")
    assert site.service.resume(request.run).status == "done" and len(site.receiver.happened) == 1


def test_nothing_is_decided_while_it_is_frozen_and_no_time_runs_out(site: Site) -> None:
    request = site.asked()
    site.service.freeze(by="emil", reason="wait")
    for person in ("dora", "alice"):
        assert problem(site.decide(request.id, person, **YES)) == (409, "not-open")
    site.clock.advance(10 * 3600)
    site.service.resume(request.run)
    assert site.service.request(request.id).state == "open"  # suspended: neither approved nor denied


def test_a_standing_rule_lets_nothing_out_of_what_is_frozen(store_url: str) -> None:
    with standing(store_url, app=ruled()) as site:
        site.service.portal.call(active, site.service)
        site.service.freeze("effect:post", by="emil", reason="wait")
        run = site.service.run(Ask(text="hi"), by="nils")
        assert run.status == "frozen" and not site.receiver.received
