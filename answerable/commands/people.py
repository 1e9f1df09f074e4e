"""`answerable people`: who is known, and what they may decide."""

from __future__ import annotations

import click

from answerable.commands.options import json_option, store_option
from answerable.commands.reaching import at_office
from answerable.commands.saying import say, say_json, table
from answerable.orchestrator.office import Office
from answerable.tracing.people import PersonRow


@click.group()
def people() -> None:
    """People, with their roles and teams."""


@people.command()
@click.argument("handle")
@click.option("--name", default="", help="Their name; stays in the registry, never in a record.")
@click.option("--contact", default="", help="How to reach them; stays in the registry, too.")
@click.option("--role", "roles", multiple=True, help="What they may decide; may be given again.")
@click.option("--team", "teams", multiple=True, help="A team that they belong to; may be given again.")
@store_option
def add(handle: str, name: str, contact: str, roles: tuple[str, ...], teams: tuple[str, ...], store: str) -> None:
    """Register HANDLE, or give them these roles and teams in the place of those they had."""

    async def work(office: Office) -> PersonRow:
        return await office.add_person(handle, name=name, contact=contact, roles=roles, teams=teams)

    row = at_office(store, work, make=True)
    say(f"{row.handle} is registered: roles {', '.join(row.roles) or 'none'}, teams {', '.join(row.teams) or 'none'}")


@people.command("list")
@store_option
@json_option
def list_(store: str, as_json: bool) -> None:
    """Everybody."""
    found = at_office(store, lambda office: office.people())
    if as_json:
        say_json(
            [
                {
                    "id": one.id,
                    "handle": one.handle,
                    "name": one.name,
                    "contact": one.contact,
                    "roles": list(one.roles),
                    "teams": list(one.teams),
                }
                for one in found
            ]
        )
    else:
        rows = [[one.handle, one.name, ", ".join(one.roles), ", ".join(one.teams)] for one in found]
        say(table("handle", "name", "roles", "teams", rows=rows) if rows else "nobody is registered")
