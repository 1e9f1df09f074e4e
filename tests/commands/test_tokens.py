"""`answerable token`: shown once, listed without its secret, revoked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from answerable.orchestrator.service import Service
from tests.commands import serving
from tests.commands.conftest import Desk
from tests.orchestrator.letters import Ask, Receipt


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


@pytest.mark.parametrize("given", ["", "30", "0d", "-1d", "30 d", "1w", "1.5h", "1dd"])
def test_what_is_no_duration_is_wrong_usage(desk: Desk, given: str) -> None:
    desk("people", "add", "dora")
    assert "is no duration" in desk("token", "create", "dora", "--expires", given, code=2).stderr
    assert desk.json("token", "list") == []


def test_what_is_too_long_is_told_the_most(desk: Desk) -> None:
    desk("people", "add", "dora")
    assert "at most 366d" in desk("token", "create", "dora", "--expires", "367d", code=2).stderr
    desk("people", "add", "emil")
    words = ("delegate", "dora", "--to", "emil", "--reason", "away", "--until")
    assert "at most 90d" in desk(*words, "91d", code=2).stderr
    said = desk(*words, "tomorrow", code=2).stderr
    assert "is no duration" in said and "366" not in said


def test_nobody_unknown_gets_one(desk: Desk) -> None:
    desk("people", "add", "dora")
    assert "unknown-id" in desk("token", "create", "nobody", code=1).stderr
    assert "no token" in desk("token", "revoke", "tok_", code=1).stderr


def _decided(desk: Desk) -> dict[str, str]:
    (run,) = desk.json("runs", "list")
    found: dict[str, str] = desk.json("runs", "show", run["run"])["decisions"][0]
    return found


def test_whoever_shows_a_token_acts_as_who_they_are(desk: Desk) -> None:
    request = desk.waiting().waiting_for[0].id
    token = desk.json("token", "create", "dora")["token"]
    desk("approve", request, "--option", "as-proposed", ANSWERABLE_TOKEN=token)
    decided = _decided(desk)
    assert (decided["by"], decided["assurance"]) == ("dora", "token")
    assert "dora" in desk("freeze", "--reason", "a storm", "--as", "dora", ANSWERABLE_TOKEN=token).stdout


def test_a_token_and_as_agree_or_nothing_is_done(desk: Desk) -> None:
    request = desk.waiting().waiting_for[0].id
    desk("people", "add", "emil", "--role", "lead")
    token = desk.json("token", "create", "dora")["token"]
    words = ("approve", request, "--option", "as-proposed")
    assert "not one of emil's" in desk(*words, "--as", "emil", code=1, ANSWERABLE_TOKEN=token).stderr
    assert "this is no token" in desk(*words, "--as", "dora", code=1, ANSWERABLE_TOKEN="dora").stderr
    desk("token", "revoke", desk.json("token", "list")[0]["id"])
    assert "not-authenticated" in desk(*words, code=1, ANSWERABLE_TOKEN=token).stderr
    assert "say who acts" in desk(*words, code=2).stderr
    assert desk.json("inbox")[0]["id"] == request


def connect(store: str) -> Service[Ask, Receipt]:
    """The letters, in a program that looks for a token."""
    assert "ANSWERABLE_TOKEN" not in os.environ
    return serving.connect(store)


def test_a_login_is_bound_listed_and_ended(desk: Desk) -> None:
    desk("people", "add", "dora", "--role", "lead")
    assert "no login is bound" in desk("people", "bindings").stdout
    words = ("people", "bind", "dora", "--issuer", "https://login.example", "--subject", "248289761001")
    assert "248289761001 of https://login.example is dora" in desk(*words).stdout
    assert "bound already" in desk(*words, code=1).stderr
    (bound,) = desk.json("people", "bindings")
    assert (bound["person"], bound["state"], bound["subject"]) == ("dora", "valid", "248289761001")
    desk("people", "unbind", bound["id"][:12])
    assert desk.json("people", "bindings")[0]["state"] == "ended"
    assert "ended already" in desk("people", "unbind", bound["id"], code=1).stderr
    assert "no binding" in desk("people", "unbind", "bnd_none", code=1).stderr
    assert "is no issuer" in desk("people", "bind", "dora", "--issuer", "login", "--subject", "1", code=1).stderr
    nobody = desk("people", "bind", "dora", "--issuer", "https://login.example", "--subject", "", code=1).stderr
    assert "the subject is empty" in nobody and "say why" not in nobody
    desk(*words)
    assert "248289761001" in desk("people", "bindings").stdout
    desk.waiting()  # from here on alice answers for a system
    desk("people", "erase", "dora", "--as", "alice", "--reason", "they asked")
    assert "248289761001" not in desk("people", "bindings").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--oidc-issuer", "http://login.example", "--oidc-client", "x"), "is no issuer"),
        (("--oidc-issuer", "https://login.example"), "no client"),
        (("--oidc-client", "x"), "which provider"),
    ],
)
def test_a_provider_that_cannot_be_is_refused_before_anything_is_served(
    desk: Desk, words: tuple[str, ...], said: str
) -> None:
    desk("people", "add", "dora")
    assert said in desk("serve", "--port", "0", *words, code=1).stderr


def test_a_key_is_made_registered_used_and_revoked(desk: Desk, tmp_path: Path) -> None:
    own: Any = {"ANSWERABLE_PERSON_KEY": str(tmp_path / "dora.key")}
    request = desk.waiting().waiting_for[0].id
    words = ("approve", request, "--option", "as-proposed", "--as", "dora", "--sign")
    assert "keys create" in desk(*words, code=1, **own).stderr
    assert str(tmp_path / "dora.key") in desk("keys", "create", **own).stdout
    assert (tmp_path / "dora.key").stat().st_mode & 0o077 == 0
    assert "there is a key already" in desk("keys", "create", code=1, **own).stderr
    assert "not a key of theirs" in desk(*words, code=1, **own).stderr
    assert "nobody has registered a key" in desk("keys", "list").stdout
    assert "makes nobody surer" in desk("keys", "register", "--as", "dora", **own).stdout
    token = desk("token", "create", "dora").stdout.split()[-1]
    assert "registered as token" in desk("keys", "register", **own, ANSWERABLE_TOKEN=token).stdout
    assert "already" in desk("keys", "register", "--as", "dora", code=1, **own).stderr
    desk(*words, **own)
    assert _decided(desk)["assurance"] == "signed"
    (known,) = desk.json("keys", "list")
    assert (known["person"], known["state"], known["registered_as"]) == ("dora", "stands", "token")
    desk("keys", "revoke", known["id"][:12], "--reason", "a new laptop", "--as", "dora")
    assert "revoked" in desk("keys", "list").stdout
    (tmp_path / "dora.key").chmod(0o644)
    assert "others may read" in desk(*words, code=1, **own).stderr
