"""The key of decisions and grants: a secret outside the database, so that a row written by hand is not a decision.

1. The key is a file that only its user may read: `ANSWERABLE_KEY_FILE`, else beside a SQLite file
   (`answerable.db.key`), else in the user's state folder under the store's id.
2. It is made once, when the store is. A store that has one already refuses to work with another, or without.
"""

from __future__ import annotations

import hmac
import json
import os
from pathlib import Path
from typing import Final

from sqlalchemy import bindparam, select

from answerable.errors import StoreCorrupt, StoreError
from answerable.tracing.storage.private_files import PrivateFile, beside_store
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Store, Tx, store_id
from answerable.tracing.storage.tables.store import meta

_CHECK = Statement(select(meta.c.value).where(meta.c.key == bindparam("key")))
_SET = inserting(meta)
_CHECK_NAME = "key_check"
_RESTORE: Final = "restore the file, or name it in ANSWERABLE_KEY_FILE; without it nothing is sent"


class Key:
    """Signs and checks rows with HMAC-SHA-256. Source: RFC 2104."""

    def __init__(self, secret: bytes) -> None:
        self._begun = hmac.new(secret, digestmod="sha256")  # begun once: copying it costs half of beginning anew

    def mac(self, kind: str, *fields: object) -> str:
        """The MAC of a row: 64 hexadecimal digits."""
        fixed = json.dumps([kind, *map(str, fields)])  # no field can pass for its neighbour
        return self._over(fixed.encode()).hexdigest()

    def of_store(self, name: str) -> Key:
        """The key of one store: stores that share a file do not take each other's rows for their own."""
        return Key(self._over(name.encode()).digest())

    def holds(self, mac: str, kind: str, *fields: object) -> bool:
        """Whether `mac` is that of a row with these fields."""
        return hmac.compare_digest(mac, self.mac(kind, *fields))

    def _over(self, what: bytes) -> hmac.HMAC:
        made = self._begun.copy()
        made.update(what)
        return made


def not_ours(what: str, so: str = "") -> StoreCorrupt:
    """The error for a row of which the MAC is wrong; `so` says what that means for whoever asked."""
    told = "`answerable ledger verify` tells what was changed"
    return StoreCorrupt(f"{what} was not made by this system: its MAC is wrong", hint=f"{so}; {told}" if so else told)


async def open_key(store: Store) -> Key:
    """The key of this store, made if the store is new.

    Raises: StoreError if the store has a key and this is not it, or the file cannot be read.
    """
    name, check = await store.read(lambda tx: (store_id(tx), tx.one(_CHECK, key=_CHECK_NAME)))
    path = key_path(store.url, name)
    file = PrivateFile(path=path, what="the key of this store's decisions", hint=_RESTORE)
    key = Key(file.read() if check or path.exists() else file.make()).of_store(name)

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


async def find_key(store: Store) -> Key | None:
    """The key of this store, if it is here; None elsewhere, for example where a copy is looked at.

    Raises: StoreError if another key is here.
    """
    name = await store.read(store_id)
    return await open_key(store) if key_path(store.url, name).exists() else None


def key_path(url: str, store: str) -> Path:
    """Where the key of the store at `url` lies."""
    named = os.environ.get("ANSWERABLE_KEY_FILE")
    return Path(named) if named else beside_store(url, store, "key")
