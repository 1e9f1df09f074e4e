"""`answerable store`: the database itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import click

from answerable.approvals.who.identity import By
from answerable.commands.acting import as_option
from answerable.commands.options import json_option, reason_option, store_option
from answerable.commands.reaching import at_office, whole_id
from answerable.commands.saying import command_line, say, say_json
from answerable.errors import InvalidInput
from answerable.orchestrator.desks.keeping import Erasable
from answerable.orchestrator.office import Office
from answerable.orchestrator.rebuilding.rows import Rebuilt
from answerable.tracing.clock import micros
from answerable.tracing.evidence.keeping.erasing import DAY_SECONDS, ErasedPayloads
from answerable.tracing.evidence.telling.words import plural
from answerable.tracing.ledger.sequencer import sequence_all


@click.group()
def store() -> None:
    """The database itself."""


@store.command()
@as_option
@store_option
@json_option
def restored(by: By, store: str, as_json: bool) -> None:
    """Say that this store is a restored backup: what it may have sent since is in doubt."""
    found = at_office(store, lambda office: office.keeping.restored(by=by))
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
def rebuild(reason: str, by: By, store: str, as_json: bool) -> None:
    """Make the rows that records tell of anew from them, after damage, and say what differed."""

    async def work(office: Office) -> Rebuilt:
        await sequence_all(office.store)
        return await office.keeping.rebuild(by=by, reason=reason)

    found = vars(at_office(store, work))
    if as_json:
        say_json({what: list(ids) for what, ids in found.items()})
        return
    for what, ids in found.items():
        say(*(f"{what.replace('_', ' ')}: {id}" for id in ids))
    say(", ".join(f"{len(ids)} {what.replace('_', ' ')}" for what, ids in found.items()))


@store.command()
@click.option("--message", default="", metavar="ID", help="This message.")
@click.option("--run", default="", metavar="RUN", help="Everything of this run.")
@click.option("--subject", default="", metavar="KEY", help="Every message that is about this.")
@reason_option
@as_option
@store_option
@json_option
def erase(message: str, run: str, subject: str, reason: str, by: By, store: str, as_json: bool) -> None:
    """Remove payloads: what messages said, what requests showed, what calls sent. Records stay."""
    given: list[tuple[Erasable, str]] = [("message", message), ("run", run), ("subject", subject)]
    chosen = [(what, id) for what, id in given if id]
    if len(chosen) != 1:
        raise click.UsageError("one of --message, --run and --subject")
    ((what, id),) = chosen

    async def work(office: Office) -> list[ErasedPayloads]:
        whole = await office.store.read(lambda tx: whole_id(tx, "run", id)) if what == "run" else id
        return await office.keeping.erase_payloads(what, whole, by=by, reason=reason)

    done = at_office(store, work)
    if as_json:
        say_json(
            [{name: list(one) if isinstance(one, tuple) else one for name, one in vars(each).items()} for each in done]
        )
        return
    for one in done:
        counted = f"{len(one.messages)} messages, what {len(one.requests)} requests showed, {len(one.effects)} calls"
        say(f"{one.run}: {'everything' if one.whole else counted} erased")
    say("copies that were handed out, sent or backed up are out of reach; so are digests in the ledger")


@store.command()
@click.option("--before", type=click.DateTime(formats=["%Y-%m-%d"]), metavar="DATE", help="Runs that ended before it.")
@click.option("--older-than", "older", default="", metavar="DAYS", help="Runs that ended so long ago: 400d.")
@reason_option
@as_option
@store_option
@json_option
def prune(before: datetime | None, older: str, reason: str, by: By, store: str, as_json: bool) -> None:
    """Remove payloads and work rows of runs that ended long ago. Records, decisions and calls stay."""
    if (before is None) == (older == ""):
        raise click.UsageError("one of --before and --older-than")
    days = re.fullmatch(r"(\d{1,6})d", older)
    if older and days is None:
        raise InvalidInput(f"{older!r} is no number of days", hint="for example --older-than 400d")

    async def work(office: Office) -> tuple[list[str], dict[str, str]]:
        now = office.store.clock.now()
        first = now - micros(int(days[1]) * DAY_SECONDS) if days else 0
        if before is not None:
            first = micros(before.replace(tzinfo=UTC).timestamp())
        return await office.keeping.prune(first, by=by, reason=reason)

    done, skipped = at_office(store, work)
    if as_json:
        say_json({"pruned": done, "skipped": skipped})
        return
    say(*(f"skipped: {why}" for why in skipped.values()))
    say(f"{plural(len(done), 'run')} pruned, {len(skipped)} skipped")
