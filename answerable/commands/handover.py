"""`answerable handover`: who answers for a system from now on."""

from __future__ import annotations

import click

from answerable.approvals.who.identity import By, identified
from answerable.commands.acting import as_option
from answerable.commands.options import reason_option, store_option, system_option
from answerable.commands.reaching import at_office, one_system
from answerable.commands.saying import say
from answerable.orchestrator.office import Office


@click.group()
def handover() -> None:
    """Handing a system over to another Responsible Individual."""


@handover.command()
@click.option("--to", required=True, metavar="PERSON", help="Who is to answer for it.")
@reason_option
@as_option
@system_option
@store_option
def offer(to: str, reason: str, by: By, system: str, store: str) -> None:
    """Offer a system. Nothing of it is sent until the successor accepts."""

    async def work(office: Office) -> str:
        named = await office.store.read(lambda tx: one_system(tx, system))
        await office.handover(named, to=to, by=by, reason=reason)
        return named

    say(f"{at_office(store, work)} is offered to {to}; until they accept, nothing of it is sent")


@handover.command()
@as_option
@system_option
@store_option
def accept(by: By, system: str, store: str) -> None:
    """Accept a system that was offered, and answer for it from now on."""

    async def work(office: Office) -> str:
        named = await office.store.read(lambda tx: one_system(tx, system))
        await office.accept_handover(named, by=by)
        return named

    say(f"{identified(by).handle} answers for {at_office(store, work)}")
