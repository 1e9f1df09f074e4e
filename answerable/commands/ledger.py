"""`answerable ledger`: whether what is recorded is what was recorded, and how to show it to others."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click

from answerable.approvals.forgeries import faults_of_tables
from answerable.approvals.sealing.keys import find_key
from answerable.approvals.who.identity import By
from answerable.commands.acting import as_option
from answerable.commands.exits import DIFFERS, DONE
from answerable.commands.options import json_option, reason_option, store_option
from answerable.commands.proving import check, prove, pubkey_option, read_checkpoint_file, read_public_keys
from answerable.commands.reaching import at_office, read_only
from answerable.commands.saying import say, say_json, table, when
from answerable.errors import InvalidInput
from answerable.tracing.clock import iso
from answerable.tracing.ledger import cursors
from answerable.tracing.ledger.agreement import disagreements, with_faults
from answerable.tracing.ledger.anchor_file import anchor_file
from answerable.tracing.ledger.anchors import Anchored, Place, anchored, open_anchors
from answerable.tracing.ledger.checkpoints import Checkpoint, origin_of
from answerable.tracing.ledger.merkle import Head
from answerable.tracing.ledger.sequencer import count_unplaced
from answerable.tracing.ledger.signing import newest_checkpoint, public_file, signing_keys_of
from answerable.tracing.ledger.verify import LedgerReport, verify_ledger
from answerable.tracing.storage.store import Store, Tx, store_id


@click.group()
def ledger() -> None:
    """The list of records, and proofs about it."""


ledger.add_command(prove)
ledger.add_command(check)


@ledger.command()
@click.option("--checkpoint", default="", metavar="FILE", help="Checkpoints of the ledger that were kept elsewhere.")
@pubkey_option
@click.option("--head", default="", metavar="SIZE:ROOT", help="A head of the ledger that was kept elsewhere.")
@click.option("--deep", is_flag=True, help="Read every record in full, as its kind; three times slower.")
@store_option
@json_option
@click.pass_context
def verify(ctx: click.Context, checkpoint: str, pubkey: str, head: str, deep: bool, store: str, as_json: bool) -> None:
    """Hash every record anew, and compare, also with the tables. Prints the head, to be kept elsewhere."""
    kept_head = _head(head) if head else None
    trusted = read_public_keys(Path(pubkey)) if pubkey else []

    async def work(opened: Store) -> tuple[LedgerReport, str, int, bool]:
        file = Path(checkpoint) if checkpoint else anchor_file(origin_of(await opened.read(store_id)))
        kept: list[Checkpoint] = []
        torn = 0
        if checkpoint or file.exists():
            kept, torn = read_checkpoint_file(file)
        else:
            _check_not_gone(file, await opened.read(anchored))
        key = await find_key(opened)

        def compare(tx: Tx) -> LedgerReport:
            report = verify_ledger(tx, kept=kept_head, checkpoints=kept, trusted=trusted, deep=deep)
            return with_faults(report, faults_of_tables(tx, key) if key is not None else disagreements(tx))

        return await opened.read(compare), str(file) if kept else "", torn, key is not None

    found, file, torn, macs = read_only(store, work)
    text = f"{found.head.size}:{found.head.root.hex()}"
    if as_json:
        say_json(_document(found, text, file))
    else:
        say(*(f"{fault}" for fault in found.faults))
        if found.faults_found > len(found.faults):
            say(f"… and {found.faults_found - len(found.faults)} more")
        say(f"{found.head.size} records, {'sound' if found.sound else f'{found.faults_found} faults'}; head {text}")
        say(*_compared(found, file, torn))
        if not macs:
            say("the key of decisions is not here: their MACs are not checked")
    ctx.exit(DONE if found.sound else DIFFERS)


def _check_not_gone(file: Path, known: list[Anchored]) -> None:
    """Raises: InvalidInput if the checkpoints were kept in this file, and it is not there."""
    for one in known:
        if one.receipt == str(file):
            raise InvalidInput(
                f"{file} is gone, in which checkpoints of up to {one.size} records were kept",
                hint="restore it, or name one that was kept elsewhere: --checkpoint FILE;"
                " for a copy of the store on another machine, ANSWERABLE_ANCHOR_FOLDER names another folder",
            )


def _compared(found: LedgerReport, file: str, torn: int) -> list[str]:
    lines = [f"compared with {found.checkpoints} checkpoints of the store"]
    if file:
        half = f", {torn} of them half-written and passed over" if torn else ""
        lines.append(f"compared with {found.kept + torn} checkpoints kept in {file}{half}")
    else:
        lines.append("no checkpoint that was kept elsewhere: whoever can write the database could have changed it")
    tail = found.head.size - found.signed + found.unplaced
    return [*lines, f"signed: {found.signed} records; not signed yet: {tail}"]


def _document(found: LedgerReport, head: str, file: str) -> dict[str, Any]:
    return {
        "sound": found.sound,
        "head": head,
        "unplaced": found.unplaced,
        "signed": found.signed,
        "checkpoints": found.checkpoints,
        "kept": found.kept,
        "kept_in": file,
        "keys": [str(key) for key in found.keys],
        "faults_found": found.faults_found,
        "faults": [{"where": fault.where, "what": fault.what} for fault in found.faults],
    }


def _head(text: str) -> Head:
    match = re.fullmatch(r"(\d+):([0-9a-f]{64})", text)
    if match is None:
        raise InvalidInput(f"{text!r} is no head", hint="SIZE:ROOT, as `answerable ledger verify` prints it")
    return Head(size=int(match[1]), root=bytes.fromhex(match[2]))


# -- how it stands ----------------------------------------------------------------------------------------------------


@ledger.command()
@store_option
@json_option
def status(store: str, as_json: bool) -> None:
    """How large the ledger is, the last checkpoint, and what of it each anchor keeps outside."""

    async def work(opened: Store) -> dict[str, Any]:
        standing = await opened.read(_standing)
        place = Place(store=opened, origin=standing["ledger"], environment=os.environ)
        known = {one.name: one for one in await opened.read(anchored)}
        used = set(open_anchors(place))
        standing["public_key_file"] = str(public_file(opened.url, standing["ledger"].rpartition("/")[2]))
        standing["anchors"] = [
            _anchor(known.get(name, Anchored(name=name)), name in used, standing["records"])
            for name in sorted(used | set(known))
        ]
        return standing

    found = read_only(store, work)
    if as_json:
        say_json(
            {**found, "at": iso(found["at"])} | {"anchors": [{**one, "at": iso(one["at"])} for one in found["anchors"]]}
        )
        return
    say(f"{found['ledger']}: {found['records']} records")
    signed = f"last checkpoint: {found['signed']} records, {when(found['at'])}" if found["at"] else "no checkpoint yet"
    say(f"{signed}; not signed yet: {found['records'] - found['signed']}")
    say(f"key {found['key'] or 'none yet'}; public: {found['public_key_file']}")
    rows = [
        [one["name"], str(one["kept"]), str(one["tail"]), when(one["at"]), one["error"] or one["kept_in"]]
        for one in found["anchors"]
    ]
    say(table("anchor", "keeps", "tail", "since", "where, or what is wrong", rows=rows, right=["keeps", "tail"]))


def _standing(tx: Tx) -> dict[str, Any]:
    keys, newest = signing_keys_of(tx), newest_checkpoint(tx)
    return {
        "ledger": keys.origin,
        "records": cursors.position_of(tx, cursors.SEQUENCER) + count_unplaced(tx),
        "signed": 0 if newest is None else newest[0].head.size,
        "at": None if newest is None else newest[1],
        "key": "" if keys.in_force is None else keys.in_force.id.hex(),
        "public_key": "" if keys.in_force is None else str(keys.in_force),
        "checkpoint": "" if newest is None else newest[0].text,
    }


def _anchor(one: Anchored, used: bool, records: int) -> dict[str, Any]:
    return {
        "name": one.name,
        "kept": one.size,
        "tail": records - one.size,
        "at": one.at or None,
        "kept_in": one.receipt or ("nothing yet" if used else ""),
        "configured": used,
        "tries": one.tries,
        "error": one.error,
    }


# -- keys -------------------------------------------------------------------------------------------------------------


@ledger.command("rotate-key")
@reason_option
@as_option
@store_option
def rotate_key(reason: str, by: By, store: str) -> None:
    """Have a new key sign the ledger's checkpoints; the old one signs that, too."""
    keys = at_office(store, lambda office: office.keeping.replace_signing_key(by=by, reason=reason))
    assert keys.in_force is not None
    say(f"key {keys.in_force.id.hex()} signs from here on; give its public key to whoever has the old one:")
    say(str(keys.in_force))
