"""Signatures: what a person signed with a key of their own, so that nobody has to believe the server.

1. What is signed is a line that says what for, and canonical JSON (RFC 8785) of everything that is meant: what it is
   about, by its digest; the answer; who answers, for whom, with which key, and when.
2. Words (a reason, an edited message) are in it as a salted digest. The salt lies beside the records, as the words do,
   and goes with them.
3. A signature is taken within five minutes, from the person whose key it is, as long as that stands. What a key signed
   before it was revoked stays signed.
4. Keys are records: a person's public key, with a signature that shows that they have the other half. A made-up record
   of one has no seal.
5. Whoever registers a key says whose it is, so a signature is as good as what they showed when they did. One of a key
   that was registered on somebody's word makes an answer no surer. Its person may register it again, with a token or a
   login of theirs, and it counts from then on.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import bindparam, select

from answerable.approvals.sealing.keys import Key
from answerable.approvals.sealing.seals import is_sealed, sealed
from answerable.approvals.who.identity import ASSERTED, ASSURANCES, SIGNED, Assurance, Identity, rank
from answerable.errors import InvalidInput, NotAuthenticated, NotEligible, UnknownId
from answerable.tracing import ids
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.access import KeyRegistered, KeyRevoked
from answerable.tracing.ledger.records.every import read_record
from answerable.tracing.ledger.records.record import Signature
from answerable.tracing.people import get_person
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.ledger import records
from answerable.tracing.storage.tables.people import systems

FOR_ANSWERS: Final = "answerable answer/1"
BREAK_GLASS: Final = "break-glass"  # what a signed answer is that does that, so that a plain yes is never taken for it
REVIEWED: Final = "reviewed"  # the answer of who looks at a decision afterwards; the option is what they found
FOR_KEYS: Final = "answerable key/1"
APART_SECONDS: Final = 300  # between the signer's clock and ours

_OF_KEYS = Statement(
    select(records.c.body)
    .where(records.c.run == "", records.c.kind.in_(["key.registered", "key.revoked"]))
    .order_by(records.c.id)
)
_RESPONSIBLE = Statement(select(systems.c.name).where(systems.c.responsible == bindparam("person")))


@dataclass(frozen=True, kw_only=True)
class PersonKey:
    """A person's public key. `person` is an id; `revoked_at` is None as long as it stands.

    `assurance` is how sure we were of who registered it.
    """

    id: str
    person: str
    public: str  # base64 of its 32 bytes
    registered_at: int
    revoked_at: int | None
    assurance: Assurance


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A signature that comes with an answer: by which key, when (microseconds), the salt of the words, and the value.

    `salt` is 64 hexadecimal digits, `value` base64.
    """

    key: str
    at: int
    salt: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Meant:
    """What an answer means, to whoever signs it: ids, the digest of what was shown, and the words that go with it."""

    system: str
    subject: str  # a request, or a rule
    digest: str
    answer: str
    option: str
    person: str
    for_person: str
    code: str = ""  # of the reason
    reason: str = ""
    proposes: str = ""  # SHA-256 of the canonical JSON of an edited message, or ""

    def said(self, salt: str) -> str:
        """The salted digest of the words."""
        return sha256(bytes.fromhex(salt) + rfc8785.dumps([self.reason, self.proposes])).hexdigest()

    def statement(self, *, key: str, at: int, said: str) -> bytes:
        """The bytes that are signed."""
        fields: dict[str, str | int] = {name: getattr(self, name) for name in _IN_STATEMENT}
        return statement(FOR_ANSWERS, fields | {"key": key, "at": at, "said": said})


_IN_STATEMENT: Final = ("system", "subject", "digest", "answer", "option", "person", "for_person", "code")


def statement(purpose: str, fields: Mapping[str, str | int]) -> bytes:
    """What is signed for a purpose."""
    return purpose.encode() + b"\n" + rfc8785.dumps(dict(fields))


def digest_of_message(message: Mapping[str, object]) -> str:
    """How an edited message is named in a signature. Raises: InvalidInput if it cannot be written as canonical JSON."""
    try:
        return sha256(rfc8785.dumps(dict(message))).hexdigest()  # type: ignore[arg-type]  # it says what is wrong
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"this message cannot be signed: {error}") from error


def sign(private: Ed25519PrivateKey, meant: Meant, *, at: int) -> Signed:
    """Sign an answer."""
    key, salt = key_id(public_of(private)), secrets.token_hex(32)
    value = private.sign(meant.statement(key=key, at=at, said=meant.said(salt)))
    return Signed(key=key, at=at, salt=salt, value=base64.b64encode(value).decode())


def signed_by(
    tx: Tx, store_key: Key, who: Identity, meant: Meant, given: Signed | None, *, at: int
) -> tuple[Identity, Signed | None, Signature | None]:
    """Who answers, as sure as their signature makes it: what was given, or made here with the key that they have.

    With a key that was registered on somebody's word they are as sure as they were. Raises: NotAuthenticated.
    """
    signed = given or (sign(who.own, meant, at=at) if who.own is not None else None)
    if signed is None:
        return who, None, None
    known, signature = check_signed(tx, store_key, signed, meant, at=at)
    if known.assurance == ASSERTED:
        return who, signed, signature
    otherwise = max(known.assurance, who.assurance, key=rank)
    return replace(who, assurance=SIGNED, otherwise=otherwise, since=min(signature.at, at)), signed, signature


def check_signed(tx: Tx, store_key: Key, signed: Signed, meant: Meant, *, at: int) -> tuple[PersonKey, Signature]:
    """The key, and the signature as it is recorded, if it is one of this person's for this answer.

    Raises: NotAuthenticated.
    """
    known = {one.id: one for one in person_keys(tx, store_key)}.get(signed.key)
    if known is None or known.person != meant.person:
        raise NotAuthenticated(f"{signed.key} is not a key of theirs", hint="`answerable keys register` registers one")
    if known.revoked_at is not None:
        raise NotAuthenticated(f"{signed.key} was revoked", hint="register another: `answerable keys register`")
    if abs(at - signed.at) > APART_SECONDS * 1_000_000:
        raise NotAuthenticated("this was not signed just now", hint="sign it again; is your clock right?")
    try:
        said = meant.said(signed.salt)
        verify(known.public, signed.value, meant.statement(key=signed.key, at=signed.at, said=said))
    except ValueError as error:
        raise NotAuthenticated(
            "the signature does not fit this answer", hint="sign exactly what you answer, about what was shown"
        ) from error
    return known, Signature(key=signed.key, at=signed.at, said=said, value=signed.value)


def verify(public: str, value: str, said: bytes) -> None:
    """Whether a key (base64) signed these bytes. Raises: ValueError."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(value, validate=True), said)
    except InvalidSignature as error:
        raise ValueError("the signature does not fit") from error


# -- keys --------------------------------------------------------------------------------------------------------------


def public_of(private: Ed25519PrivateKey) -> str:
    """The public half, as base64."""
    return base64.b64encode(private.public_key().public_bytes_raw()).decode()


def key_id(public: str) -> str:
    """The id of a public key."""
    return ids.derive(ids.PERSON_KEY, public)


def prove_possession(private: Ed25519PrivateKey, person: str, *, at: int) -> str:
    """What shows that a person (an id) has the private half."""
    public = public_of(private)
    said = statement(FOR_KEYS, {"key": key_id(public), "person": person, "public": public, "at": at})
    return base64.b64encode(private.sign(said)).decode()


def register_key(tx: Tx, store_key: Key, handle: str, *, public: str, proof: str, proved_at: int, at: int) -> PersonKey:
    """From here on this key is the person's; one that they registered before, if we are surer of them now.

    Raises: UnknownId; InvalidInput if it was registered before; NotAuthenticated if the proof does not show it.
    """
    person = get_person(tx, handle)
    id = key_id(public)
    known = {one.id: one for one in person_keys(tx, store_key)}.get(id)
    if known is not None and (known.person != person.id or known.revoked_at is not None):
        raise InvalidInput(f"{id} is registered already", hint="a key is somebody's once; make another one")
    if known is not None and rank(tx.assurance) <= rank(known.assurance):
        raise InvalidInput(
            f"{id} is registered already, with the assurance {known.assurance!r}",
            hint="register it again with a token or a login of yours, if that is surer",
        )
    said = statement(FOR_KEYS, {"key": id, "person": person.id, "public": public, "at": proved_at})
    try:
        verify(public, proof, said)
    except ValueError as error:
        raise NotAuthenticated("this does not show that you have the key", hint="`answerable keys register`") from error
    if abs(at - proved_at) > APART_SECONDS * 1_000_000:
        raise NotAuthenticated("this was not signed just now", hint="is your clock right?")
    record = KeyRegistered(
        at=at,
        system="",
        chain=(person.id,),
        key=id,
        person=person.id,
        public=public,
        proof=proof,
        proved_at=proved_at,
        assurance=tx.assurance,
    )
    append(tx, sealed(store_key, record))
    return _person_key(record)


def revoke_key(tx: Tx, store_key: Key, id: str, *, by: str, reason: str, at: int) -> PersonKey:
    """It signs nothing new from here on, says its owner or somebody who answers for a system.

    Raises: UnknownId; InvalidInput if it was revoked; NotEligible.
    """
    known = {one.id: one for one in person_keys(tx, store_key)}.get(id)
    if known is None:
        raise UnknownId(f"there is no key {id}", hint="`answerable keys list` lists them")
    person = get_person(tx, by)
    if known.person != person.id and not _answers_for_something(tx, person.id):
        raise NotEligible(f"{id} is not a key of {by}'s", hint="its owner revokes it, or a Responsible Individual")
    if known.revoked_at is not None:
        raise InvalidInput(f"{id} was revoked already")
    chain = tuple(dict.fromkeys((person.id, known.person)))
    append(tx, KeyRevoked(at=at, system="", chain=chain, key=id, person=known.person, by=person.id, reason=reason))
    return known


def person_keys(tx: Tx, store_key: Key) -> list[PersonKey]:
    """Every key that was registered here, oldest first."""
    found: dict[str, PersonKey] = {}
    for (body,) in tx.all(_OF_KEYS):
        record = read_record(bytes(body))
        if isinstance(record, KeyRegistered) and is_sealed(store_key, record):
            known = found.get(record.key)
            if known is None or (known.person == record.person and known.revoked_at is None):
                found[record.key] = _person_key(record)
        elif isinstance(record, KeyRevoked) and record.key in found:
            found[record.key] = replace(found[record.key], revoked_at=record.at)
    return list(found.values())


def _person_key(record: KeyRegistered) -> PersonKey:
    return PersonKey(
        id=record.key,
        person=record.person,
        public=record.public,
        registered_at=record.at,
        revoked_at=None,
        assurance=next((one for one in ASSURANCES if one == record.assurance), ASSERTED),
    )


def _answers_for_something(tx: Tx, person: str) -> bool:
    return tx.one(_RESPONSIBLE, person=person) is not None
