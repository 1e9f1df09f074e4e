"""Handing a bundle out: with a new checkpoint, written whole or not at all, and recorded before that.

1. A checkpoint is signed and anchored now, if this process has the key; else the newest that is there is used. One that
   was kept elsewhere can be given instead.
2. Who took which bundle is a record: by its digest, so that it can be told from any other.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path
from typing import Final

from answerable.errors import InvalidInput, NotProved, StoreCorrupt, StoreError
from answerable.tracing.evidence.handing.bundle import Bundle, make_bundle
from answerable.tracing.evidence.handing.readings import record_reading
from answerable.tracing.ledger import cursors
from answerable.tracing.ledger.checkpointing import Checkpointing
from answerable.tracing.ledger.checkpoints import Checkpoint
from answerable.tracing.ledger.naming import catch_up
from answerable.tracing.ledger.notes import Signer
from answerable.tracing.ledger.sequencer import sequence_all
from answerable.tracing.ledger.signing import newest_checkpoint, open_signer, signing_keys_of
from answerable.tracing.storage.private_files import sync_folder
from answerable.tracing.storage.store import Store, Tx

SIGNING_TRIES: Final = 20
PAUSE_SECONDS: Final = 0.1


async def prepare_bundle(
    store: Store, given: str, *, checkpoint: Checkpoint | None = None, with_names: bool, with_payloads: bool
) -> Bundle:
    """The bundle about what `given` names, for this checkpoint or a new one.

    Raises: UnknownId; NotProved if there is no checkpoint, or if it is of another ledger; StoreError.
    """
    signer = await _signer(store)
    if checkpoint is None:
        await _sign_all(store, tries=SIGNING_TRIES if signer is not None else 1)
    await catch_up(store)

    def make(tx: Tx) -> Bundle:
        keys, newest = signing_keys_of(tx), newest_checkpoint(tx)
        chosen = checkpoint or (newest and newest[0])
        if chosen is None or keys.in_force is None:
            raise NotProved(
                "this ledger has no checkpoint, and its key is not here to sign one",
                hint="make the bundle where the store's key is, or `answerable ledger status` tells why there is none",
            )
        keys.chain().check(chosen, origin=keys.origin)
        return make_bundle(
            tx,
            given,
            checkpoint=chosen,
            key=keys.in_force,
            replacements=keys.replacements,
            signer=signer,
            with_names=with_names,
            with_payloads=with_payloads,
        )

    return await store.read(make)


async def hand_out(store: Store, bundle: Bundle, file: Path, *, by: str, replace: bool = False) -> bool:
    """Record that the person `by` takes a bundle away, and write it; False if the store cannot be written, only read.

    Raises: InvalidInput if the file is there and not to be replaced, or cannot be written; StoreError.
    """
    refuse_written(file, replace=replace)
    about = (bundle.about["id"], bundle.about["run"], f"sha256:{bundle.digest}")
    recorded = await record_reading(store, by=by, what="bundle", about=about, form=_form(bundle))
    if recorded:
        await Checkpointing(store).at_once()
    write_whole(file, bundle.data, replace=replace)
    return recorded


def write_whole(file: Path, data: bytes, *, replace: bool) -> None:
    """Write a file that others of this machine cannot read, whole or not at all. Raises: InvalidInput.

    What `file` links to is written, not the link. What is no file (a device, a pipe) is written as it is.
    """
    file = file.resolve()
    if file.exists() and not file.is_file():
        _write_through(file, data)
        return
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        try:
            refuse_written(file, replace=replace)
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(file.parent)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror or error}") from error


def _write_through(there: Path, data: bytes) -> None:
    try:
        there.write_bytes(data)
    except OSError as error:
        raise InvalidInput(f"{there} cannot be written: {error.strerror or error}") from error


def refuse_written(file: Path, *, replace: bool) -> None:
    """Raises: InvalidInput if there is such a file, and it is not to be replaced."""
    if file.is_file() and not replace:
        raise InvalidInput(f"{file} is there already", hint="name another file, or say --replace")


def _form(bundle: Bundle) -> str:
    switched = [name for name in ("names", "payloads") if bundle.about[f"with_{name}"]]
    return " with ".join(["zip", *([" and ".join(switched)] if switched else [])])


async def _signer(store: Store) -> Signer | None:
    """The ledger's key, if it is here."""
    try:
        return await open_signer(store)
    except StoreCorrupt:
        raise
    except StoreError:
        return None


async def _sign_all(store: Store, *, tries: int) -> None:
    """Have a checkpoint of everything that is recorded by now, and bring it to the anchors."""
    await sequence_all(store)
    size = await store.read(lambda tx: cursors.position_of(tx, cursors.SEQUENCER))
    for _ in range(tries):
        await Checkpointing(store).at_once()
        newest = await store.read(newest_checkpoint)
        if newest is not None and newest[0].head.size >= size:
            return
        await asyncio.sleep(PAUSE_SECONDS)  # another process is at it
