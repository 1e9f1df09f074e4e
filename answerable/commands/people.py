"""`answerable people`: who is known, and what they may decide."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.text import Text

from answerable.agents.texts import plain_lines
from answerable.approvals.who.credentials import Credential
from answerable.approvals.who.identity import By
from answerable.commands.acting import as_option
from answerable.commands.options import json_option, reason_option, store_option
from answerable.commands.reaching import at_office, whole_id
from answerable.commands.saying import say, say_json, short, table, to_stderr
from answerable.orchestrator.documents import handles
from answerable.orchestrator.erasing import OUT_OF_REACH, ErasedPerson
from answerable.orchestrator.office import Office
from answerable.tracing.clock import iso
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

    async def work(office: Office) -> tuple[PersonRow, dict[str, str]]:
        row = await office.people.add(handle, name=name, contact=contact, roles=roles, teams=teams)
        return row, await office.people.unknown_roles(row.roles)

    row, unknown = at_office(store, work, make=True)
    say(f"{row.handle} is registered: roles {', '.join(row.roles) or 'none'}, teams {', '.join(row.teams) or 'none'}")
    for role, hint in unknown.items():
        to_stderr().print(Text(f"no approval here asks the role {plain_lines(role)}: {plain_lines(hint)}", "yellow"))


@people.command()
@click.argument("handle")
@reason_option
@as_option
@store_option
@json_option
def erase(handle: str, reason: str, by: By, store: str, as_json: bool) -> None:
    """Remove the handle, name, contact and words of HANDLE. Their opaque id, and every record, stay."""

    async def work(office: Office) -> tuple[ErasedPerson, dict[str, str]]:
        return await office.keeping.erase_person(handle, by=by, reason=reason), await office.store.read(handles)

    done, names = at_office(store, work)
    handed_out = [
        {
            "at": iso(one.at),
            "by": names.get(one.by, one.by),
            "what": one.what,
            "about": list(one.about),
            "form": one.form,
        }
        for one in done.handed_out
    ]
    if as_json:
        counts = {
            "decisions": list(done.decisions),
            "votes": list(done.votes),
            "messages": list(done.messages),
            "runs": list(done.runs),
        }
        say_json({"person": done.person, **counts, "handed_out": handed_out, "out_of_reach": list(OUT_OF_REACH)})
        return
    said = len(done.decisions) + len(done.votes)
    say(f"erased: the name, contact and handle of {done.person}, and {said} reasons or texts of theirs")
    say("out of reach, for you to see to:")
    for one in done.handed_out:
        who = names.get(one.by, one.by)
        say(f"- {one.what} ({one.form}), taken by {who} on {iso(one.at)}: {', '.join(one.about)}")
    say(*(f"- {text}" for text in OUT_OF_REACH))


@people.command()
@click.argument("handle")
@click.option("--issuer", required=True, metavar="URL", help="The provider, as it names itself.")
@click.option("--subject", required=True, metavar="TEXT", help="Who they are to it: `sub` of its tokens.")
@store_option
def bind(handle: str, issuer: str, subject: str, store: str) -> None:
    """Have a login at an OpenID provider be HANDLE: whoever it vouches for so acts as them."""

    async def work(office: Office) -> Credential:
        return await office.people.bind(handle, issuer=issuer, subject=subject)

    say(f"{subject} of {issuer} is {handle}, as {at_office(store, work).id}")


@people.command()
@click.argument("id", metavar="BINDING")
@store_option
def unbind(id: str, store: str) -> None:
    """End BINDING: that login is nobody any more, and the sessions that it opened end at once."""

    async def work(office: Office) -> Credential:
        return await office.people.unbind(await office.store.read(lambda tx: whole_id(tx, "binding", id)))

    say(f"{at_office(store, work).id} is ended")


@people.command()
@store_option
@json_option
def bindings(store: str, as_json: bool) -> None:
    """Which login at which provider is whose."""

    async def work(office: Office) -> list[dict[str, Any]]:
        names, now = await office.store.read(handles), office.store.clock.now()
        return [_binding(one, names, now) for one in await office.people.bindings()]

    found = at_office(store, work)
    if as_json:
        say_json(found)
    elif not found:
        say("no login is bound to anybody")
    else:
        rows = [[short(one["id"]), one["person"], one["state"], one["subject"], one["issuer"]] for one in found]
        say(table("binding", "person", "state", "subject", "issuer", rows=rows))


def _binding(one: Credential, names: dict[str, str], now: int) -> dict[str, Any]:
    issuer, subject = json.loads(one.note) if one.note else ("", "")
    person, state = names.get(one.person, one.person), one.state(at=now)
    return {"id": one.id, "person": person, "state": state, "issuer": issuer, "subject": subject}


@people.command("list")
@store_option
@json_option
def list_(store: str, as_json: bool) -> None:
    """Everybody."""
    found = at_office(store, lambda office: office.people.all())
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
