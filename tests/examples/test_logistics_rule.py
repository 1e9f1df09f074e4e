"""The storm decided by the standing rule: to its end without a person, within its caps and no further."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from answerable.approvals.rules.checking import check_cases, check_rule
from answerable.commands.cli import cli
from answerable.errors import InvalidRule
from answerable.examples.logistics.founding import founding_case
from answerable.examples.logistics.messages import Storm
from answerable.examples.logistics.ruling import FILE, medical_floor, rule_text
from answerable.examples.logistics.seen import most_that_could_be_earned, seen
from answerable.examples.logistics.service import app
from answerable.examples.logistics.system import allocate, execute, forecast, route, system
from answerable.examples.logistics.world import storm
from answerable.orchestrator.places import place_of


def _command(folder: Path, *words: str, code: int = 0) -> Any:
    done = CliRunner().invoke(cli, [*words, "--store", f"sqlite:///{folder / 'storm.db'}"])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if "--json" in words else done.stdout


def test_the_rule_fits_the_system_and_does_what_its_cases_say() -> None:
    rule, place = medical_floor(), place_of(app.graph, "sign-off")
    check_rule(rule, place)
    check_cases(rule, place)
    assert (rule.system, rule.approval, rule.option) == (system.name, "sign-off", "floor")


def test_a_case_that_no_option_could_be_shows_nothing_even_where_it_should_be_asked() -> None:
    rule, place = medical_floor(), place_of(app.graph, "sign-off")
    asks = next(case for case in rule.tests if not case.decides)
    part = asks.model_copy(update={"context": {"seen": asks.context["seen"]}})
    with pytest.raises(InvalidRule, match=r"no option has such a context: .*calls") as refused:
        check_cases(rule.model_copy(update={"tests": (part,)}), place)
    assert "rules schema sign-off" in refused.value.hint


def test_what_the_rule_sees_is_counted_and_not_what_a_plan_says() -> None:
    made = storm(2015)
    plan = execute.fn(route.fn(allocate.fn(forecast.fn(made), made), made), made)
    found = seen(plan, made)
    assert found == seen(plan.model_copy(update={"margin_cents": 10**9, "costs_cents": 0}), made)
    assert found.medical_units == 0 and 0 <= found.cost_cents < plan.margin_cents


def test_no_plan_earns_more_than_full_trucks_would() -> None:
    case = founding_case()
    assert most_that_could_be_earned(case) == 62_000
    none = case.model_copy(update={"today": case.today.model_copy(update={"trucks": {"Kent": 0}})})
    assert most_that_could_be_earned(Storm.model_validate(none.model_dump())) == 0


def test_the_storm_runs_to_its_end_with_nobody_asked_and_beyond_the_cap_it_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = _command(tmp_path, "demo", "logistics", "--rule", "--json")
    assert said["status"] == "done" and said["served"]["medical"]["governed"] == said["served"]["medical"]["demand"]
    (decision,) = said["decisions"]
    assert (decision["outcome"], decision["by"], decision["option"]) == ("ruled", "medical-floor@1", "floor")
    assert decision["voters"] == ["dora", "alice"]
    why = _command(tmp_path, "why", said["run"], "--as", "alice")
    assert "standing rule medical-floor@1 chose floor at sign-off without asking anybody" in why
    assert "Alice Adeyemi" in why and "Dora Duarte" in why and "approved the standing rule medical-floor@1" in why
    effect = next(one for one in said["effects"] if one["state"] == "done")
    assert "medical-floor@1" in _command(tmp_path, "why", effect["id"], "--as", "alice")
    (tmp_path / FILE).write_text(rule_text(), encoding="utf-8")
    replayed = _command(tmp_path, "rules", "replay", FILE, "--json")
    assert (replayed["asked"], replayed["decided"]) == (1, 1)

    again = _command(tmp_path, "demo", "logistics", "--rule", "--decide", "wait", "--json", code=3)
    (request,) = [one for one in again["requests"] if one["state"] == "open"]
    assert again["status"] == "waiting" and request["capped"] == "medical-floor@1"
    shown = _command(tmp_path, "show", request["id"])
    assert "the standing rule medical-floor@1 would have decided it, but for its cap" in shown
    _command(tmp_path, "people", "add", "dora")  # who is no dispatch lead any more
    listed = _command(tmp_path, "rules", "list")
    assert "suspended" in listed and "medical-floor@1 decides nothing: it takes 1 of" in listed
    assert "it decides nothing: it takes 1 of" in _command(tmp_path, "rules", "show", "medical-floor@1")
    assert _command(tmp_path, "ledger", "verify")
