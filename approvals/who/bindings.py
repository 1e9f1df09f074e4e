"""Bindings: which person of ours a login at an OpenID provider is.

1. A login is an issuer and a subject. It is somebody here only where the two were bound, by hand, or by an address that
   the provider has verified and that is the contact of exactly one person, where the server was told to do that.
2. A binding is a credential: it has a MAC, it can be ended, and what was opened by it ends with it.
3. Records hold its id and whose it is. Issuer and subject lie beside them, and go with the person.
"""

from __future__ import annotations

import json
import shlex
from typing import Final, Literal
from urllib.parse import urlsplit

from answerable.approvals.sealing.keys import Key
from answerable.approvals.who.credentials import (
    Credential,
    end_credential,
    find_by_secret,
    find_credential,
    make_credential,
    whose,
)
from answerable.approvals.who.identity import VOUCHED
from answerable.errors import InvalidInput, NotAuthenticated, UnknownId
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.access import IdentityBound, IdentityUnbound
from answerable.tracing.people import PersonRow, all_people, get_person
from answerable.tracing.storage.store import Tx

NEVER: Final = 253_402_300_799_000_000  # the last second of the year 9999


def bind(
    tx: Tx, key: Key, handle: str, *, issuer: str, subject: str, how: Literal["by-hand", "email"] = "by-hand", at: int
) -> Credential:
    """From here on this login is the person `handle`. Raises: UnknownId; InvalidInput if it is somebody already."""
    person = get_person(tx, handle)
    if not issuer or not subject:
        raise InvalidInput("a login is an issuer and a subject", hint="the page for signing in says both")
    if urlsplit(issuer).scheme not in ("http", "https"):
        raise InvalidInput(f"{issuer!r} is no issuer", hint="an address, as the provider names itself: https://…")
    known, count = _newest(tx, issuer, subject)
    if known is not None and known.state(at=at) == "valid":
        raise InvalidInput(
            f"this login is bound already, as {known.id}", hint=f"end that first: `answerable people unbind {known.id}`"
        )
    made = make_credential(
        tx,
        key,
        "binding",
        person=person.id,
        secret=_name(issuer, subject, count),
        assurance=VOUCHED,
        expires_at=NEVER,
        at=at,
        note=json.dumps([issuer, subject]),
    )
    append(tx, IdentityBound(at=at, system="", chain=(person.id,), binding=made.id, person=person.id, how=how))
    return made


def bound(tx: Tx, key: Key, *, issuer: str, subject: str, at: int) -> tuple[Credential, PersonRow]:
    """The binding of a login, and who that is. Raises: NotAuthenticated if it is nobody."""
    known, count = _newest(tx, issuer, subject)
    if known is None:
        raise NotAuthenticated(
            f"nobody here is {subject!r} of {issuer}",
            hint="whoever runs this binds it: `answerable people bind HANDLE"
            f" --issuer {shlex.quote(issuer)} --subject {shlex.quote(subject)}`",
        )
    return whose(tx, key, "binding", _name(issuer, subject, count - 1), at=at)


def bound_or_matched(
    tx: Tx, key: Key, *, issuer: str, subject: str, email: str, at: int
) -> tuple[Credential, PersonRow]:
    """As `bound`; a login that nobody has bound yet is bound to the one person whose contact `email` is.

    Raises: NotAuthenticated.
    """
    if email and _newest(tx, issuer, subject)[0] is None:
        theirs = [one.handle for one in all_people(tx) if one.contact.casefold() == email.casefold()]
        if len(theirs) == 1:
            bind(tx, key, theirs[0], issuer=issuer, subject=subject, how="email", at=at)
    return bound(tx, key, issuer=issuer, subject=subject, at=at)


def unbind(tx: Tx, id: str, *, at: int) -> Credential:
    """End a binding, and every session that was opened by it. Raises: UnknownId; InvalidInput if it is ended."""
    found = find_credential(tx, id)
    if found is None or found.kind != "binding":
        raise UnknownId(f"there is no binding {id}", hint="`answerable people bindings` lists them")
    if not end_credential(tx, id, at=at):
        raise InvalidInput(f"{id} was ended already")
    append(tx, IdentityUnbound(at=at, system="", chain=(found.person,), binding=id, person=found.person))
    return found


def _newest(tx: Tx, issuer: str, subject: str) -> tuple[Credential | None, int]:
    """The newest binding of a login, and how many there were."""
    found, count = None, 0
    while (one := find_by_secret(tx, "binding", _name(issuer, subject, count))) is not None:
        found, count = one, count + 1
    return found, count


def _name(issuer: str, subject: str, count: int) -> str:
    return json.dumps([issuer, subject, count])
