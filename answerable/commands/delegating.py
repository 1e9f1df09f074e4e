"""`answerable delegate` and `answerable delegations`: who decides in whose place, and until when."""

from __future__ import annotations

from typing import Any

import click

from answerable.approvals.voting.delegations import LONGEST_DAYS, Delegation
from answerable.approvals.who.identity import By
from answerable.commands.acting import as_option, who_acts
from answerable.commands.options import json_option, reason_option, store_option
from answerable.commands.reaching import at_office, whole_id
from answerable.commands.saying import command_line, say, say_json, short, table
from answerable.commands.tokens import Duration
from answerable.orchestrator.documents import delegation_document, handles
from answerable.orchestrator.office import Office
from answerable.tracing.clock import to_the_second


@click.command()
@click.argument("giver", metavar="FROM")
@click.option("--to", required=True, metavar="WHOM", help="Who decides in their place.")
@click.option(
    "--until", "seconds", required=True, type=Duration(LONGEST_DAYS), help="When it ends: 90m, 12h, 30d; at most 90d."
)
@click.option("--system", default="", metavar="SYSTEM", help="Where. Default: everywhere.")
@click.option("--approval", default="", metavar="APPROVAL", help="At which approval of it. Default: all.")
@reason_option
@store_option
@json_option
def delegate(
    giver: str, to: str, seconds: int, system: str, approval: str, reason: str, store: str, as_json: bool
) -> None:
    """FROM, who acts, lets WHOM decide in their place for a time."""
    by = who_acts(store, giver)
    where = {"system": system, "approval": approval}

    async def work(office: Office) -> dict[str, Any]:
        made = await office.people.delegate(by=by, to=to, seconds=seconds, reason=reason, **where)
        return await _document(office, made)

    made = at_office(store, work)
    if as_json:
        say_json(made)
    else:
        until = to_the_second(made["until"])
        say(f"{made['to']} decides for {made['from']}{_where(made)} until {until} UTC, as {made['id']}")
        say(f"it ends before with: {command_line('delegations', 'revoke', made['id'], store=store)}")


@click.group()
def delegations() -> None:
    """Who decides in whose place."""


@delegations.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that are over or revoked, too.")
@store_option
@json_option
def list_(everything: bool, store: str, as_json: bool) -> None:
    """The delegations that stand."""

    async def work(office: Office) -> list[dict[str, Any]]:
        return [await _document(office, one) for one in await office.people.delegations()]

    found = [one for one in at_office(store, work) if everything or one["state"] == "standing"]
    if as_json:
        say_json(found)
    elif not found:
        say("nobody decides in another person's place")
    else:
        rows = [
            [
                short(one["id"]),
                one["from"],
                one["to"],
                _where(one),
                one["state"],
                to_the_second(one["until"]),
                one["reason"],
            ]
            for one in found
        ]
        say(table("delegation", "from", "to", "where", "state", "until (UTC)", "reason", rows=rows))


@delegations.command()
@click.argument("id", metavar="DELEGATION")
@reason_option
@as_option
@store_option
def revoke(id: str, reason: str, by: By, store: str) -> None:
    """End DELEGATION at once: by who gave it, or the Responsible Individual."""

    async def work(office: Office) -> Delegation:
        found = await office.store.read(lambda tx: whole_id(tx, "delegation", id))
        return await office.people.revoke_delegation(found, by=by, reason=reason)

    say(f"{at_office(store, work).id} is revoked")


async def _document(office: Office, one: Delegation) -> dict[str, Any]:
    names = await office.store.read(handles)
    return delegation_document(one, names, at=office.store.clock.now())


def _where(one: dict[str, Any]) -> str:
    if not one["system"]:
        return " everywhere"
    return f" at {one['approval']} of {one['system']}" if one["approval"] else f" in {one['system']}"
