"""`answerable approvals`: what each approval asks by, what is proposed instead, and accepting or declining it."""

from __future__ import annotations

from answerable.agents.people import quorum, role
from answerable.testing import nowhere
from tests.commands.conftest import Desk
from tests.orchestrator.letters import CARRIER, LEAD, letters


def _connect(desk: Desk, **declared: object) -> None:
    with letters(**declared).connect(desk.url, origins={CARRIER: nowhere()}):  # type: ignore[arg-type]  # by name
        pass


def test_what_is_proposed_is_listed_and_accepted(desk: Desk) -> None:
    _connect(desk, by=quorum(2, LEAD))
    desk("people", "add", "dora", "--role", "lead")
    assert "as it was first declared" in desk("approvals", "list").output
    _connect(desk, by=role("anybody"))
    _connect(desk, denials=2)
    (one,) = desk.json("approvals", "list")
    assert [each["changes"][0] for each in one["proposed"]] == [
        {"name": "by", "was": '2 of role("lead")', "would_be": "role anybody"},
        {"name": "by", "was": '2 of role("lead")', "would_be": "role lead"},
    ]
    shown = desk("approvals", "list").output
    assert '    by: 2 of role("lead") → role anybody' in shown and "    denials: 1 → 2" in shown
    refused = desk("approvals", "accept", "sign", "--as", "alice", code=1).stderr
    digest = one["proposed"][1]["digest"][:12]
    assert "2 different rules are proposed" in refused and digest in refused
    assert "does not answer" in desk("approvals", "accept", "sign", "--digest", digest, "--as", "dora", code=1).stderr
    said = desk("approvals", "accept", "sign", "--digest", digest, "--as", "alice").output
    assert "alice has accepted the rules of deciding of sign" in said
    (one,) = desk.json("approvals", "list")
    assert (one["by"], one["assurance"], one["proposed"]) == ("alice", "asserted-local", [])
    assert (one["in_force"]["rules"]["by"], one["in_force"]["rules"]["denials"]) == ("role lead", "2")
    assert "accepted by alice (asserted-local)" in desk("approvals", "list").output


def test_what_is_proposed_is_declined_and_accepted_after_all(desk: Desk) -> None:
    _connect(desk, by=quorum(2, LEAD))
    desk("people", "add", "dora", "--role", "lead")
    _connect(desk)
    decline = ("approvals", "decline", "sign", "--reason", "two see more", "--as")
    assert "answerable approvals decline sign --digest" in desk("approvals", "list").output
    assert "does not answer" in desk(*decline, "dora", code=1).stderr
    assert "alice has declined what was proposed for sign" in desk(*decline, "alice").output
    assert "was declined" in desk(*decline, "alice", code=1).stderr
    shown = desk("approvals", "list").output
    assert "declined by alice on" in shown and "UTC: two see more" in shown and "approvals decline" not in shown
    ((one,),) = (each["proposed"] for each in desk.json("approvals", "list"))
    assert (one["declined"]["by"], one["declined"]["reason"]) == ("alice", "two see more")
    assert "was declined" in desk("approvals", "accept", "sign", "--as", "alice", code=1).stderr
    desk("approvals", "accept", "sign", "--digest", one["digest"][:12], "--as", "alice")
    (now,) = desk.json("approvals", "list")
    assert (now["in_force"]["rules"]["by"], now["proposed"]) == ("role lead", [])


def test_an_approval_without_rules_in_force_is_the_responsible_individuals(desk: Desk) -> None:
    _connect(desk)
    _connect(desk, named="release")
    shown = desk("approvals", "list").output
    assert "release of letters  nothing is in force: the Responsible Individual alone decides" in shown
    assert "    by: nothing → role lead" in shown


def test_a_role_that_nothing_asks_is_said(desk: Desk) -> None:
    assert desk("people", "add", "dora", "--role", "led").stderr == ""  # no system was connected yet
    _connect(desk, by=quorum(2, LEAD), escalate={60: role("ops")})
    _connect(desk, by=role("chief"))
    done = desk("people", "add", "dora", *(word for one in ("led", "ops", "chief") for word in ("--role", one)))
    assert "dora is registered" in done.stdout
    assert done.stderr.strip() == "no approval here asks the role led: did you mean lead?"


def test_nothing_is_delegated_at_an_approval_that_is_not_there(desk: Desk) -> None:
    _connect(desk)
    for handle in ("dora", "emil"):
        desk("people", "add", handle, "--role", "lead")
    words = ("delegate", "dora", "--to", "emil", "--until", "1h", "--system", "letters", "--reason", "holidays")
    refused = desk(*words, "--approval", "sing", code=1).stderr
    assert "'letters' has no approval 'sing'" in refused and "did you mean sign?" in refused
    assert desk.json("delegations", "list") == []
    desk(*words, "--approval", "sign")
