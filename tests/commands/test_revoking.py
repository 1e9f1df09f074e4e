"""Taking a decision back on the command line."""

from __future__ import annotations

from tests.commands.conftest import Desk


def test_a_decision_is_taken_back_and_asked_anew(desk: Desk) -> None:
    run = desk.waiting("ann")
    (request,) = run.waiting_for
    made = desk.json("approve", request.id, "--option", "kinder", "--as", "dora")
    words = ["revoke", made["id"], "--code", "wrong", "--as", "dora", "--reason", "too kind"]
    assert "answerable runs resume" in desk(*words).stdout
    assert "revoked already" in desk(*words, code=1).stderr
    assert desk.json("runs", "resume", run.id, code=3)["status"] == "waiting"
    (anew,) = desk.json("inbox")
    assert anew["in_place_of"] == request.id
    shown = desk("show", anew["id"]).stdout
    assert f"asked anew, in the place of {request.id}: dora took the decision back" in shown and "too kind" in shown
    assert "revoked since: a person took it back" in desk("show", request.id).stdout
    assert "its calls leave within 1 d" in shown
    assert desk.receiver.received == []


def test_a_reason_needs_a_code_of_the_list(desk: Desk) -> None:
    (request,) = desk.waiting().waiting_for
    made = desk.json("approve", request.id, "--option", "kinder", "--as", "dora")
    refused = desk("revoke", made["id"], "--code", "whim", "--as", "dora", "--reason", "so", code=2)
    assert "unsafe" in refused.stderr
    assert (
        "a reason in words"
        in desk("revoke", made["id"], "--code", "wrong", "--as", "dora", "--reason", " ", code=1).stderr
    )


def test_glass_is_broken_and_reviewed(desk: Desk) -> None:
    (request,) = desk.waiting("ann").waiting_for
    words = ["approve", request.id, "--option", "kinder", "--break-glass", "--as", "dora", "--reason", "now"]
    assert "no glass" in desk(*words, "--code", "urgent", code=1).stderr
    assert "a reason's code" in desk(*words, code=1).stderr
    assert "nothing is to be reviewed" in desk("reviews", "list").stdout
    assert desk.json("reviews", "list", "--all") == []
    assert (
        "there is no review"
        in desk("reviews", "done", "rvw_1", "--verdict", "right", "--as", "dora", "--reason", "r", code=1).stderr
    )
    made = desk.json("reject", request.id, "--as", "dora", "--reason", "no", "--code", "unsafe")
    assert made["code"] == "unsafe"
