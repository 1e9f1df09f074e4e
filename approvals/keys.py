"""The key of decisions and grants: a secret outside the database, so that a row written by hand is not a decision.

1. The key is a file that only its user may read: `ANSWERABLE_KEY_FILE`, else beside a SQLite file
   (`answerable.db.key`), else in the user's state folder under the store's id.
2. It is made once, when the store is. A store that has one already refuses to work with another, or without.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.engine import make_url

from answerable.errors import StoreError
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Store, Tx, store_id
from answerable.tracing.storage.tables import meta

_CHECK = Statement(select(meta.c.value).where(meta.c.key == bindparam("key")))
_SET = inserting(meta)
_CHECK_NAME = "key_check"
KEY_BYTES: Final = 32


class Key:
    """Signs and checks rows with HMAC-SHA-256. Source: RFC 2104."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def mac(self, kind: str, *fields: object) -> str:
        """The MAC of a row: 64 hexadecimal digits."""
        fixed = json.dumps([kind, *(str(field) for field in fields)])  # no field can pass for its neighbour
        return hmac.new(self._secret, fixed.encode(), sha256).hexdigest()

    def of_store(self, name: str) -> Key:
        """The key of one store: stores that share a file do not take each other's rows for their own."""
        return Key(hmac.new(self._secret, name.encode(), sha256).digest())

    def holds(self, mac: str, kind: str, *fields: object) -> bool:
        """Whether `mac` is that of a row with these fields."""
        return hmac.compare_digest(mac, self.mac(kind, *fields))


async def open_key(store: Store) -> Key:
    """The key of this store, made if the store is new.

    Raises: StoreError if the store has a key and this is not it, or the file cannot be read.
    """
    name, check = await store.read(lambda tx: (store_id(tx), tx.one(_CHECK, key=_CHECK_NAME)))
    path = key_path(store.url, name)
    key = (_read(path) if check or path.exists() else _make(path)).of_store(name)

    def settle(tx: Tx) -> str:
        known = tx.one(_CHECK, key=_CHECK_NAME)
        if known is None:
            tx.run(_SET, key=_CHECK_NAME, value=key.mac("store", name))
            return key.mac("store", name)
        return str(known[0])

    if not key.holds(check[0] if check else await store.write(settle, durable=True), "store", name):
        raise StoreError(
            f"{path} is not the key that this store's decisions were made with",
            hint="put the right file there, or name it in ANSWERABLE_KEY_FILE",
        )
    return key


def key_path(url: str, store: str) -> Path:
    """Where the key of the store at `url` lies."""
    named = os.environ.get("ANSWERABLE_KEY_FILE")
    if named:
        return Path(named)
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return Path(f"{parsed.database}.key")
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "answerable" / f"{store}.key"


def _read(path: Path) -> Key:
    try:
        if path.stat().st_mode & 0o077:
            raise _unreadable(path, f"others may read or change it; `chmod 600 {path}`")
        secret = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    if len(secret) != KEY_BYTES:
        raise _unreadable(path, f"it holds {len(secret)} bytes, not {KEY_BYTES}")
    return Key(secret)


def _unreadable(path: Path, why: str) -> StoreError:
    return StoreError(
        f"the key of this store's decisions cannot be read from {path}: {why}",
        hint="restore the file, or name it in ANSWERABLE_KEY_FILE; without it nothing is sent",
    )


def _make(path: Path) -> Key:
    """A new key in a new file, which appears there whole or not at all; the one that is there if another was faster."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_bytes(KEY_BYTES).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:  # another process made it a moment ago
            pass
        finally:
            draft.unlink()
        _sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"the key of this store's decisions cannot be written to {path}: {error}") from error
    return _read(path)


def _sync_folder(folder: Path) -> None:
    """Have the folder's new entry survive a power cut, as the decisions do that nobody could check without it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
