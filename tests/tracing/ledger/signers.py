"""Keys of ledgers that are not there, for tests: each the same at every run."""

from __future__ import annotations

from hashlib import sha256

from answerable.tracing.ledger.notes import Signer

ORIGIN = "answerable/0123456789abcdef"


def signer(number: int = 1, name: str = ORIGIN) -> Signer:
    """The private key of that number."""
    return Signer(name, sha256(b"test key %d" % number).digest())
