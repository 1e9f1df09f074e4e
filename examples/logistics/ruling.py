"""The standing rule of the logistics company, and how it comes to have force there."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

from answerable import Service
from answerable.approvals.rules.file import RuleFile, read_rule
from answerable.approvals.rules.rows import RuleRow
from answerable.examples.logistics.people import DISPATCH_LEAD
from answerable.orchestrator.places import place_of

FILE: Final = "medical-floor.toml"


def rule_text() -> str:
    """The rule's file."""
    return files("answerable.examples.logistics").joinpath("rules", FILE).read_text(encoding="utf-8")


def medical_floor() -> RuleFile:
    """A medical floor may be applied without asking, up to so many units and so much of the margin a day."""
    return read_rule(rule_text(), where=FILE)


def give_force(service: Service[Any, Any]) -> RuleRow:
    """Have the rule proposed by its author and approved by the dispatch lead, unless it was before."""
    rule, desk, call = medical_floor(), service.office.rules, service.portal.call
    known = [one for one in call(desk.all) if (one.head.name, one.head.version) == (rule.name, rule.version)]
    found = known[0] if known else call(desk.propose, rule, place_of(service.app.graph, rule.approval), by=rule.author)
    if found.head.state != "proposed":
        return found
    return call(desk.approve, found.head.id, by=DISPATCH_LEAD, seen=found.head.digest)
