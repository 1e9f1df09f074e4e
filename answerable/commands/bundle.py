"""`answerable bundle`: evidence of one thing in one file, for an auditor."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from answerable.agents.texts import check_handle
from answerable.commands.exits import DONE, PARTIAL
from answerable.commands.options import json_option, reader_option, store_option
from answerable.commands.proving import read_checkpoint_file
from answerable.commands.reaching import check_there
from answerable.commands.saying import say, say_json, to_stderr
from answerable.tracing.evidence.handing.handing import hand_out, prepare_bundle, refuse_written
from answerable.tracing.ledger.checkpoints import Checkpoint
from answerable.tracing.storage.store import open_store


@click.command()
@click.argument("id")
@click.option("-o", "--output", required=True, metavar="FILE", help="Where the bundle goes: a zip file.")
@click.option("--replace", is_flag=True, help="Write over FILE if it is there.")
@click.option("--checkpoint", default="", metavar="FILE", help="Prove it for this checkpoint.  [default: a new one]")
@click.option("--with-names", is_flag=True, help="Say who the ids of persons are.")
@click.option("--with-payloads", is_flag=True, help="Add what messages, requests, reasons and calls say.")
@store_option
@reader_option
@json_option
@click.pass_context
def bundle(
    ctx: click.Context,
    id: str,
    output: str,
    replace: bool,
    checkpoint: str,
    with_names: bool,
    with_payloads: bool,
    store: str,
    by: str,
    as_json: bool,
) -> None:
    """The evidence about ID in one file, with a verifier that needs nothing of ours.

    ID is that of an effect, message, crossing, step, request, decision or run, or what messages are about, such as a
    shipment's number.
    """
    check_there(store)
    check_handle(by)
    file, kept = Path(output), _newest_of(Path(checkpoint)) if checkpoint else None
    refuse_written(file, replace=replace)

    async def go() -> dict[str, Any]:
        opened = open_store(store)
        try:
            made = await prepare_bundle(opened, id, checkpoint=kept, with_names=with_names, with_payloads=with_payloads)
            recorded = await hand_out(opened, made, file, by=by, replace=replace)
        finally:
            opened.close()
        return {"file": str(file), "sha256": made.digest, "bytes": len(made.data), **made.about, "recorded": recorded}

    about = asyncio.run(go())
    if not about["recorded"]:
        to_stderr().print("this store cannot be written: that you took this is not recorded", soft_wrap=True)
    if as_json:
        say_json(about)
        ctx.exit(PARTIAL if about["partial"] else DONE)
    say(
        f"{file}: {about['kind']} {about['id']}, {about['records']} records and {about['spans']} spans, "
        f"proved for the checkpoint of {about['size']} records of {about['ledger']}"
    )
    if not about["signed"]:
        say("not signed as a whole: this store's key is not here")
    for why in about["partial"]:
        say(f"partial: {why}")
    say(f"to verify it: python verify.py {file.name} --pubkey THE-LEDGERS-KEY, with verify.py from the file itself")
    ctx.exit(PARTIAL if about["partial"] else DONE)


def _newest_of(file: Path) -> Checkpoint:
    return max(read_checkpoint_file(file)[0], key=lambda one: one.head.size)
