"""Records of access: what lets a person act by another way than the command line of this machine."""

from __future__ import annotations

from typing import ClassVar, Literal

from answerable.tracing.ledger.record import Record


class TokenMade(Record):
    """A person was given a bearer token. The secret is not stored."""

    kind: Literal["token.made"] = "token.made"
    durable: ClassVar[bool] = True
    token: str
    person: str
    expires_at: int


class TokenRevoked(Record):
    """A person's token was revoked: nothing that shows it acts any more."""

    kind: Literal["token.revoked"] = "token.revoked"
    durable: ClassVar[bool] = True
    token: str
    person: str
