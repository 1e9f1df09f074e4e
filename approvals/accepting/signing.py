"""Whoever accepts is as sure as those who decide: what an acceptance asks for, and what is signed of it."""

from __future__ import annotations

from typing import Final, Protocol

from answerable.approvals.sealing.keys import Key
from answerable.approvals.who.identity import Identity, check_sure
from answerable.approvals.who.signatures import Meant, signed_by
from answerable.tracing.ledger.records.record import Signature
from answerable.tracing.people import PersonRow
from answerable.tracing.storage.store import Tx

ACCEPT: Final = "accept"  # what is signed, so that it is never taken for an answer to a request


class Asks(Protocol):
    """How sure an approval has to be of those who decide."""

    @property
    def requires(self) -> str: ...

    @property
    def fresh_seconds(self) -> int: ...


def accepted_by(
    tx: Tx,
    key: Key,
    system: str,
    approval: str,
    *,
    digest: str = "",
    option: str = "",
    person: PersonRow,
    who: Identity,
    asks: Asks,
    at: int,
) -> Signature | None:
    """The person's own signature, if they sign, of accepting something of an approval: its digest, or its name.

    The transaction's assurance is theirs from here on. Raises: NotSureEnough, NotAuthenticated.
    """
    meant = Meant(
        system=system, subject=approval, digest=digest, answer=ACCEPT, option=option, person=person.id, for_person=""
    )
    who, _, signature = signed_by(tx, key, who, meant, None, at=at)
    tx.assurance = who.assurance
    check_sure(who, requires=asks.requires, fresh_seconds=asks.fresh_seconds, at=at)
    return signature
