"""`answerable store`: the database itself."""

from __future__ import annotations

import click

from answerable.commands.options import as_option, json_option, store_option
from answerable.commands.reaching import at_office
from answerable.commands.saying import command_line, say, say_json


@click.group()
def store() -> None:
    """The database itself."""


@store.command()
@as_option
@store_option
@json_option
def restored(by: str, store: str, as_json: bool) -> None:
    """Say that this store is a restored backup: what it may have sent since is in doubt."""
    found = at_office(store, lambda office: office.restored(by=by))
    if as_json:
        say_json({"in_doubt": list(found.in_doubt), "open_requests": list(found.open_requests)})
        return
    say(f"{len(found.in_doubt)} calls are in doubt, and {len(found.open_requests)} requests are open")
    if found.in_doubt:
        say(f"ask their receivers, then settle each: {command_line('effects', 'list', '--in-doubt', store=store)}")
    if found.open_requests:
        say("somebody may have decided the open requests after the backup was made: ask the receivers first")
