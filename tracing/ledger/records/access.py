"""Records of access: what lets a person act by another way than the command line of this machine."""

from __future__ import annotations

from typing import ClassVar, Literal

from answerable.tracing.ledger.records.record import Act, Record


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


class IdentityBound(Record):
    """A login at an OpenID provider is a person from here on. Which login lies beside the record."""

    kind: Literal["identity.bound"] = "identity.bound"
    durable: ClassVar[bool] = True
    binding: str
    person: str
    how: Literal["by-hand", "email"]


class IdentityUnbound(Record):
    """A login is nobody any more; what was opened by it has ended."""

    kind: Literal["identity.unbound"] = "identity.unbound"
    durable: ClassVar[bool] = True
    binding: str
    person: str


class KeyRegistered(Act):
    """A person has a key of their own to sign answers with; `proof` shows that they have its private half."""

    kind: Literal["key.registered"] = "key.registered"
    durable: ClassVar[bool] = True
    key: str
    person: str
    public: str  # base64 of the 32 bytes of an Ed25519 key
    proof: str  # base64
    proved_at: int
    seal: str = ""  # a MAC of all this


class KeyRevoked(Act):
    """A person's key signs nothing new; what it signed before stays signed."""

    kind: Literal["key.revoked"] = "key.revoked"
    durable: ClassVar[bool] = True
    key: str
    person: str
    by: str  # person
    reason: str
