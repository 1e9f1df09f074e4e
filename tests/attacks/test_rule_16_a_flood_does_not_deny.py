"""Rule 16: a flood does not deny: not in bytes, not in questions, not in guesses."""

from __future__ import annotations

from typing import Any

import pytest

from answerable.approvals.asking.listing import page_of_requests
from answerable.approvals.asking.quotas import Quota
from answerable.approvals.asking.requests import RequestRow
from answerable.errors import NotEligible
from answerable.inbox import limits
from answerable.inbox.guarding import MOST_BYTES
from answerable.testing import FakeReceiver
from tests.approvals.test_floods import flooded, frozen, of_run
from tests.inbox.site import API, Site, problem, standing
from tests.orchestrator.letters import Account, Ask, serving


def test_a_body_of_10_mb_is_not_read(site: Site) -> None:
    request = site.asked()
    dora = {**site.headers("dora"), "Content-Type": "application/json"}
    path = f"{API}/requests/{request.id}/decisions"
    whole = site.client.post(path, content=b" " * 10_000_000, headers=dora)
    pieces = site.client.post(path, content=(b" " * 100_000 for _ in range(100)), headers=dora)
    assert problem(whole) == problem(pieces) == (413, "invalid-input")
    message = {"text": "x" * MOST_BYTES}
    assert problem(site.decide(request.id, answer="edit", message=message)) == (413, "invalid-input")
    assert site.is_untouched(request.id)


def test_one_person_is_answered_only_so_often_and_others_meanwhile(sqlite_url: str) -> None:
    with standing(sqlite_url) as site:
        dora, emil = site.headers("dora"), site.headers("emil")
        for _ in range(limits.READING.burst):
            assert site.client.get(f"{API}/me", headers=dora).status_code == 200
        refused = site.client.get(f"{API}/me", headers=dora)
        assert problem(refused) == (429, "too-many-requests") and int(refused.headers["retry-after"]) > 0
        assert site.client.get(f"{API}/me", headers=emil).status_code == 200
        site.clock.advance(1 / limits.READING.per_second)
        assert site.client.get(f"{API}/me", headers=dora).status_code == 200


def test_whoever_guesses_tokens_is_not_listened_to_for_a_while_and_others_are(sqlite_url: str) -> None:
    with standing(sqlite_url) as site:
        guess: Any = {"Authorization": f"Bearer answerable_tok_{'0' * 72}"}
        for _ in range(limits.GUESSING.burst):
            assert problem(site.client.get(f"{API}/me", headers=guess)) == (401, "not-authenticated")
        assert problem(site.client.get(f"{API}/me", headers=guess)) == (429, "too-many-requests")
        # from the same address, as everybody is behind a proxy
        assert site.client.get(f"{API}/me", headers=site.headers("dora")).status_code == 200
        assert site.browser("emil").get("/requests").status_code == 200
        site.clock.advance(1 / limits.GUESSING.per_second)
        assert site.client.get(f"{API}/me", headers=site.headers("dora")).status_code == 200


@pytest.mark.anyio
async def test_a_flood_of_5_000_requests_beside_a_medical_one(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(flooded(quota=Quota(), count=5_000), store_url, receiver.origin) as service:
            flood = await service.arun(Ask(text="flood"), by="nils")
            medical = await service.arun(Ask(text="plan"), by="nils")
            assert await of_run(service, flood.id) == Quota().open
            page = await service.store.read(lambda tx: page_of_requests(tx, state="open", sort="tier", most=50))
            assert len(page.rows) == 50 and page.after
            first = page.rows[0]
            assert isinstance(first, RequestRow) and (first.run, first.approval) == (medical.id, "weigh")
            await service.aapprove(first.id, by="dora")
            assert (await service.aresume(medical.id)).result == Account(lines=["planned"])
            (stop,) = await service.afreezes()
            with pytest.raises(NotEligible, match="nils started the runs"):
                await service.athaw(stop.id, by="nils", reason="I am not done")
            assert len(await frozen(service)) == 1
