"""Signing in with a real provider in a real browser: from its own site to ours, out again, and in as somebody else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.commands.conftest import Desk
from tests.commands.serving import ORIGIN
from tests.inbox.provider import CLIENT, SECRET, Told, providing
from tests.inbox.served import Served, serving
from tests.inbox.test_chromium import _serious, chromium
from tests.orchestrator.letters import CARRIER, Ask, letters
from tests.support.servers import free_ports

__all__ = ["chromium"]

app = letters(requires="oidc", fresh=300)


def connect(store: str) -> Any:
    """The letters that ask for a fresh login."""
    return app.connect(store, origins={CARRIER: os.environ[ORIGIN]})


@pytest.fixture
def told() -> Iterator[tuple[Told, int]]:
    (port,) = free_ports(1)
    with providing(Told(redirects=[f"http://127.0.0.1:{port}/sign-in/oidc/back"])) as one:
        yield one, port


def _words(told: Told, port: int) -> tuple[str, ...]:
    return ("--port", str(port), "--as", "dora", "--oidc-issuer", told.issuer, "--oidc-client", CLIENT)


def _log_in(page: Page, told: Told, name: str) -> None:
    expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
    assert page.url.startswith(told.issuer)
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="I am").click()


def _signed_in_as(page: Page, served: Served, name: str) -> None:
    expect(page.get_by_role("banner")).to_contain_text(name)
    assert page.url.startswith(served.address)


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_one_signs_in_decides_signs_out_and_another_signs_in(
    chromium: Browser, desk: Desk, told: tuple[Told, int], java_script_enabled: bool
) -> None:
    provider, port = told
    environment = desk.environment | {"ANSWERABLE_OIDC_SECRET": SECRET, "ANSWERABLE_SERVICE": f"{__name__}:connect"}
    with app.connect(desk.url, origins={CARRIER: desk.receiver.origin}) as service:
        for name in ("dora", "emil"):
            service.people.add(name, roles=["lead"])
            service.portal.call(service.office.people.bind, name, issuer=provider.issuer, subject=f"{name}@idp")
        request = service.run(Ask(text="ann"), by="nils").waiting_for[0].id
    with (
        serving(desk.url, *_words(provider, port), environment=environment) as served,
        chromium.new_context(java_script_enabled=java_script_enabled) as context,
        context.new_page() as page,
    ):
        page.goto(served.link)
        page.get_by_role("button", name="Enter as dora").click()
        page.goto(f"{served.address}/requests/{request}")
        page.get_by_label("Why").fill("I have read it,\nall of it")
        with page.expect_response(lambda answer: answer.request.method == "POST") as refused:
            page.get_by_role("button", name="Choose as-proposed").click()
        assert refused.value.status == 403
        expect(page.get_by_text("Nothing was changed")).to_be_visible()
        if java_script_enabled:
            assert not _serious(page)
        page.get_by_role("link", name="Sign in again").click()
        _log_in(page, provider, "dora@idp")
        _signed_in_as(page, served, "dora")
        expect(page.get_by_label("Why")).to_have_value("I have read it,\nall of it")
        page.get_by_role("button", name="Choose as-proposed").click()
        expect(page.get_by_text("approved: as-proposed")).to_be_visible()
        expect(page.get_by_text("(oidc)")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_text("You are signed out here")).to_be_visible()
        if java_script_enabled:
            assert not _serious(page)
        page.goto(f"{served.address}/requests")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.get_by_role("link", name="Sign in with").click()  # the provider knows dora still
        _signed_in_as(page, served, "dora")
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("link", name="As somebody else").click()
        _log_in(page, provider, "emil@idp")
        if not java_script_enabled:  # the provider's own page, on which it forgets dora
            page.get_by_role("button", name="Continue").click()
        _signed_in_as(page, served, "emil")
        page.goto(f"{served.address}/requests/{request}")
        expect(page.get_by_text("I have read it")).to_be_visible()
