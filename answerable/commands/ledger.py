"""`answerable ledger`: whether what is recorded is what was recorded."""

from __future__ import annotations

import re

import click

from answerable.approvals.forgeries import faults_of_tables
from answerable.commands.exits import DONE, REFUSED
from answerable.commands.options import json_option, store_option
from answerable.commands.reaching import at_office
from answerable.commands.saying import say, say_json
from answerable.errors import InvalidInput
from answerable.orchestrator.office import Office
from answerable.tracing.ledger.agreement import with_faults
from answerable.tracing.ledger.merkle import Head
from answerable.tracing.ledger.sequencer import sequence_all
from answerable.tracing.ledger.verify import LedgerReport, verify_ledger


@click.group()
def ledger() -> None:
    """The list of records."""


@ledger.command()
@click.option("--head", default="", metavar="SIZE:ROOT", help="A head of the ledger that was kept elsewhere.")
@store_option
@json_option
@click.pass_context
def verify(ctx: click.Context, head: str, store: str, as_json: bool) -> None:
    """Hash every record anew, and compare, also with the tables. Prints the head, to be kept elsewhere."""
    kept = _head(head) if head else None

    async def work(office: Office) -> LedgerReport:
        await sequence_all(office.store)
        return await office.store.read(
            lambda tx: with_faults(verify_ledger(tx, kept=kept), faults_of_tables(tx, office.key))
        )

    found = at_office(store, work)
    text = f"{found.head.size}:{found.head.root.hex()}"
    if as_json:
        faults = [{"where": fault.where, "what": fault.what} for fault in found.faults]
        say_json({"sound": found.sound, "head": text, "faults_found": found.faults_found, "faults": faults})
    else:
        say(*(f"{fault}" for fault in found.faults))
        if found.faults_found > len(found.faults):
            say(f"… and {found.faults_found - len(found.faults)} more")
        say(f"{found.head.size} records, {'sound' if found.sound else f'{found.faults_found} faults'}; head {text}")
    ctx.exit(DONE if found.sound else REFUSED)


def _head(text: str) -> Head:
    match = re.fullmatch(r"(\d+):([0-9a-f]{64})", text)
    if match is None:
        raise InvalidInput(f"{text!r} is no head", hint="SIZE:ROOT, as `answerable ledger verify` prints it")
    return Head(size=int(match[1]), root=bytes.fromhex(match[2]))
