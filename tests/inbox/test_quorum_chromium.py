"""Several people decide in browsers of their own, and each sees the others' steps live."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, expect

from answerable.orchestrator.reports import OpenRequest
from tests.commands import serving as letters_served
from tests.commands.conftest import Desk
from tests.inbox.served import serving
from tests.inbox.test_chromium import _page, _serious, chromium
from tests.orchestrator.letters import CARRIER, Ask
from tests.support.waiting import until

__all__ = ["chromium"]
SEVERAL = f"{letters_served.__name__}:connect_several"
PEOPLE = {"dora": "lead", "emil": "lead", "mia": "pharmacist"}


def _asked(desk: Desk) -> tuple[OpenRequest, dict[str, str]]:
    """A request that takes two leads and a pharmacist, and a token of each of them."""
    with letters_served.several.connect(desk.url, origins={CARRIER: desk.receiver.origin}) as service:
        tokens = {}
        for handle, name in PEOPLE.items():
            service.people.add(handle, roles=[name])
            _, tokens[handle] = service.portal.call(service.office.people.make_token, handle, seconds=3600)
        (request,) = service.run(Ask(text="ann"), by="nils").waiting_for
    return request, tokens


def _enter(page: Page, address: str, token: str) -> None:
    """Sign in, come to the request, and mark the page, so that a reload would show."""
    page.goto(address)
    page.get_by_label("Your token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("It takes")).to_be_visible()
    page.evaluate("window.neverReloaded = true")


def _was_not_reloaded(page: Page) -> bool:
    return bool(page.evaluate("window.neverReloaded === true"))


def test_three_people_decide_a_quorum_and_each_sees_the_others_live(chromium: Browser, desk: Desk) -> None:
    request, tokens = _asked(desk)
    environment = {**desk.environment, "ANSWERABLE_SERVICE": SEVERAL}
    with (
        serving(desk.url, environment=environment) as served,
        _page(chromium) as dora,
        _page(chromium) as emil,
        _page(chromium) as mia,
    ):
        address = f"{served.address}/requests/{request.id}"
        for page, handle in ((dora, "dora"), (emil, "emil"), (mia, "mia")):
            _enter(page, address, tokens[handle])
        expect(mia.get_by_text('2 of role("lead") and 1 of role("pharmacist")').first).to_be_visible()

        dora.get_by_role("button", name="Choose kinder").click()
        expect(dora.get_by_role("list", name="Who has answered")).to_contain_text("dora: kinder (token)")
        for page in (emil, mia):
            expect(page.get_by_role("list", name="Who has answered")).to_contain_text("dora: kinder (token)")
            expect(page.get_by_role("status")).to_contain_text('1 of role("lead") and 1 of role("pharmacist")')
            assert _was_not_reloaded(page)
        assert not _serious(mia)

        dora.evaluate("window.neverReloaded = true")
        mia.get_by_role("button", name="Choose kinder").click()
        expect(mia.get_by_role("list", name="Who has answered")).to_contain_text("mia: kinder (token)")
        for page in (dora, emil):
            expect(page.get_by_role("list", name="Who has answered")).to_contain_text("mia: kinder (token)")
            assert _was_not_reloaded(page)
        assert not desk.receiver.received

        mia.evaluate("window.neverReloaded = true")
        emil.get_by_role("button", name="Choose kinder").click()
        for page in (emil, dora, mia):
            expect(page.get_by_role("status")).to_contain_text("approved: kinder by emil, with dora, mia")
        assert _was_not_reloaded(dora) and _was_not_reloaded(mia)
        until(lambda: desk.receiver.happened, "the letter came")
    assert [one.json() for one in desk.receiver.happened] == [{"text": "dear ann, with love"}]
