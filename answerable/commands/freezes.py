"""`answerable freeze`, `thaw` and `freezes`: stopping things.

Stopping a whole system needs nothing but the store. For a part of it, the app says whether there is such a part.
"""

from __future__ import annotations

from typing import Any

import click

from answerable.approvals.who.identity import By, identified
from answerable.commands.acting import as_option
from answerable.commands.options import json_option, reason_option, service_option, store_option, system_option
from answerable.commands.programs import find_program
from answerable.commands.reaching import at_office, one_system, read, whole_id
from answerable.commands.saying import command_line, say, say_json, short, table
from answerable.orchestrator.documents import freeze_document, handles
from answerable.orchestrator.interventions import check_target
from answerable.orchestrator.office import Office
from answerable.tracing.freezes import WHOLE_SYSTEM, Freeze
from answerable.tracing.people import all_systems


@click.command()
@click.argument("target", default=WHOLE_SYSTEM)
@reason_option
@as_option
@system_option
@service_option
@store_option
@json_option
def freeze(target: str, reason: str, by: By, system: str, service: str, store: str, as_json: bool) -> None:
    """Stop new steps and sends of TARGET: system (the default), agent:NAME, edge:ID or effect:NAME."""
    named = read(store, lambda tx: one_system(tx, system))
    if target != WHOLE_SYSTEM:
        check_target(find_program(service, named, store).app.graph, target)

    async def work(office: Office) -> tuple[Freeze, dict[str, str]]:
        made = await office.freeze(named, target, by=by, reason=reason)
        return await office.freeze_state(made.id), await office.store.read(handles)

    made, names = at_office(store, work)
    if as_json:
        say_json(freeze_document(made, names))
    else:
        say(f"{named}: {target} is frozen ({made.state}), as {made.id}")
        if made.in_flight:
            say(f"{len(made.in_flight)} calls were in flight and may have left: {', '.join(made.in_flight)}")
        lift = command_line("thaw", made.id, "--as", identified(by).handle, "--reason", "…", store=store)
        say(f"lift it with: {lift}")


@click.command()
@click.argument("id", metavar="FREEZE")
@reason_option
@as_option
@store_option
def thaw(id: str, reason: str, by: By, store: str) -> None:
    """Lift FREEZE. Runs go on when they are resumed."""

    async def work(office: Office) -> str:
        found = await office.store.read(lambda tx: whole_id(tx, "freeze", id))
        await office.thaw(found, by=by, reason=reason)
        return found

    say(f"{at_office(store, work)} is lifted; runs go on when they are resumed")


@click.command()
@store_option
@json_option
def freezes(store: str, as_json: bool) -> None:
    """The freezes that stand, and the calls that they still wait for."""

    async def work(office: Office) -> list[dict[str, Any]]:
        names = await office.store.read(handles)
        systems = await office.store.read(all_systems)
        return [freeze_document(one, names) for system in systems for one in await office.freezes(system)]

    found = at_office(store, work)
    if as_json:
        say_json(found)
    elif not found:
        say("nothing is frozen")
    else:
        rows = [
            [
                short(one["id"]),
                one["system"],
                one["target"],
                one["state"],
                str(len(one["in_flight"])),
                one["by"] or "its quota",
                one["reason"],
            ]
            for one in found
        ]
        columns = ("freeze", "system", "target", "state", "in flight", "by", "reason")
        say(table(*columns, rows=rows, right=["in flight"]))
