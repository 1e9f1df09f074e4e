"""`answerable rules`: what lint says of a rule that could never decide, and which version is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Desk
from tests.inbox.test_rules import RULE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "one-letter.toml"


def test_lint_refuses_what_could_never_decide(desk: Desk, file: Path) -> None:
    file.write_text(RULE)
    said = desk("rules", "lint", str(file)).output
    assert "one-letter@1 can be a rule of sign" in said and "meant" not in said
    for old, new, wrong in (
        ("version = 1", "version = 1\nexpires = 2020-01-01T00:00:00Z", "expires before it is proposed"),
        ("most = 2", "most = 0", "a cap of zero"),
        ("context.calls.post == 1", "context.calls.post == 3", "'one': it asks a person"),
        ("when {", "when { false && ", "never applies to kinder of letters"),
        ("context.calls.post", "context.calls.telegram", "does not fit what a rule sees"),
        ('effects = ["post"]', "effects = []", "it would release post"),
        ('effects = ["post"]', 'effects = ["telegram"]', "releases no telegram; it may release post"),
    ):
        file.write_text(RULE.replace(old, new))
        assert wrong in desk("rules", "lint", str(file), code=1).stderr, wrong
    file.write_text(RULE.replace('effects = ["post"]', "").replace("post = 1", "post = 0").replace("== 1", "== 0"))
    assert "is that meant? effects names none of post" in desk("rules", "lint", str(file)).output


def test_a_rule_is_shown_by_its_name_alone(desk: Desk, file: Path) -> None:
    desk.waiting()
    desk("people", "add", "eve")

    def shown() -> str:
        name: str = desk.json("rules", "show", "one-letter")["rule"]
        return name

    for version in (1, 2, 3):
        file.write_text(RULE.replace("version = 1", f"version = {version}"))
        desk("rules", "propose", str(file), "--as", "eve")
        assert shown() == f"one-letter@{version}"  # the newest, as none is active
    desk("rules", "approve", "one-letter@2", "--as", "dora")
    assert shown() == "one-letter@2" and "one-letter@2  active" in desk("rules", "show", "one-letter").output
    assert desk.json("rules", "show", "one-letter@3")["state"] == "proposed"
    desk("rules", "replay", "one-letter")
    assert "there is no rule two-letters" in desk("rules", "show", "two-letters", code=1).stderr
