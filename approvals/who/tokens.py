"""Bearer tokens: what a person's programs show to the HTTP API.

1. `answerable_tok_`, 64 hexadecimal digits, and the CRC-32 of all that as 8 more: a scanner finds one that was left
   somewhere, and is sure of it without asking anybody.
2. A token belongs to a person. Agents hold none.
3. Making and revoking one are records. The note lies beside them.
"""

from __future__ import annotations

import re
from typing import Final
from zlib import crc32

from answerable.approvals.sealing.keys import Key
from answerable.approvals.who.credentials import (
    Credential,
    end_credential,
    find_credential,
    fresh_secret,
    make_credential,
    whose,
)
from answerable.approvals.who.identity import BEARER
from answerable.errors import InvalidInput, NotAuthenticated, UnknownId
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.access import TokenMade, TokenRevoked
from answerable.tracing.people import PersonRow, get_person
from answerable.tracing.storage.store import Tx

BEGINNING: Final = "answerable_tok_"
_FORM: Final = re.compile(rf"{BEGINNING}[0-9a-f]{{72}}")


def make_token(tx: Tx, key: Key, handle: str, *, note: str, expires_at: int, at: int) -> tuple[Credential, str]:
    """A new token for a person, and its secret, which is nowhere else. Raises: UnknownId, InvalidInput."""
    person = get_person(tx, handle)
    if expires_at <= at:
        raise InvalidInput("the token would have expired before it is made", hint="give it some time: --expires 30d")
    body = BEGINNING + fresh_secret()
    secret = body + _check(body)
    made = make_credential(
        tx, key, "token", person=person.id, secret=secret, assurance=BEARER, expires_at=expires_at, at=at, note=note
    )
    append(tx, TokenMade(at=at, system="", token=made.id, person=person.id, expires_at=expires_at))
    return made, secret


def token_holder(tx: Tx, key: Key, secret: str, *, at: int) -> tuple[Credential, PersonRow]:
    """The token that was shown, and whose it is. Raises: NotAuthenticated."""
    if not _FORM.fullmatch(secret) or _check(secret[:-8]) != secret[-8:]:
        raise NotAuthenticated(
            f"this is no token: it begins with {BEGINNING} and was copied whole",
            hint="`answerable token create PERSON` makes one",
        )
    return whose(tx, key, "token", secret, at=at)


def revoke_token(tx: Tx, id: str, *, at: int) -> Credential:
    """End a token, and every session that was opened with it. Raises: UnknownId; InvalidInput if it is ended."""
    found = find_credential(tx, id)
    if found is None or found.kind != "token":
        raise UnknownId(f"there is no token {id}", hint="`answerable token list` lists them")
    if not end_credential(tx, id, at=at):
        raise InvalidInput(f"{id} was revoked already")
    append(tx, TokenRevoked(at=at, system="", token=id, person=found.person))
    return found


def _check(body: str) -> str:
    return f"{crc32(body.encode()):08x}"
