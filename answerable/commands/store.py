"""`answerable store`: the database itself."""

from __future__ import annotations

import click

from answerable.commands.options import as_option, json_option, reason_option, store_option
from answerable.commands.reaching import at_office
from answerable.commands.saying import command_line, say, say_json
from answerable.orchestrator.office import Office
from answerable.orchestrator.rebuilding import Rebuilt
from answerable.tracing.ledger.sequencer import sequence_all


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


@store.command()
@reason_option
@as_option
@store_option
@json_option
def rebuild(reason: str, by: str, store: str, as_json: bool) -> None:
    """Make the rows that records tell of anew from them, after damage, and say what differed."""

    async def work(office: Office) -> Rebuilt:
        await sequence_all(office.store)
        return await office.rebuild(by=by, reason=reason)

    found = vars(at_office(store, work))
    if as_json:
        say_json({what: list(ids) for what, ids in found.items()})
        return
    for what, ids in found.items():
        say(*(f"{what.replace('_', ' ')}: {id}" for id in ids))
    say(", ".join(f"{len(ids)} {what.replace('_', ' ')}" for what, ids in found.items()))
