"""`answerable revoke`: taking a decision back, as far as it was not sent."""

from __future__ import annotations

import click

from answerable.approvals.deciding.reasons import CODES
from answerable.approvals.revoking import Revoked
from answerable.approvals.who.identity import By
from answerable.commands.acting import as_option
from answerable.commands.options import json_option, reason_option, store_option
from answerable.commands.reaching import at_office, whole_id
from answerable.commands.saying import command_line, say, say_json
from answerable.orchestrator.office import Office


@click.command()
@click.argument("decision")
@click.option("--code", required=True, type=click.Choice(list(CODES)), help="Why, as one of a short list.")
@reason_option
@as_option
@store_option
@json_option
def revoke(decision: str, code: str, reason: str, by: By, store: str, as_json: bool) -> None:
    """Make void what DECISION released and was not sent. Where nothing was, it is asked anew."""

    async def work(office: Office) -> Revoked:
        id = await office.store.read(lambda tx: whole_id(tx, "decision", decision))
        return await office.revoke(id, code=code, by=by, reason=reason)

    gone = at_office(store, work)
    if as_json:
        say_json(vars(gone))
        return
    withdrawn = len(gone.withdrawn)
    say(f"decision {gone.decision} is revoked: {withdrawn} call{'' if withdrawn == 1 else 's'} withdrawn")
    if gone.sent:
        say(f"{len(gone.sent)} had been sent before and stay what they are: {', '.join(gone.sent)}")
    say(f"the run goes on with: {command_line('runs', 'resume', gone.run, store=store)}")
