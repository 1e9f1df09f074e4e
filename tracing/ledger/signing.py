"""Signing: the key of a store's ledger, and its checkpoints.

1. The private key is a file that only its user may read, made at first use: in the folder `ANSWERABLE_SIGNING_KEYS`,
   else beside an SQLite file (`answerable.db.signing-key`), else in the user's state folder under the store's id. The
   public key lies beside it (`.pub`), to be given to others.
2. The store says which key is in force, and which were before. A process whose key is another signs nothing.
3. A checkpoint is signed where nobody else extends the tree, of what has its place, and only if that has grown. What
   was signed before must still be so: a ledger that was changed is not signed again.
4. A key is replaced in one transaction, with its record. The new key lies in a file of its own before that, and takes
   the name of the old one after it; a process that finds the work half-done ends it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Integer, bindparam, delete, select

from answerable.errors import StoreCorrupt, StoreError
from answerable.tracing.clock import Micros
from answerable.tracing.ledger import cursors
from answerable.tracing.ledger.checkpoints import Checkpoint, KeyChain, origin_of, read_checkpoint, sign_head
from answerable.tracing.ledger.checkpoints import sign_replacement as sign_note
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.merkle import root
from answerable.tracing.ledger.notes import Signer, VerifierKey, read_key
from answerable.tracing.ledger.records.store import KeyReplaced
from answerable.tracing.ledger.sequencer import StoredHashes, alone, head
from answerable.tracing.storage.private_files import PrivateFile, beside_store
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Store, Tx, store_id
from answerable.tracing.storage.tables.ledger import heads, signing_keys

STRETCH: Final = 1024  # records: of the checkpoints of one stretch the store keeps the newest

_HEADS = Statement(select(heads.c.note, heads.c.at).order_by(heads.c.size))
_NEWEST = Statement(select(heads.c.note, heads.c.at).order_by(heads.c.size.desc()).limit(1))
_ADD_HEAD = inserting(heads)
_DROP_HEAD = Statement(delete(heads).where(heads.c.size == bindparam("old", type_=Integer)))
_KEYS = Statement(
    select(signing_keys.c.number, signing_keys.c.key, signing_keys.c.note).order_by(signing_keys.c.number)
)
_ADD_KEY = inserting(signing_keys)
_WHAT: Final = "the key that signs this store's ledger"
_RESTORE: Final = "restore the file, or name its folder in ANSWERABLE_SIGNING_KEYS; without it no checkpoint is signed"


@dataclass(frozen=True, kw_only=True)
class SigningKeys:
    """The public keys of a store's ledger, in order, and the notes that replaced all but the last."""

    origin: str
    keys: tuple[VerifierKey, ...]
    replacements: tuple[str, ...]

    @property
    def in_force(self) -> VerifierKey | None:
        """The key that signs now; None before the first checkpoint."""
        return self.keys[-1] if self.keys else None

    def chain(self) -> KeyChain:
        """These keys, as the store itself has them. Raises: NotProved, InvalidInput."""
        return KeyChain(self.keys[:1], self.replacements)


def signing_keys_of(tx: Tx) -> SigningKeys:
    """The keys of this store. Raises: InvalidInput if a row is none."""
    rows = tx.all(_KEYS)
    return SigningKeys(
        origin=origin_of(store_id(tx)),
        keys=tuple(read_key(str(row[1])) for row in rows),
        replacements=tuple(str(row[2]) for row in rows if row[2]),
    )


def checkpoints_of(tx: Tx) -> list[Checkpoint]:
    """The checkpoints that the store keeps, the smallest first. Raises: InvalidInput if a row is none."""
    return [read_checkpoint(str(row[0])) for row in tx.all(_HEADS)]


def newest_checkpoint(tx: Tx) -> tuple[Checkpoint, Micros] | None:
    """The newest checkpoint, and when it was signed."""
    row = tx.one(_NEWEST)
    return None if row is None else (read_checkpoint(str(row[0])), int(row[1]))


def key_file(url: str, store: str) -> Path:
    """Where the private key of the store at `url` lies."""
    folder = os.environ.get("ANSWERABLE_SIGNING_KEYS")
    return Path(folder) / f"{store}.signing-key" if folder else beside_store(url, store, "signing-key")


def public_file(url: str, store: str) -> Path:
    """Where the public key lies that is in force."""
    return key_file(url, store).with_suffix(".pub")


async def open_signer(store: Store) -> Signer:
    """The key in force, made if the store has none yet.

    Raises: StoreError if it is not here, cannot be read, or is another one; StoreReadOnly.
    """
    name, known = await store.read(lambda tx: (store_id(tx), signing_keys_of(tx)))
    path = key_file(store.url, name)
    if known.in_force is None:
        secret = _file(path).read() if path.exists() else _file(path).make()
        made, now = Signer(known.origin, secret), store.clock.now()

        def settle(tx: Tx) -> SigningKeys:
            alone(tx, wait=True)
            if not signing_keys_of(tx).keys:
                tx.run(_ADD_KEY, number=0, key=str(made.public), note="", at=now)
            return signing_keys_of(tx)

        known = await store.write(settle, durable=True)
    try:
        return _open(path, known)
    except StoreError:
        since = await store.read(signing_keys_of)
        if since.in_force == known.in_force:
            raise
        return _open(path, since)  # it was replaced since it was looked up


def sign_ledger(tx: Tx, signer: Signer, *, at: Micros, wait: bool = False) -> Checkpoint | None:
    """Sign the ledger as it is placed; None if it has not grown, or if the key was replaced.

    None, too, if somebody else is at it, unless that is to be waited for. Raises: StoreCorrupt if what was signed
    before is not there any more: then nothing is signed.
    """
    if not alone(tx, wait=wait):
        return None
    newest = newest_checkpoint(tx)
    size = cursors.position_of(tx, cursors.SEQUENCER)
    old = 0 if newest is None else newest[0].head.size
    if size == old or signing_keys_of(tx).in_force != signer.public:
        return None
    if newest is not None and (size < old or root(StoredHashes(tx), old) != newest[0].head.root):
        raise StoreCorrupt(
            f"the ledger is not what {newest[0]} was signed for; nothing more is signed",
            hint="`answerable ledger verify` tells what was changed",
        )
    made = sign_head(head(tx), signer)
    if newest is not None and old // STRETCH == size // STRETCH:
        tx.run(_DROP_HEAD, old=old)
    tx.run(_ADD_HEAD, size=size, note=made.text, at=at)
    return made


async def replace_key(store: Store, *, by: str, reason: str, assurance: str = "") -> SigningKeys:
    """Have another key sign from here on; the person `by` (an id) says why. The keys as they are then.

    Raises: StoreError if the key in force is not here, or is replaced by somebody else meanwhile.
    """
    old = await open_signer(store)
    name, now = await store.read(store_id), store.clock.now()
    path = key_file(store.url, name)
    draft = path.with_name(f"{path.name}.{os.urandom(4).hex()}")
    new = Signer(old.public.name, _file(draft).make())
    waiting = _waiting(path, new.public)
    draft.rename(waiting)

    def work(tx: Tx) -> SigningKeys:
        alone(tx, wait=True)
        known = signing_keys_of(tx)
        if known.in_force != old.public:
            raise StoreError("somebody else replaced the key meanwhile", hint="look at `answerable ledger status`")
        note = sign_note(old, new, head(tx))
        tx.run(_ADD_KEY, number=len(known.keys), key=str(new.public), note=note, at=now)
        append(tx, KeyReplaced(at=now, system="", chain=(by,), by=by, reason=reason, note=note, assurance=assurance))
        return signing_keys_of(tx)

    try:
        known = await store.write(work, durable=True)
    except BaseException:
        with suppress(OSError):
            waiting.unlink()
        raise
    _open(path, known)
    return known


def _file(path: Path) -> PrivateFile:
    return PrivateFile(path=path, what=_WHAT, hint=_RESTORE)


def _waiting(path: Path, key: VerifierKey) -> Path:
    return path.with_name(f"{path.name}.{key.id.hex()}")


def _open(path: Path, known: SigningKeys) -> Signer:
    """The key in force from its file, or from the one where it waits to take its name. Raises: StoreError."""
    assert known.in_force is not None
    waiting = _waiting(path, known.in_force)
    with suppress(FileNotFoundError):  # the usual case, or another process ends the same work
        waiting.replace(path)
    signer = Signer(known.origin, _file(path).read())
    if signer.public != known.in_force:
        raise StoreError(
            f"{path} is key {signer.public.id.hex()}, and this store's ledger is signed by {known.in_force.id.hex()}",
            hint=_RESTORE,
        )
    _publish(path.with_suffix(".pub"), signer.public)
    return signer


def _publish(path: Path, key: VerifierKey) -> None:
    """Lay the public key beside the private one, if it is not there."""
    line = f"{key}\n"
    with suppress(OSError):
        if path.exists() and path.read_text("utf-8") == line:
            return
        draft = path.with_name(f"{path.name}.{os.urandom(4).hex()}")
        draft.write_text(line, "utf-8")
        draft.replace(path)
