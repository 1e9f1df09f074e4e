"""`answerable token`: shown once, listed without its secret, revoked."""

from __future__ import annotations

import pytest

from tests.commands.conftest import Desk


def test_a_token_is_shown_once_listed_and_revoked(desk: Desk) -> None:
    desk("people", "add", "dora", "--role", "lead")
    assert "nobody has a token" in desk("token", "list").stdout
    made = desk.json("token", "create", "dora", "--expires", "12h", "--note", "night desk")
    assert made["token"].startswith("answerable_tok_") and made["person"] == "dora"
    (listed,) = desk.json("token", "list")
    assert (listed["id"], listed["person"], listed["state"], listed["note"]) == (
        made["id"],
        "dora",
        "valid",
        "night desk",
    )
    assert made["token"] not in desk("token", "list").stdout
    desk("token", "revoke", made["id"][:12])
    assert desk.json("token", "list")[0]["state"] == "revoked"
    assert "revoked already" in desk("token", "revoke", made["id"], code=1).stderr
    assert "answerable_tok_" in desk("token", "create", "dora").stdout


@pytest.mark.parametrize("given", ["", "30", "0d", "-1d", "367d", "30 d", "1w", "1.5h", "1dd"])
def test_what_is_no_duration_is_wrong_usage(desk: Desk, given: str) -> None:
    desk("people", "add", "dora")
    assert "is no duration" in desk("token", "create", "dora", "--expires", given, code=2).stderr
    assert desk.json("token", "list") == []


def test_nobody_unknown_gets_one(desk: Desk) -> None:
    desk("people", "add", "dora")
    assert "unknown-id" in desk("token", "create", "nobody", code=1).stderr
    assert "no token" in desk("token", "revoke", "tok_", code=1).stderr
