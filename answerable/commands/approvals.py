"""`answerable approvals`: by which rules each approval asks, and that the RI accepts or declines what is proposed."""

from __future__ import annotations

from typing import Any

import click
from rich.text import Text

from answerable.agents.texts import plain
from answerable.approvals.who.identity import By, identified
from answerable.commands.acting import as_option, sign_option
from answerable.commands.options import json_option, reason_option, store_option, system_option
from answerable.commands.reaching import at_office, one_system, read
from answerable.commands.saying import command_line, say, say_json
from answerable.orchestrator.accepted import approval_document
from answerable.orchestrator.documents import handles
from answerable.orchestrator.office import Office
from answerable.tracing.clock import to_the_second

_digest = click.option(
    "--digest", default="", metavar="DIGEST", help="Of several that are proposed, which; or its beginning."
)


@click.group()
def approvals() -> None:
    """Who decides at each approval, and what is proposed instead."""


@approvals.command("list")
@store_option
@json_option
def list_(store: str, as_json: bool) -> None:
    """By which rules each approval asks, and what of them a newer version of its system would change."""

    async def work(office: Office) -> list[dict[str, Any]]:
        names = await office.store.read(handles)
        return [approval_document(one, names) for one in await office.approvals()]

    found = at_office(store, work)
    if as_json:
        say_json(found)
        return
    for one in found:
        _say(one, store)
    if not found:
        say("no approval is known here: connect the app once")


@approvals.command()
@click.argument("approval")
@_digest
@as_option
@sign_option
@system_option
@store_option
def accept(approval: str, digest: str, by: By, system: str, store: str) -> None:
    """Put what is proposed for APPROVAL in force; only the Responsible Individual may."""
    known = read(store, lambda tx: one_system(tx, system))
    at_office(store, lambda office: office.accept_approval(known, approval, by=by, digest=digest))
    say(f"{identified(by).handle} has accepted the rules of deciding of {approval}: it asks by them from here on")


@approvals.command()
@click.argument("approval")
@_digest
@reason_option
@as_option
@system_option
@store_option
def decline(approval: str, digest: str, reason: str, by: By, system: str, store: str) -> None:
    """Say no to what is proposed for APPROVAL, and why; only the Responsible Individual may."""
    known = read(store, lambda tx: one_system(tx, system))
    at_office(store, lambda office: office.decline_approval(known, approval, by=by, reason=reason, digest=digest))
    say(f"{identified(by).handle} has declined what was proposed for {approval}: it asks as before")


def _say(one: dict[str, Any], store: str) -> None:
    state = "in force" if one["in_force"] else "nothing is in force: the Responsible Individual alone decides"
    say(Text.assemble((one["approval"], "bold"), f" of {one['system']}  {state}"))
    if one["in_force"]:
        rules = one["in_force"]
        how = f"accepted by {one['by']} ({one['assurance']})" if one["by"] else "as it was first declared"
        say(*(f"  {name}: {words}" for name, words in rules["rules"].items()))
        say(f"  since {to_the_second(one['since'])} UTC, {how}; digest {rules['digest'][:12]}")
    for rules in one["proposed"]:
        say(Text(f"  proposed by version {rules['version'][:12]}, {to_the_second(rules['at'])} UTC:", "yellow"))
        say(*(f"    {each['name']}: {each['was'] or 'nothing'} → {each['would_be']}" for each in rules["changes"]))
        words = (one["approval"], "--digest", rules["digest"][:12], "--as", "PERSON")
        accept = command_line("approvals", "accept", *words, store=store)
        if (no := rules["declined"]) is not None:
            say(f"    declined by {no['by']} on {to_the_second(no['at'])} UTC: {plain(' '.join(no['reason'].split()))}")
            say(f"    accept it all the same: {accept}")
            continue
        say(f"    accept it: {accept}")
        say(f"    decline it: {command_line('approvals', 'decline', *words, '--reason', 'WHY', store=store)}")
