"""`answerable holds`: what must not be erased."""

from __future__ import annotations

from typing import Any

import click

from answerable.approvals.who.identity import By
from answerable.commands.acting import as_option
from answerable.commands.options import json_option, reason_option, store_option
from answerable.commands.reaching import at_office, whole_id
from answerable.commands.saying import say, say_json, short, table
from answerable.orchestrator.documents import handles
from answerable.orchestrator.office import Office
from answerable.tracing.clock import iso
from answerable.tracing.evidence.keeping.holds import Hold, all_holds


@click.group()
def holds() -> None:
    """Legal holds: what must not be erased."""


@holds.command()
@click.option("--run", default="", metavar="RUN", help="This run.")
@click.option("--system", default="", metavar="NAME", help="Every run of this system.")
@click.option("--subject", default="", metavar="KEY", help="Every run with a message that is about this.")
@reason_option
@as_option
@store_option
def place(run: str, system: str, subject: str, reason: str, by: By, store: str) -> None:
    """Put a run, a system or a subject under legal hold: nothing of it is erased or pruned."""
    chosen = [(what, of) for what, of in (("run", run), ("system", system), ("subject", subject)) if of]
    if len(chosen) != 1:
        raise click.UsageError("one of --run, --system and --subject")
    ((covers, of),) = chosen

    async def work(office: Office) -> Hold:
        whole = await office.store.read(lambda tx: whole_id(tx, "run", of)) if covers == "run" else of
        return await office.keeping.place_hold(covers, whole, by=by, reason=reason)

    made = at_office(store, work)
    say(f"{made.covers} {made.of} is under legal hold, as {made.id}")


@holds.command()
@click.argument("hold")
@reason_option
@as_option
@store_option
def lift(hold: str, reason: str, by: By, store: str) -> None:
    """Lift HOLD."""

    async def work(office: Office) -> Hold:
        whole = await office.store.read(lambda tx: whole_id(tx, "hold", hold))
        return await office.keeping.lift_hold(whole, by=by, reason=reason)

    say(f"{at_office(store, work).id} is lifted")


@holds.command("list")
@store_option
@json_option
def list_(store: str, as_json: bool) -> None:
    """Every hold, lifted ones included."""

    async def work(office: Office) -> list[dict[str, Any]]:
        names = await office.store.read(handles)
        found = await office.store.read(all_holds)
        return [{**_shown(one), "by": names.get(one.by, one.by), "at": iso(one.at)} for one in found]

    found = at_office(store, work)
    if as_json:
        say_json(found)
        return
    columns = ("id", "covers", "of", "state", "by", "reason", "at")
    rows = [[short(str(one[name])) if name == "id" else str(one[name]) for name in columns] for one in found]
    say(table("hold", *columns[1:], rows=rows) if rows else "nothing is under legal hold")


def _shown(hold: Hold) -> dict[str, Any]:
    return {name: value for name, value in vars(hold).items() if name != "salt"}
