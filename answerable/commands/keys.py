"""`answerable keys`: keys that persons sign their answers with.

The private half stays with the person, in a file that only they may read; the store has the public one.
"""

from __future__ import annotations

from typing import Any

import click

from answerable.approvals.who.identity import ASSERTED, By, identified
from answerable.approvals.who.signatures import PersonKey, key_id, prove_possession, public_of
from answerable.commands.acting import as_option, key_file, own_key
from answerable.commands.options import json_option, reason_option, store_option
from answerable.commands.reaching import at_office
from answerable.commands.saying import say, say_json, short, table
from answerable.errors import InvalidInput, UnknownId
from answerable.orchestrator.documents import handles
from answerable.orchestrator.office import Office
from answerable.tracing.clock import iso, to_the_second
from answerable.tracing.people import get_person


@click.group()
def keys() -> None:
    """Keys that persons sign their answers with."""


@keys.command()
def create() -> None:
    """Make a key of your own, in a file that only you may read. It needs no store."""
    file = key_file()
    if file.path.exists():
        raise InvalidInput(f"there is a key already, in {file.path}", hint="name another file in ANSWERABLE_PERSON_KEY")
    file.make()
    say(f"{key_id(public_of(own_key()))} is in {file.path}; keep a copy of it where nobody else comes")


@keys.command()
@as_option
@store_option
def register(by: By, store: str) -> None:
    """Have the store know your key as yours, and show that you have its private half.

    What you sign is as good as what you show here: with a token (ANSWERABLE_TOKEN) it is a signature of yours, and
    with --as it is whatever the user of this command line says.
    """
    private = own_key()

    async def work(office: Office) -> PersonKey:
        now = office.store.clock.now()
        person = await office.store.read(lambda tx: get_person(tx, identified(by).handle).id)
        proof = prove_possession(private, person, at=now)
        return await office.people.register_key(by, public=public_of(private), proof=proof, proved_at=now)

    made = at_office(store, work)
    say(f"{made.id} is a key of {identified(by).handle}'s, registered as {made.assurance}")
    if made.assurance == ASSERTED:
        say("what it signs makes nobody surer: register it again with a token of theirs, in ANSWERABLE_TOKEN")


@keys.command("list")
@store_option
@json_option
def list_(store: str, as_json: bool) -> None:
    """Every key that was registered, whose it is, and whether it stands."""

    async def work(office: Office) -> list[dict[str, Any]]:
        names = await office.store.read(handles)
        return [_document(one, names) for one in await office.people.keys()]

    found = at_office(store, work)
    if as_json:
        say_json(found)
    elif not found:
        say("nobody has registered a key")
    else:
        shown = ("person", "state", "registered_as")
        rows = [
            [short(one["id"]), *(one[name] for name in shown), to_the_second(one["registered_at"])] for one in found
        ]
        say(table("key", "person", "state", "registered as", "registered (UTC)", rows=rows))


@keys.command()
@click.argument("key")
@reason_option
@as_option
@store_option
def revoke(key: str, reason: str, by: By, store: str) -> None:
    """Have KEY sign nothing new. What it signed before stays signed."""

    async def work(office: Office) -> PersonKey:
        found = [one for one in await office.people.keys() if one.id.startswith(key)]
        if len(found) != 1:
            raise UnknownId(f"there is no key {key}, or more than one", hint="`answerable keys list` lists them")
        return await office.people.revoke_key(found[0].id, by=by, reason=reason)

    say(f"{at_office(store, work).id} signs nothing new")


def _document(one: PersonKey, names: dict[str, str]) -> dict[str, Any]:
    return {
        "id": one.id,
        "person": names.get(one.person, one.person),
        "state": "stands" if one.revoked_at is None else "revoked",
        "public": one.public,
        "registered_as": one.assurance,
        "registered_at": iso(one.registered_at),
        "revoked_at": None if one.revoked_at is None else iso(one.revoked_at),
    }
