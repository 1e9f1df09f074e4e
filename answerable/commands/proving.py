"""`answerable ledger prove` and `check`: proofs in files, and what is read from files of others."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from sqlalchemy import bindparam, select

from answerable.commands.exits import DIFFERS, DONE
from answerable.commands.options import json_option, reader_option, store_option
from answerable.commands.reaching import read_evidence, sign_store, whole_id
from answerable.commands.saying import say, say_error, say_json, when
from answerable.errors import InvalidInput, NotProved, StoreCorrupt, UnknownId
from answerable.tracing.evidence.handing.handing import write_whole
from answerable.tracing.ledger.anchor_file import read_checkpoints
from answerable.tracing.ledger.checkpoints import Checkpoint, read_checkpoint
from answerable.tracing.ledger.merkle import leaf_hash
from answerable.tracing.ledger.notes import VerifierKey, read_key
from answerable.tracing.ledger.proofs import InclusionProof, prove_growth, prove_records, read_proof
from answerable.tracing.ledger.signing import newest_checkpoint, signing_keys_of
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import decisions, requests
from answerable.tracing.storage.tables.ledger import records
from answerable.tracing.storage.tables.runs import effects, steps

F = TypeVar("F", bound=Callable[..., Any])

_BEGINS: Final = {"eff_": "effect", "dec_": "decision", "req_": "request", "stp_": "step", "frz_": "freeze"}
_RUN_OF: Final = {
    what: Statement(select(table.c.run).where(table.c.id == bindparam("id")).limit(1))
    for what, table in (("effect", effects), ("decision", decisions), ("request", requests), ("step", steps))
}
_RECORDS = Statement(
    select(records.c.seq, records.c.body, records.c.leaf)
    .where(records.c.run == bindparam("run"))
    .order_by(records.c.id)
)


def pubkey_option(command: F) -> F:
    """`--pubkey FILE`, as the argument `pubkey`."""
    return click.option(
        "--pubkey", default="", metavar="FILE", help="A file with a public key of the ledger, from elsewhere."
    )(command)


def read_public_keys(path: Path) -> list[VerifierKey]:
    """The public keys in a file, one on each line. Raises: InvalidInput."""
    keys = [read_key(line) for line in _read(path).splitlines() if line.strip()]
    if not keys:
        raise InvalidInput(f"{path} holds no public key", hint="NAME+ID+BASE64 on one line, as in a .pub file")
    return keys


def read_checkpoint_file(path: Path) -> tuple[list[Checkpoint], int]:
    """The checkpoints in a file, and how many in it are half-written. Raises: InvalidInput."""
    try:
        return read_checkpoints(_read(path))
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error.message}", hint=error.hint) from error


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{path} cannot be read: {error}", hint="name a file of text that this user may read"
        ) from error


@click.command()
@click.argument("id", default="")
@click.option("-o", "--output", default="-", metavar="FILE", help="Where to write the proof.  [default: stdout]")
@click.option("--checkpoint", default="", metavar="FILE", help="The checkpoint to prove it for.  [default: the newest]")
@click.option(
    "--from", "older", default="", metavar="FILE", help="An older checkpoint: prove that nothing below it changed."
)
@reader_option
@store_option
def prove(id: str, output: str, checkpoint: str, older: str, by: str, store: str) -> None:
    """Write a proof that the records of ID are in the ledger; with --from, that the ledger only grew."""
    if bool(id) == bool(older):
        raise InvalidInput(
            "what is to be proved?", hint="give the id of a run, an effect, a decision …; or --from FILE"
        )
    given = _newest_of(checkpoint) if checkpoint else None
    before = _newest_of(older) if older else None
    if given is None:
        sign_store(store)

    def work(tx: Tx) -> tuple[str, list[str]]:
        keys = signing_keys_of(tx)
        target = given or _newest(tx)
        for one in (target, before or target):
            if one.origin != keys.origin:
                raise NotProved(
                    f"{one} is of another system: {one.origin}, not {keys.origin}", hint="give one of this store"
                )
        if before is not None:
            return prove_growth(tx, before, target, keys.replacements).model_dump_json(indent=2), []
        whole, places = _places(tx, id)
        return prove_records(tx, places, target, keys.replacements).model_dump_json(indent=2), [whole]

    text = read_evidence(store, work, by=by, what="ledger prove", form="json")
    if output == "-":
        sys.stdout.write(text + "\n")
        return
    write_whole(Path(output), f"{text}\n".encode(), replace=True)
    say(f"{output}: check it with `answerable ledger check {output} --pubkey FILE`")


def _newest(tx: Tx) -> Checkpoint:
    newest = newest_checkpoint(tx)
    if newest is None:
        raise NotProved("the ledger has no checkpoint yet", hint="`answerable ledger status` tells why")
    return newest[0]


def _newest_of(file: str) -> Checkpoint:
    return max(read_checkpoint_file(Path(file))[0], key=lambda one: one.head.size)


def _places(tx: Tx, given: str) -> tuple[str, list[int]]:
    """The whole id of what is meant, and the places of its records."""
    what = _BEGINS.get(given[:4], "run")
    id = whole_id(tx, what, given)
    run = id
    if what != "run":
        row = tx.one(_RUN_OF[what], id=id) if what in _RUN_OF else None
        run = "" if row is None else str(row[0])
    found = [(place, _said(place, body, leaf)) for place, body, leaf in tx.all(_RECORDS, run=run) if place is not None]
    places = [place for place, said in found if what == "run" or said.get(what) == id]
    if not places:
        raise UnknownId(f"no record of {what} {id} has its place yet", hint="try again in a moment")
    return id, places


def _said(place: int, body: Any, leaf: bytes) -> dict[str, Any]:
    if not isinstance(body, bytes) or leaf_hash(body) != leaf:
        raise StoreCorrupt(
            f"record {place} is not what was written", hint="`answerable ledger verify` tells what was changed"
        )
    said: dict[str, Any] = json.loads(body)
    return said


@click.command()
@click.argument("file")
@pubkey_option
@json_option
@click.pass_context
def check(ctx: click.Context, file: str, pubkey: str, as_json: bool) -> None:
    """Check a proof with nothing but FILE and a public key: is each record in the ledger, or did it only grow?"""
    if not pubkey:
        raise InvalidInput("whose ledger is it?", hint="--pubkey FILE: the public key that you have from elsewhere")
    trusted = read_public_keys(Path(pubkey))
    proof = read_proof(_read(Path(file)))
    try:
        checkpoint = proof.check(trusted)
    except NotProved as error:
        say_error(error)
        ctx.exit(DIFFERS)
    included = proof.records if isinstance(proof, InclusionProof) else ()
    bodies = [(one.place, json.loads(one.body)) for one in included]
    if as_json:
        say_json(
            {
                "proved": True,
                "ledger": checkpoint.origin,
                "size": checkpoint.head.size,
                "records": [{"place": place, "record": body} for place, body in bodies],
            }
        )
    else:
        for place, body in bodies:
            say(f"record {place}: {body['kind']}, {when(body['at'])}, run {body['run'] or 'none'}")
        ledger = f"the ledger {checkpoint.origin} of {checkpoint.head.size} records"
        if isinstance(proof, InclusionProof):
            say(f"proved: in {ledger}")
        else:
            say(f"proved: nothing below record {read_checkpoint(proof.older).head.size} was changed in {ledger}")
    ctx.exit(DONE)
