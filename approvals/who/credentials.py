"""Credentials: what a person shows instead of saying who they are.

1. A secret is shown once, when it is made; the store keeps its SHA-256. It has 256 bits, so it needs no slow hash.
2. A row has a MAC over whose it is, of what kind, until when: one written by hand lets nobody in.
3. It stands until it expires, is ended (as its row says, or a record, if somebody put the row back), or the credential
   that it came from no longer stands. `check_standing` looks
   at that in the transaction that acts, under a lock that ending takes for writing: it works at once, everywhere.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal, TypeAlias

from sqlalchemy import bindparam, select, update

from answerable.approvals.sealing.keys import Key
from answerable.approvals.who.endings import ended
from answerable.approvals.who.identity import Assurance, Identity
from answerable.errors import NotAuthenticated
from answerable.tracing import ids
from answerable.tracing.people import PersonRow, person_by_id
from answerable.tracing.storage.statements import Statement, inserting, named
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.people import credentials

Kind: TypeAlias = Literal["token", "link", "session", "binding"]

_PREFIXES: Final[dict[str, str]] = {
    "token": ids.BEARER,
    "link": ids.LINK,
    "session": ids.SESSION,
    "binding": ids.BINDING,
}
_INSERT = inserting(credentials)
_BY_DIGEST = Statement(select(*credentials.c).where(credentials.c.digest == bindparam("digest")))
_GET = Statement(select(*credentials.c).where(credentials.c.id == bindparam("credential")))
_GET_LOCKED = Statement(
    select(*credentials.c).where(credentials.c.id == bindparam("credential")).with_for_update(read=True)
)
_OF_KIND = Statement(
    select(*credentials.c).where(credentials.c.kind == bindparam("kind")).order_by(credentials.c.made_at)
)
_ALL = Statement(select(*credentials.c).order_by(credentials.c.made_at, credentials.c.id))
_END = Statement(
    update(credentials)
    .where(credentials.c.id == bindparam("credential"), credentials.c.ended_at.is_(None))
    .values(ended_at=bindparam("at"))
)


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A stored credential. `person` is an id; `parent` is the credential that it came from, or ""."""

    id: str
    kind: str  # token, link, session, binding
    person: str
    digest: str
    assurance: Assurance
    parent: str
    note: str
    made_at: int
    expires_at: int
    ended_at: int | None
    mac: str
    since: int

    def genuine(self, key: Key) -> bool:
        """Whether it was written by this program with the store's key."""
        return key.holds(self.mac, "credential", *self._signed())

    def state(self, *, at: int) -> str:
        """How it stands by itself: "valid", "expired" or "ended"."""
        if self.ended_at is not None:
            return "ended"
        return "valid" if at < self.expires_at else "expired"

    def _signed(self) -> tuple[object, ...]:
        return (
            self.id,
            self.kind,
            self.person,
            self.digest,
            self.assurance,
            self.parent,
            self.made_at,
            self.expires_at,
            self.since,
        )


def make_credential(
    tx: Tx,
    key: Key,
    kind: Kind,
    *,
    person: str,
    secret: str,
    assurance: Assurance,
    expires_at: int,
    at: int,
    parent: str = "",
    note: str = "",
    since: int = 0,
) -> Credential:
    """Write a credential of a person (an id) for a secret that nobody else has.

    `since` is when they proved who they are, for one that follows a login.
    """
    unsigned = Credential(
        id=ids.fresh(_PREFIXES[kind]),
        kind=kind,
        person=person,
        digest=_digest(secret),
        assurance=assurance,
        parent=parent,
        note=note,
        made_at=at,
        expires_at=expires_at,
        ended_at=None,
        mac="",
        since=since,
    )
    fields = {**vars(unsigned), "mac": key.mac("credential", *unsigned._signed())}
    tx.run(_INSERT, **fields)
    return Credential(**fields)


def fresh_secret() -> str:
    """A new secret of 256 bits, as 64 hexadecimal digits."""
    return secrets.token_hex(32)


def find_by_secret(tx: Tx, kind: Kind, secret: str) -> Credential | None:
    """The credential of this kind that has this secret, whether it stands or not."""
    row = tx.one(_BY_DIGEST, digest=_digest(secret))
    found = Credential(**named(credentials, row)) if row else None
    return found if found is not None and found.kind == kind else None


def whose(tx: Tx, key: Key, kind: Kind, secret: str, *, at: int) -> tuple[Credential, PersonRow]:
    """The credential that has this secret, and whose it is, if it stands. Raises: NotAuthenticated."""
    found = find_by_secret(tx, kind, secret)
    if found is None:
        raise NotAuthenticated(f"this {kind} is not known here", hint=_hint(kind))
    return found, _standing(tx, key, found, _GET, at=at)


def identity_of(credential: Credential, person: PersonRow) -> Identity:
    """Who acts when they show this credential."""
    return Identity(
        handle=person.handle, assurance=credential.assurance, credential=credential.id, since=credential.since
    )


def check_standing(tx: Tx, key: Key, who: Identity, *, at: int, lock: bool = True) -> None:
    """Whether what an identity rests on still stands, at this moment; without `lock` for somebody who only looks.

    Raises: NotAuthenticated.
    """
    if not who.credential:
        return
    statement = _GET_LOCKED if lock else _GET
    person = _standing(tx, key, _get(tx, who.credential, statement), statement, at=at)
    if person.handle != who.handle:
        raise NotAuthenticated(f"{who.credential} is not a credential of {who.handle}")


def end_credential(tx: Tx, id: str, *, at: int) -> bool:
    """End a credential, and with it all that came from it; False if it was ended already."""
    return tx.run(_END, credential=id, at=at) == 1


def credentials_of_kind(tx: Tx, kind: Kind) -> list[Credential]:
    """All credentials of a kind, oldest first."""
    return [Credential(**named(credentials, row)) for row in tx.all(_OF_KIND, kind=kind)]


def all_credentials(tx: Tx) -> list[Credential]:
    """Every credential, oldest first."""
    return [Credential(**named(credentials, row)) for row in tx.all(_ALL)]


def find_credential(tx: Tx, id: str) -> Credential | None:
    """The credential with this id."""
    row = tx.one(_GET, credential=id)
    return Credential(**named(credentials, row)) if row else None


def _get(tx: Tx, id: str, statement: Statement) -> Credential:
    row = tx.one(statement, credential=id)
    if row is None:
        raise NotAuthenticated(f"there is no credential {id}")
    return Credential(**named(credentials, row))


def _standing(tx: Tx, key: Key, found: Credential, statement: Statement, *, at: int) -> PersonRow:
    """Whose credential it is. Raises: NotAuthenticated if it, or what it came from, does not stand."""
    if not found.genuine(key):
        raise NotAuthenticated(
            f"{found.id} was not made by this system: its MAC is wrong", hint="somebody wrote into the database"
        )
    state = found.state(at=at)
    if state != "valid":
        said = "was revoked or used" if state == "ended" else "has expired"
        raise NotAuthenticated(f"this {found.kind} {said}", hint=_hint(found.kind))
    if not ended(tx, key).isdisjoint((found.id, found.person)):
        raise NotAuthenticated(
            f"{found.id} was revoked, as a record says, though its row does not say so",
            hint="somebody wrote into the database: `answerable ledger verify`",
        )
    if found.parent:
        _standing(tx, key, _get(tx, found.parent, statement), statement, at=at)
    person = person_by_id(tx, found.person)
    if person is None:
        raise NotAuthenticated("the registry does not know whose credential this is")
    return person


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _hint(kind: str) -> str:
    return {
        "token": "`answerable token create PERSON` makes one",
        "link": "`answerable serve` prints a new one",
        "session": "sign in again",
        "binding": "`answerable people bind` says whose login it is",
    }[kind]
