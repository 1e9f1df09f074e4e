"""Attacks on a ledger, by somebody who can write its database and knows how it is made.

1. A `Victim` is a ledger in memory; what is done to it is undone before the next attack.
2. `hide` mends everything that the store itself says about its records: hashes, tree, places. What it says about
   checkpoints is taken out, or signed anew with a key: the stolen one, or one of the attacker's own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from answerable.tracing.ledger import cursors
from answerable.tracing.ledger.checkpoints import Checkpoint, sign_head
from answerable.tracing.ledger.entries import append_all
from answerable.tracing.ledger.merkle import STRIDE, fold, leaf_hash
from answerable.tracing.ledger.notes import Signer, VerifierKey
from answerable.tracing.ledger.sequencer import StoredHashes, head, sequence
from answerable.tracing.ledger.verify import LedgerReport, verify_ledger
from answerable.tracing.storage.sqlite import SQLiteConnection
from answerable.tracing.storage.store import Tx
from tests.tracing.storage.store_worker import step


class Victim:
    """A ledger in memory. `signer` is its key, which the attacker may have stolen."""

    def __init__(self, file: str, signer: Signer) -> None:
        self._raw = sqlite3.connect(":memory:", isolation_level=None)
        with sqlite3.connect(file) as stored:
            stored.backup(self._raw)
        stored.close()
        self.signer = signer
        self.tx = Tx(SQLiteConnection(self._raw), "sqlite")
        self.head = head(self.tx)

    def close(self) -> None:
        self._raw.close()

    @contextmanager
    def attacked(self) -> Iterator[Victim]:
        """What is done to the ledger within is undone behind it."""
        self._raw.execute("BEGIN")
        try:
            yield self
        finally:
            self._raw.execute("ROLLBACK")

    def verify(self, *kept: Checkpoint, trusted: tuple[VerifierKey, ...] = ()) -> LedgerReport:
        return verify_ledger(self.tx, checkpoints=kept, trusted=trusted)

    # -- what an attacker does ----------------------------------------------------------------------------------------

    def body(self, place: int) -> bytes:
        body: bytes = self._raw.execute("SELECT body FROM records WHERE seq = ?", (place,)).fetchone()[0]
        return body

    def write(self, place: int, body: bytes, *, mended: bool = True) -> None:
        """Put other bytes in the place of a record's."""
        self._raw.execute("UPDATE records SET body = ? WHERE seq = ?", (body, place))
        if mended:
            self._raw.execute("UPDATE records SET leaf = ? WHERE seq = ?", (leaf_hash(body), place))

    def remove(self, place: int, *, closed: bool = True) -> None:
        self._raw.execute("DELETE FROM records WHERE seq = ?", (place,))
        if closed:
            self._shift(place, -1)

    def insert(self, place: int, number: int) -> None:
        """Put a further record in front of that place."""
        self._shift(place - 1, 1)
        append_all(self.tx, [step(number, "run_0")])
        self._raw.execute("UPDATE records SET seq = ? WHERE seq IS NULL", (place,))

    def swap(self, one: int, other: int) -> None:
        for old, new in ((one, -1), (other, one), (-1, other)):
            self._raw.execute("UPDATE records SET seq = ? WHERE seq = ?", (new, old))

    def cut(self, size: int) -> None:
        self._raw.execute("DELETE FROM records WHERE seq >= ?", (size,))

    def grow(self, count: int, number: int) -> None:
        """Append other records than those that were there, through the sequencer."""
        append_all(self.tx, [step(number + offset, "run_0") for offset in range(count)])
        sequence(self.tx, at_most=count)

    def hide(self, signer: Signer | None = None) -> None:
        """Mend the tree and the count of places; sign it with a key, or take the checkpoints out."""
        size, last = self._raw.execute("SELECT count(seq), max(seq) FROM records").fetchone()
        for place in range(size if last is not None and last >= size else 0):  # close the gap
            if self._raw.execute("SELECT 1 FROM records WHERE seq = ?", (place,)).fetchone() is None:
                self._shift(place, -1)
                break
        cursors.move(self.tx, cursors.SEQUENCER, size)
        self._raw.execute("DELETE FROM tree_nodes")
        hashes = StoredHashes(self.tx)
        self._raw.executemany(
            "INSERT INTO tree_nodes VALUES (?, ?, ?)",
            [
                (STRIDE, block, fold(hashes.read(0, block << STRIDE, 1 << STRIDE)))
                for block in range(size >> STRIDE)  # too small a ledger for higher levels
            ],
        )
        self._raw.execute("DELETE FROM heads")
        if signer is not None:
            self._raw.execute("INSERT INTO heads VALUES (?, ?, 0)", (size, sign_head(head(self.tx), signer).text))

    def take_key(self, signer: Signer) -> None:
        """Make another key the one that the store says is its own."""
        self._raw.execute("DELETE FROM signing_keys")
        self._raw.execute("INSERT INTO signing_keys VALUES (0, ?, '', 0)", (str(signer.public),))

    def _shift(self, after: int, by: int) -> None:
        self._raw.execute("UPDATE records SET seq = -1 - seq WHERE seq > ?", (after,))
        self._raw.execute("UPDATE records SET seq = -1 - seq + ? WHERE seq < 0", (by,))


def edit(victim: Victim, random: Random, below: int) -> None:
    place = random.randrange(below)
    body = bytearray(victim.body(place))
    if random.random() < 0.5:
        body[random.randrange(len(body))] ^= 1 << random.randrange(8)
    else:
        body[:] = body.replace(b'"host":"here"', b'"host":"h%d"' % random.randrange(10**9))
    victim.write(place, bytes(body), mended=random.random() < 0.9)


def delete(victim: Victim, random: Random, below: int) -> None:
    victim.remove(random.randrange(below), closed=random.random() < 0.9)


def insert(victim: Victim, random: Random, below: int) -> None:
    victim.insert(random.randrange(below), random.randrange(10**9))


def reorder(victim: Victim, random: Random, below: int) -> None:
    one, other = random.sample(range(below), 2)
    victim.swap(one, other)


def truncate(victim: Victim, random: Random, below: int) -> None:
    victim.cut(random.randrange(below))


def restore(victim: Victim, random: Random, below: int) -> None:
    """An older state of the ledger, and other records, until it is as large as before, or smaller or larger."""
    size = random.randrange(below)
    victim.cut(size)
    victim.hide()
    victim.grow(random.randrange(1, min(below - size, 100) + 10), random.randrange(10**9))


ATTACKS = {one.__name__: one for one in (edit, delete, insert, reorder, truncate, restore)}
