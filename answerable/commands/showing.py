"""What a person is shown: requests with their options, runs, and how a run went.

1. Options stand side by side: what each serves, of how much, in each tier; how many inversions; how many calls it would
   release; and each number in which the options' messages differ. Nothing is preselected.
2. What an agent wrote is marked as an agent's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from answerable.agents.texts import plain, plain_lines
from answerable.approvals.asking.resting import facts_shown, why_anew
from answerable.approvals.deciding.decisions import YES
from answerable.approvals.revoking import REVOKED
from answerable.commands.saying import short, table, when
from answerable.orchestrator.reports import OpenRequest
from answerable.tracing.clock import micros
from answerable.tracing.spans.tree import length

_STYLES: Final = {
    "done": "green",
    "waiting": "yellow",
    "running": "cyan",
    "frozen": "blue",
    **dict.fromkeys(("failed", "stuck", "denied", "cancelled"), "red"),
}
_MESSAGE_CHARACTERS: Final = 2000


def status_text(status: str) -> Text:
    """A run's status, coloured."""
    return Text(plain(status), _STYLES.get(status, ""))


def request_shown(
    request: OpenRequest,
    names: Mapping[str, str],
    *,
    whole: bool = False,
    ballot: Mapping[str, Any] | None = None,
    frozen: bool = False,
) -> RenderableType:
    """A request with its options; `whole` adds the proposed message and every call, `ballot` who has answered."""
    head = Text.assemble(
        ("request ", "bold"),
        (request.id, "bold"),
        "  frozen: it can be decided after the thaw\n" if frozen else f"  {plain(request.state)}\n",
        f"{plain(request.approval)} of {plain(request.system)}, run {request.run}\n",
        f"asks {plain(request.asks)}, until {when(request.expires_at)}; after a yes, its calls leave within"
        f" {length(micros(request.execute_within_seconds))}, or not at all",
    )
    if request.edited_from:
        head.append(f"\nan edit of {request.edited_from}")
    if request.capped:
        head.append(f"\nthe standing rule {request.capped} would have decided it, but for its cap")
    for stage in request.escalations:
        said = "escalated: since" if stage.stage <= request.stage else "if nobody decides by"
        if stage.stage <= request.stage or request.state == "open":
            head.append(f"\n{said} {when(stage.at)}, {plain(str(stage.to))} may decide as well")
    parts: list[RenderableType] = [head, *_resting(request, names), Text(), options_table(request)]
    if request.view.get("erased"):
        parts.append(Text("what was shown was erased", "yellow"))
    if request.view.get("trouble_with_options"):
        parts.append(Text(f"no alternatives: {plain(request.view['trouble_with_options'])}", "yellow"))
    if ballot and (ballot["votes"] or request.asked.denials > 1):
        parts.append(_votes(ballot))
    if request.decision is not None:
        made = request.decision
        by = names.get(made.by, made.by) or "nobody, in time"
        chosen = f" {made.option}" if made.option else ""
        others = [names.get(one, one) for one in made.people if one != made.by]
        by = f"{by} (with {', '.join(others)})" if others else by
        parts.append(Text(f"\n{made.outcome}{chosen} by {plain(by)} on {when(made.at)} ({made.assurance or 'no one'})"))
        if made.reason:
            parts.append(Text(f"reason: {plain_lines(made.reason)}"))
        if made.broke_glass:
            parts.append(Text("the glass was broken: one person decided alone what others were asked", "red"))
        if made.revoked:
            parts.append(Text(f"revoked since: {REVOKED[made.revoked]}", "red"))
        elif made.outcome in YES:
            parts.append(Text(f"sent by {when(made.at + micros(request.execute_within_seconds))}, or not at all"))
    if whole:
        parts += [Text(), *_calls(request), Text("\nproposed, in the agents' own words:", "bold"), _message(request)]
        parts.append(Text(f"\ndigest {request.digest}", "dim"))
    return Group(*parts)


def _resting(request: OpenRequest, names: Mapping[str, str]) -> list[RenderableType]:
    """What it takes the place of, and the facts that it rests on, old → new."""
    parts: list[RenderableType] = []
    before = request.view.get("before")
    if before:
        why = why_anew(before, names.get(before["by"], before["by"]))
        parts.append(Text(f"\nasked anew, in the place of {request.in_place_of}: {plain(why)}", "yellow"))
        if before["reason"]:
            parts.append(Text(f"reason: {plain_lines(before['reason'])}"))
    facts = facts_shown(request.view)
    if facts:
        parts.append(Text("\nrests on (a name may be an agent's own words):", "bold"))
    for fact in facts:
        now, was = ("not there" if value is None else plain(value) for value in (fact.now, fact.was))
        said = f"  {plain(fact.name)}: {was} → {now}" if fact.moved else f"  {plain(fact.name)}: {now}"
        parts.append(Text(said, "yellow" if fact.moved else ""))
    return parts


def _votes(ballot: Mapping[str, Any]) -> Text:
    told = Text()
    for vote in ballot["votes"]:
        by = f"{vote['by']} for {vote['for_person']}" if vote["for_person"] else vote["by"]
        said = vote["option"] if vote["answer"] == "approved" else "no"
        told.append(f"\n{plain(by)} voted {plain(said)} ({vote['assurance']})", "" if vote["counts"] else "dim strike")
    for option, missing in ballot["missing"].items():
        told.append(f"\nfor {plain(option)} it takes {plain(missing)} besides", "yellow")
    if noes := ballot["missing_to_deny"]:
        told.append(f"\n{noes} {'denies' if noes.endswith('no') else 'deny'} it", "dim")
    return told


def options_table(request: OpenRequest) -> RenderableType:
    """The options side by side, one column each; it fits 80 cells for four or five options."""
    options: Sequence[Mapping[str, Any]] = request.view["options"]
    messages = [option["message"] for option in options]
    rows: list[list[str | Text]] = [
        [tier, *(_share((option["tiers"] or {}).get(tier)) for option in options)] for tier in request.view["tiers"]
    ]
    if any(option["inversions"] is not None for option in options):
        rows.append(["inversions", *(_number(option["inversions"]) for option in options)])
    if any(option.get("value") is not None for option in options):
        rows.append(["worth", *("" if option.get("value") is None else f"{option['value']:,}" for option in options)])
    rows.append(["calls", *(str(len(option["calls"])) for option in options)])
    rows += [[_named(field), *(_amount(field, message[field]) for message in messages)] for field in _numbers(messages)]
    names = [option["name"] for option in options]
    return table("", *names, rows=rows, right=names)


def _share(tier: Sequence[int] | None) -> Text:
    if tier is None:
        return Text("")
    demand, served = tier
    return Text(f"{served} of {demand}", "green" if served >= demand else "red" if served == 0 else "yellow")


def _number(count: int | None) -> str:
    return "" if count is None else str(count)


def _numbers(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """The fields that are numbers in every message, and not the same in all."""
    found = []
    for name in messages[0]:
        values = [message.get(name) for message in messages]
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        if numbers and len(set(values)) > 1:
            found.append(name)
    return found


def _named(field: str) -> str:
    return plain(field.removesuffix("_cents").replace("_", " "))


def _amount(field: str, value: float) -> str:
    return f"{value / 100:,.2f}" if field.endswith("_cents") else f"{value:,}"


def _calls(request: OpenRequest) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for option in request.view["options"]:
        parts.append(Text(f"{plain(option['name'])} would release:", "bold"))
        for call in option["calls"]:
            body = call["body"] if isinstance(call["body"], str) else json.dumps(call["body"])
            parts.append(Text(f"  {plain(call['name'])}: {plain(call['method'])} {plain(call['url'])}"))
            parts.append(Text(f"    {plain(body)}", "dim"))
    return parts


def _message(request: OpenRequest) -> Text:
    said = json.dumps(request.message, indent=1, ensure_ascii=True)
    if len(said) > _MESSAGE_CHARACTERS:
        left = len(said) - _MESSAGE_CHARACTERS
        said = f"{said[:_MESSAGE_CHARACTERS]}\n… {left} more characters: `answerable show {request.id} --json` has all"
    return Text(plain_lines(said), "dim")


def run_shown(document: Mapping[str, Any]) -> RenderableType:
    """A run in short: how it stands, who was asked and said what, and what left."""
    head = Text.assemble(("run ", "bold"), (document["run"], "bold"), f" of {plain(document['system'])}  ")
    head.append_text(status_text(document["status"]))
    if document["detail"]:
        head.append(f"\n{plain_lines(document['detail'])}", "red")
    head.append(f"\nstarted by {plain(document['started_by'])}, answered for by {plain(document['responsible'])}")
    hops = sum(edge["count"] for edge in document["edges_crossed"])
    head.append(
        f"\n{hops} hops on {len(document['edges_crossed'])} edges, {document['records']} records,"
        f" {document['spans']} spans",
        "dim",
    )
    parts: list[RenderableType] = [head]
    if document["requests"]:
        parts.append(decisions_table(document))
    if document["effects_by_state"]:
        parts.append(Text("calls: " + _counted(document["effects_by_state"])))
    return Group(*parts)


def _who(said: Mapping[str, Any]) -> str:
    """Who voted or decided, for whom, and how sure we are of them."""
    acting = f" for {said['for_person']}" if said["for_person"] else ""
    return f"{said['by'] or 'nobody, in time'}{acting} ({said['assurance'] or 'no one'})"


def decisions_table(document: Mapping[str, Any]) -> RenderableType:
    """Each request of a run, who voted on it and what they said, and what became of it."""
    decided = {decision["request"]: decision for decision in document["decisions"]}
    rows = []
    for request in document["requests"]:
        made, where = decided.get(request["id"]), [short(request["id"]), request["approval"]]
        votes = [vote for vote in document["votes"] if vote["request"] == request["id"]]
        rows += [[*where, f"voted {vote['option'] or 'no'}", _who(vote), vote["reason"]] for vote in votes]
        answer = request["state"] if made is None else f"{made['outcome']} {made['option']}".strip()
        answer += " (revoked since)" if made is not None and made["revoked"] else ""
        rows.append([*where, answer, *(("", "") if made is None else (_who(made), made["reason"]))])
    return table("request", "approval", "answer", "by", "reason", rows=rows)


def _counted(states: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {plain(state)}" for state, count in states.items())


def calls_text(document: Mapping[str, Any]) -> Text:
    """What became of the calls."""
    return Text(_counted(document["effects_by_state"]) or "none")
