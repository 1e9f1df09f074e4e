"""The pages in a real browser: with a keyboard alone, on a phone, without JavaScript, for a screen reader, live."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from answerable.agents.people import quorum
from answerable.approvals.rules.file import read_rule
from answerable.orchestrator.places import place_of
from answerable.orchestrator.reports import OpenRequest, Run
from tests.commands.conftest import Desk
from tests.commands.serving import app
from tests.inbox.served import Served, serving
from tests.inbox.site import fields_of
from tests.inbox.test_rules import RULE
from tests.orchestrator.letters import CARRIER, LEAD, letters
from tests.support.servers import free_ports
from tests.support.waiting import until

_ANSWERABLE = Path(sys.executable).with_name("answerable")
_PHONE: Any = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
_PATIENCE_MS = 120_000  # nothing is said about time; a test that waits for longer has failed


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The Chromium that is installed."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("Chromium is not installed (`make test` installs it on Debian when run as root)")
    expect.set_options(timeout=_PATIENCE_MS)
    with sync_playwright() as playwright:
        # its sandbox does not work for root; the pages are ours
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield browser
        browser.close()


@contextmanager
def _page(browser: Browser, **options: Any) -> Iterator[Page]:
    """A page in a browser of its own; a mistake in its console fails the test."""
    context = browser.new_context(**options)
    context.set_default_timeout(_PATIENCE_MS)
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    context.close()
    assert not said


def _waiting(desk: Desk) -> tuple[Run[Any], str]:
    """A run that waits for a lead, and the token of "emil", who is one."""
    run = desk.waiting("ann")
    with app.connect(desk.url, origins={CARRIER: desk.receiver.origin}) as service:
        service.people.add("emil", roles=["lead"])
        _, token = service.portal.call(service.office.people.make_token, "emil", seconds=3600)
    return run, token


def _open(desk: Desk) -> list[OpenRequest]:
    with app.connect(desk.url, origins={CARRIER: desk.receiver.origin}) as service:
        return service.requests()


def _enter(page: Page, served: Served) -> None:
    page.goto(served.link)
    page.get_by_role("button", name="Enter as dora").click()


def _tab_to(page: Page, role: str, name: str) -> None:
    """Press Tab until what has this role and name is in focus."""
    target = page.get_by_role(role, name=name).first  # type: ignore[arg-type]  # a role by its name
    for _ in range(200):
        if target.evaluate("each => each === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {role} {name}")


def _serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['help']}" for one in found if one["impact"] in ("serious", "critical")]


def test_the_storm_is_decided_start_to_end_by_keyboard_alone(chromium: Browser, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'answerable.db'}"
    demo = [str(_ANSWERABLE), "demo", "logistics", "--decide", "wait", "--store", store]
    assert subprocess.run(demo, capture_output=True, check=False).returncode == 3
    with serving(store, "--as", "dora", environment={}) as served, _page(chromium) as page:
        page.goto(served.link)
        _tab_to(page, "button", "Enter as dora")
        page.keyboard.press("Enter")
        expect(page.get_by_text("medical goes short as proposed")).to_be_visible()
        assert not _serious(page)
        _tab_to(page, "link", "sign-off")
        page.keyboard.press("Enter")
        expect(page.get_by_role("row", name="medical")).to_contain_text("95 of 95")
        assert not _serious(page)
        _tab_to(page, "textbox", "Why")
        page.keyboard.type("medicine does not wait")
        page.keyboard.press("Enter")  # a new line, and no answer
        expect(page.get_by_text("Open.")).to_be_visible()
        _tab_to(page, "button", "Choose floor")
        page.keyboard.press("Enter")
        expect(page.get_by_text("approved: floor")).to_be_visible()
        _tab_to(page, "link", "the run")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("done")  # it goes on by itself, and the page says so
        expect(page.get_by_text("9 done")).to_be_visible()
        assert not _serious(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_request_is_decided_on_a_phone(chromium: Browser, desk: Desk, scheme: Any) -> None:
    run = desk.waiting("ann")
    with (
        serving(desk.url, "--as", "dora", environment=desk.environment) as served,
        _page(chromium, color_scheme=scheme, **_PHONE) as page,
    ):
        _enter(page, served)
        for path in ("/requests", f"/requests/{run.waiting_for[0].id}", f"/runs/{run.id}", "/runs", "/freezes"):
            page.goto(served.address + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= _PHONE["viewport"]["width"], path
            assert not _serious(page), path
        page.goto(f"{served.address}/requests/{desk.waiting('ann and ' * 40).waiting_for[0].id}")
        option = "e => parseFloat(getComputedStyle(e, '::before').width)"
        assert page.locator("td.said").first.evaluate(option) > 60  # its name is on one line, however long what it says
        page.goto(served.address)
        page.get_by_role("link", name="sign").first.tap()
        page.get_by_role("button", name="Choose kinder").tap()
        expect(page.get_by_text("approved: kinder")).to_be_visible()


def test_the_menu_takes_one_row_on_a_phone_and_opens_without_javascript(chromium: Browser, desk: Desk) -> None:
    desk.waiting("ann")
    with (
        serving(desk.url, "--as", "dora", environment=desk.environment) as served,
        _page(chromium, java_script_enabled=False, **_PHONE) as page,
    ):
        _enter(page, served)
        header, freezes = page.locator("header"), page.get_by_role("link", name="Freezes")
        tallest = header.evaluate("e => Math.max(...[...e.children].map(each => each.getBoundingClientRect().height))")
        assert header.bounding_box()["height"] < 2 * tallest  # type: ignore[index]  # it is drawn
        expect(freezes).to_be_hidden()
        expect(page.get_by_text("dora", exact=True)).to_be_visible()
        page.locator("summary", has_text="Menu").tap()
        freezes.tap()
        expect(page.get_by_role("heading", name="Stop something")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= _PHONE["viewport"]["width"]


def test_a_request_is_edited_and_decided_without_javascript(chromium: Browser, desk: Desk) -> None:
    _, token = _waiting(desk)
    with (
        serving(desk.url, "--as", "dora", environment=desk.environment) as served,
        _page(chromium, java_script_enabled=False) as dora,
        _page(chromium, java_script_enabled=False) as emil,
    ):
        _enter(dora, served)
        dora.get_by_role("link", name="sign").first.click()
        dora.get_by_role("link", name="Edit the proposal").click()
        dora.get_by_label("text").fill("dear all")
        dora.get_by_label("text").press("Enter")  # sends nothing
        dora.get_by_role("button", name="Propose this").click()
        expect(dora.get_by_text("nobody decides their own")).to_be_visible()
        emil.goto(dora.url)
        emil.get_by_label("Your token").fill(token)
        emil.get_by_role("button", name="Sign in").click()
        expect(emil.get_by_role("row", name="text")).to_contain_text("dear ann")
        emil.get_by_role("button", name="Choose as-proposed").click()
        expect(emil.get_by_text("approved: as-proposed")).to_be_visible()
        until(lambda: desk.receiver.happened, "the letter came")
    assert [one.json() for one in desk.receiver.happened] == [{"text": "dear all"}]


def test_what_one_person_decides_another_sees_live(chromium: Browser, desk: Desk) -> None:
    run, token = _waiting(desk)
    path = f"/requests/{run.waiting_for[0].id}"
    with (
        serving(desk.url, "--as", "dora", environment=desk.environment) as served,
        _page(chromium) as dora,
        _page(chromium) as emil,
    ):
        _enter(dora, served)
        dora.goto(served.address + path)
        dora.get_by_label("Why").fill("half a reason")
        emil.goto(served.address + path)
        emil.get_by_label("Your token").fill(token)
        emil.get_by_role("button", name="Sign in").click()
        emil.get_by_role("button", name="Choose kinder").click()
        expect(dora.get_by_text("approved: kinder")).to_be_visible()
        # what she typed stays; until the call has left, there is a form beside it that takes the decision back
        assert dora.locator("#reason").input_value() == "half a reason"


@pytest.mark.parametrize("javascript", [True, False])
def test_a_half_filled_form_survives_a_reload_of_the_server(chromium: Browser, desk: Desk, javascript: bool) -> None:
    run, token = _waiting(desk)
    path = f"/requests/{run.waiting_for[0].id}"
    context = chromium.new_context(java_script_enabled=javascript)
    context.set_default_timeout(_PATIENCE_MS)
    editing, deciding = context.new_page(), context.new_page()
    port = f"--port={free_ports(1)[0]}"  # of both
    with serving(desk.url, port, environment=desk.environment) as served:
        address = served.address
        editing.goto(f"{address}{path}/edit")
        editing.get_by_label("Your token").fill(token)
        editing.get_by_role("button", name="Sign in").click()
        editing.goto(f"{address}{path}/edit")
        editing.get_by_label("text").fill("half a let")
        editing.get_by_label("Why").fill("half a reason")
        deciding.goto(address + path)
        deciding.get_by_label("Why").fill("half a")
    with serving(desk.url, port, environment=desk.environment):
        assert deciding.get_by_label("Why").input_value() == "half a"
        deciding.get_by_label("Why").press("End")
        deciding.keyboard.type(" reason")
        deciding.get_by_role("button", name="Reject").click()
        expect(deciding.get_by_text("half a reason")).to_be_visible()
        assert editing.get_by_label("text").input_value() == "half a let"
        editing.get_by_role("button", name="Propose this").click()  # too late: it says so, and keeps what was typed
        expect(editing.get_by_role("alert")).to_contain_text("Nothing was changed")
        assert editing.get_by_label("text").input_value() == "half a let"
        assert editing.get_by_label("Why").input_value() == "half a reason"
    context.close()


def test_what_asks_the_same_is_answered_with_one_button_and_counted(chromium: Browser, desk: Desk) -> None:
    for _ in range(3):
        desk.waiting("ann")
    with (
        serving(desk.url, "--as", "dora", "--budget", "2", environment=desk.environment) as served,
        _page(chromium, **_PHONE) as page,
    ):
        _enter(page, served)
        expect(page.get_by_text("3 that ask the same")).to_be_visible()
        page.get_by_role("link", name="sign").first.tap()
        expect(page.get_by_role("button", name="Choose kinder for all 3")).to_be_visible()
        assert not _serious(page)
        page.get_by_label("Why").fill("all three are the same letter")
        page.get_by_role("button", name="Choose kinder for all 3").tap()
        expect(page.get_by_role("status")).to_contain_text("3 of 3")
        assert not _serious(page)
        page.goto(f"{served.address}/statistics")
        expect(page.get_by_role("heading", name="sign of letters")).to_be_visible()
        assert not _serious(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= _PHONE["viewport"]["width"]


class _Elsewhere(BaseHTTPRequestHandler):
    """A page on another port of the same host: it sends a form to us, with whatever cookies the browser adds."""

    page = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.page.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
        pass


def test_a_page_on_another_port_decides_nothing_though_the_cookie_goes_along(chromium: Browser, desk: Desk) -> None:
    run = desk.waiting("ann")
    request = run.waiting_for[0]
    with (
        serving(desk.url, "--as", "dora", environment=desk.environment) as served,
        ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere) as elsewhere,
    ):
        Thread(target=elsewhere.serve_forever, daemon=True).start()
        context = chromium.new_context()
        page, sent = context.new_page(), []
        _enter(page, served)
        action = f"{served.address}/requests/{request.id}/decisions"
        shown = page.request.get(f"{served.address}/requests/{request.id}").text()
        said = fields_of(shown, f"/requests/{request.id}/decisions")
        inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in said.items())
        button = '<button name="answer" value="approve:kinder">Win!</button>'
        _Elsewhere.page = f'<form method="post" action="{action}">{inputs}{button}</form>'
        context.on("request", lambda one: sent.append(one.all_headers()) if one.method == "POST" else None)
        page.goto(f"http://127.0.0.1:{elsewhere.server_address[1]}/")
        with page.expect_navigation() as navigated:
            page.get_by_role("button", name="Win!").click()
        assert navigated.value.status == 403
        elsewhere.shutdown()
        context.close()
    assert "answerable-" in sent[-1]["cookie"]  # it went along, and even the form's own word was right
    assert not desk.receiver.received and len(_open(desk)) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_standing_rule_is_read_and_approved_on_a_phone(chromium: Browser, desk: Desk, scheme: Any) -> None:
    with app.connect(desk.url, origins={CARRIER: desk.receiver.origin}) as service:
        service.people.add("eve")
        service.people.add("dora", roles=["lead"])
        rule = read_rule(RULE, where="the rule")
        place = place_of(service.app.graph, rule.approval)
        service.portal.call(service.office.rules.propose, rule, place, by="eve")
    with (
        serving(desk.url, "--as", "dora", environment=desk.environment) as served,
        _page(chromium, color_scheme=scheme, **_PHONE) as page,
    ):
        _enter(page, served)
        page.locator("summary", has_text="Menu").tap()
        page.get_by_role("link", name="Rules").tap()
        expect(page.get_by_role("heading", name="Standing rules")).to_be_visible()
        assert not _serious(page)
        page.get_by_role("link", name="one-letter@1").tap()
        expect(page.get_by_role("heading", name="What it does")).to_be_visible()
        page.wait_for_load_state()
        assert page.evaluate("document.documentElement.scrollWidth") <= _PHONE["viewport"]["width"]
        assert not _serious(page)
        page.get_by_role("button", name="Approve one-letter@1").tap()
        expect(page.get_by_role("status")).to_contain_text("dora approved it")
        assert not _serious(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_proposed_is_declined_and_accepted_after_all_on_a_phone(
    chromium: Browser, desk: Desk, scheme: Any
) -> None:
    with letters(by=quorum(2, LEAD)).connect(desk.url, origins={CARRIER: desk.receiver.origin}):
        pass
    with app.connect(desk.url, origins={CARRIER: desk.receiver.origin}):
        pass
    with (
        serving(desk.url, "--as", "alice", environment=desk.environment) as served,
        _page(chromium, color_scheme=scheme, **_PHONE) as page,
    ):
        page.goto(served.link)
        page.get_by_role("button", name="Enter as alice").click()
        page.goto(f"{served.address}/approvals")
        assert page.evaluate("document.documentElement.scrollWidth") <= _PHONE["viewport"]["width"]
        assert not _serious(page)
        page.get_by_label("Why not").fill("two see more than one")
        page.get_by_role("button", name="Decline these rules for sign").tap()
        expect(page.get_by_text("alice declined it on")).to_be_visible()
        expect(page.get_by_text("two see more than one")).to_be_visible()
        assert not _serious(page)
        page.get_by_role("button", name="Accept these rules for sign after all").tap()
        expect(page.get_by_text("accepted by alice")).to_be_visible()
        page.get_by_role("button", name="Accept is_short@2 for sign").tap()
        expect(page.get_by_text("Accepted by alice: what it says yes to passes")).to_be_visible()
        assert not _serious(page)
