"""`answerable rules`: standing rules, from their file to their end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from answerable.agents.texts import plain_lines
from answerable.approvals.rules.cedar import shown
from answerable.approvals.rules.checking import check_cases, check_rule, doubts, try_cases
from answerable.approvals.rules.contexts import Place
from answerable.approvals.rules.file import RuleFile, read_rule_file
from answerable.approvals.rules.life import so_far
from answerable.approvals.rules.replaying import Replayed, replay
from answerable.approvals.rules.rows import RuleRow
from answerable.approvals.rules.times import times_of
from answerable.approvals.who.identity import By, identified
from answerable.commands.acting import as_option, sign_option
from answerable.commands.exits import DIFFERS
from answerable.commands.options import (
    json_option,
    reason_option,
    service_option,
    store_option,
    system_option,
)
from answerable.commands.programs import find_program
from answerable.commands.reaching import at_office, one_system, read, whole_id
from answerable.commands.saying import say, say_json, short, table
from answerable.errors import UnknownId
from answerable.orchestrator.documents import handles
from answerable.orchestrator.graph import Graph
from answerable.orchestrator.office import Office
from answerable.orchestrator.places import place_of
from answerable.orchestrator.ruled import replay_document, replay_stored, rule_document, rule_lines, tried_document
from answerable.tracing.clock import SystemClock, to_the_second

_WHY_SUSPENDED = "it takes {} besides those who approved it and could do so now"
_file = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def rules() -> None:
    """Standing rules: approved policies that decide in a person's place."""


@rules.command()
@click.argument("approval")
@service_option
@system_option
@store_option
def schema(approval: str, service: str, system: str, store: str) -> None:
    """What a rule of APPROVAL sees of each option, as a Cedar schema."""
    known = system if service else read(store, lambda tx: one_system(tx, system))
    graph: Graph = find_program(service, known, store).app.graph
    say(shown(place_of(graph, approval).schema))


@rules.command()
@_file
@service_option
@store_option
def lint(file: Path, service: str, store: str) -> None:
    """Whether FILE can be a rule: its fields and times, its policy, its cases, and whether it could ever decide."""
    rule = read_rule_file(file)
    place = _place(rule, service, store)
    check_rule(rule, place)
    check_cases(rule, place)
    times_of(rule, at=SystemClock().now())
    say(f"{rule.name}@{rule.version} can be a rule of {rule.approval}: {_means(rule)}")
    _say_doubts(doubts(rule, place))


@rules.command()
@_file
@service_option
@store_option
@json_option
@click.pass_context
def test(ctx: click.Context, file: Path, service: str, store: str, as_json: bool) -> None:
    """Run the cases of FILE: each context, and whether the rule decides or asks."""
    rule = read_rule_file(file)
    place = _place(rule, service, store)
    check_rule(rule, place)
    found = [tried_document(one) for one in try_cases(rule, place)]
    if as_json:
        say_json(found)
    else:
        rows = [
            [
                one["name"],
                one["says"],
                Text(one["does"], "green" if one["as_said"] else "bold red"),
                one["why"],
            ]
            for one in found
        ]
        say(table("case", "says", "does", "why", rows=rows))
    if not all(one["as_said"] for one in found):
        ctx.exit(DIFFERS)


@rules.command("replay")
@click.argument("rule")
@service_option
@store_option
@json_option
def replay_(rule: str, service: str, store: str, as_json: bool) -> None:
    """What RULE, a file or a stored rule, would have decided of all that was asked before."""
    if rule.endswith(".toml"):
        file = read_rule_file(Path(rule))
        place = _place(file, service, store)
        check_rule(file, place)
        found = read(store, lambda tx: replay(tx, file.model_dump(), place.schema_text))
    else:
        found = at_office(store, lambda office: _replayed(office, rule))
    if as_json:
        say_json(replay_document(found))
        return
    say(str(found))
    for what, ids in (("denied by a person", found.denied), ("answered otherwise", found.otherwise)):
        if ids:
            say(f"{what}: {', '.join(map(short, ids))}")


@rules.command()
@_file
@as_option
@service_option
@store_option
def propose(file: Path, by: By, service: str, store: str) -> None:
    """Propose the rule in FILE, for others to approve; its author does."""
    rule = read_rule_file(file)
    place = _place(rule, service, store)
    check_rule(rule, place)
    check_cases(rule, place)
    made = at_office(store, lambda office: office.rules.propose(rule, place, by=by))
    say(f"{made.head.label} is proposed as {made.head.id}: {_means(rule)}", "It has no force until it is approved.")
    _say_doubts(doubts(rule, place))


@rules.command()
@click.argument("rule")
@as_option
@sign_option
@store_option
def approve(rule: str, by: By, store: str) -> None:
    """Approve RULE (NAME@VERSION or its id), as somebody who may decide what it will decide."""

    async def work(office: Office) -> tuple[RuleRow, str]:
        row = await office.rules.approve(await _id(office, rule), by=by)
        return row, (await office.store.read(lambda tx: so_far(tx, office.key, row, at=office.store.clock.now())))[1]

    made, missing = at_office(store, work)
    waits = f"; it still takes {missing}" if missing else ", which has force now"
    say(f"{identified(by).handle} has approved {made.head.label}{waits}")


@rules.command()
@click.argument("rule")
@reason_option
@as_option
@store_option
def revoke(rule: str, reason: str, by: By, store: str) -> None:
    """Revoke RULE: it decides nothing more, and what it released is not sent any more."""

    async def work(office: Office) -> RuleRow:
        return await office.rules.revoke(await _id(office, rule), by=by, reason=reason)

    say(f"{at_office(store, work).head.label} is revoked")


@rules.command("list")
@store_option
@json_option
def list_(store: str, as_json: bool) -> None:
    """Every version of every rule, and how it stands."""

    async def work(office: Office) -> list[dict[str, Any]]:
        now = office.store.clock.now()
        return await office.store.read(lambda tx: rule_lines(tx, office.key, at=now))

    found = at_office(store, work)
    if as_json:
        say_json(found)
        return
    rows = [
        [
            one["rule"],
            f"{one['approval']} of {one['system']}",
            one["state"],
            one["author"],
            ", ".join(one["approvers"] or one["approved_so_far"]),
            to_the_second(one["expires_at"]),
        ]
        for one in found
    ]
    columns = ("rule", "approval", "state", "author", "approved by", "expires (UTC)")
    say(table(*columns, rows=rows) if rows else "there is no rule")
    for one in found:
        if one["missing"]:
            say(f"{one['rule']} is proposed: it takes {one['missing']}")
        if one["lacks"]:
            say(f"{one['rule']} decides nothing: {_WHY_SUSPENDED.format(one['lacks'])}")


@rules.command()
@click.argument("rule")
@store_option
@json_option
def show(rule: str, store: str, as_json: bool) -> None:
    """What RULE says, and what its caps have been used for; by its NAME alone, the active version, or the newest."""

    async def work(office: Office) -> dict[str, Any]:
        row = await office.rules.get(await _version(office, rule))
        now = office.store.clock.now()
        return await office.store.read(lambda tx: rule_document(tx, office.key, row, handles(tx), at=now))

    found = at_office(store, work)
    if as_json:
        say_json(found)
        return
    caps = [[f"{cap['of']} per {cap['per']}", f"{cap['used']:,}", f"{cap['most']:,}"] for cap in found["caps"]]
    approved = ", ".join(found["approvers"] or found["approved_so_far"]) or "nobody yet"
    approved += f" (it still takes {found['missing']})" if found["missing"] else ""
    say(
        Text.assemble((found["rule"], "bold"), f"  {found['state']}  {plain_lines(found['purpose'])}"),
        f"at {found['approval']} of {found['system']} it chooses {found['option'] or 'nothing: it only forbids'}",
        f"it may release {', '.join(found['effects']) or 'no call'}",
        f"written by {found['author']}, approved by {approved}; it expires {to_the_second(found['expires_at'])} (UTC)",
        f"digest {found['digest']}",
    )
    if found["lacks"]:
        say(f"it decides nothing: {_WHY_SUSPENDED.format(found['lacks'])}")
    _say_doubts(found["doubts"])
    if caps:
        say(table("cap", "used", "at most", rows=caps, right=["used", "at most"]))
    say("", found["policy"].strip())


def _say_doubts(found: Sequence[str]) -> None:
    for doubt in found:
        say(Text(f"is that meant? {plain_lines(doubt)}", "yellow"))


def _place(rule: RuleFile, service: str, store: str) -> Place:
    graph: Graph = find_program(service, rule.system, store).app.graph
    return place_of(graph, rule.approval)


async def _id(office: Office, rule: str) -> str:
    return rule if "@" in rule else await office.store.read(lambda tx: whole_id(tx, "rule", rule))


async def _version(office: Office, rule: str) -> str:
    """The id of a rule; by its name alone, of the newest version that is active, or of the newest."""
    now, heads = office.store.clock.now(), [one.head for one in await office.rules.all() if one.head.name == rule]
    if not heads:
        return await _id(office, rule)
    systems = sorted({head.system for head in heads})
    if len(systems) > 1:
        raise UnknownId(f"{', '.join(systems)} have a rule {rule}", hint="`answerable rules list --json` has their ids")
    active = [head for head in heads if head.stands(at=now) == "active"]
    return max(active or heads, key=lambda head: head.version).id


async def _replayed(office: Office, rule: str) -> Replayed:
    row = await office.rules.get(await _version(office, rule))
    return await office.store.read(lambda tx: replay_stored(tx, row))


def _means(rule: RuleFile) -> str:
    if not rule.option:
        return "it only forbids"
    return f"it chooses {rule.option}, at most {'; '.join(map(str, rule.caps))}"
