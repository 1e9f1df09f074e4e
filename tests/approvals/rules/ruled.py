"""What the tests of standing rules share: letters that a rule may let out, and the rule that does."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from answerable.approvals.rules.file import RuleFile, read_rule
from answerable.approvals.rules.rows import RuleRow
from answerable.orchestrator.app import App
from answerable.orchestrator.places import place_of
from answerable.orchestrator.service import Service
from tests.orchestrator.letters import Ask, Letter, Receipt, letters

SHORT = """\
name = "short-letters"
version = 1
purpose = "A short letter needs nobody."
author = "eve"
system = "letters"
approval = "sign"
option = "as-proposed"
effects = ["post"]
policy = '''
permit (principal, action, resource) when { context.seen.length <= 10 };
'''

[[caps]]
of = "count"
most = 3
per = "day"

[[tests]]
name = "a short one"
decides = true
context = { seen = { length = 3, asked = "hi" }, calls = { post = 1 } }

[[tests]]
name = "a long one"
decides = false
context = { seen = { length = 11, asked = "hello" }, calls = { post = 1 } }
"""


class Seen(BaseModel):
    """What a rule sees of a letter."""

    length: int
    asked: str


def seen(letter: Letter, ask: Ask) -> Seen:
    """Counted from what was asked, not from what an agent wrote about it."""
    return Seen(length=len(letter.text), asked=ask.text)


def ruled(**options: Any) -> App[Ask, Receipt]:
    """Letters of which a rule sees their length."""
    return letters(**{"context": seen, **options})


def rule_file(text: str = SHORT, **changed: str) -> RuleFile:
    """A rule, with lines that are written otherwise: `version="2"`."""
    for name, value in changed.items():
        lines = text.splitlines()
        text = "\n".join(f"{name} = {value}" if line.startswith(f"{name} = ") else line for line in lines)
    return read_rule(text, where="the rule")


async def proposed(service: Service[Any, Any], rule: RuleFile, *, by: str = "eve") -> RuleRow:
    """A rule that its author has proposed."""
    await service.people.aadd(by)
    place = place_of(service.app.graph, rule.approval)
    return await service.office.rules.propose(rule, place, by=by)


async def active(service: Service[Any, Any], rule: RuleFile | None = None, *, by: str = "dora") -> RuleRow:
    """A rule that "eve" proposed and somebody approved."""
    found = await proposed(service, rule or rule_file())
    return await service.office.rules.approve(found.head.id, by=by)
