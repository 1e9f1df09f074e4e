"""Votes: answers of people that do not decide by themselves, as rows and records.

1. A vote is about one subject (a request, a rule that is proposed), bound to its digest, and has a MAC: one written by
   hand, or about another digest, counts as nothing.
2. Every vote is a row and a record, the older ones of a person too; `voting` says which of them count.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import bindparam, select

from answerable.approvals.sealing.keys import Key
from answerable.approvals.sealing.seals import sealed
from answerable.approvals.voting.counting import Cast
from answerable.approvals.voting.eligibility import Standing
from answerable.tracing import ids
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.record import Signature
from answerable.tracing.ledger.records.votes import Voted
from answerable.tracing.people import authority
from answerable.tracing.storage.statements import Statement, inserting, named
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import requests, votes

_INSERT = inserting(votes)
_OF_SUBJECT = Statement(
    select(*votes.c).where(votes.c.subject == bindparam("subject")).order_by(votes.c.number, votes.c.id)
)
_OF_RUN = Statement(
    select(*votes.c)
    .join(requests, requests.c.id == votes.c.subject)
    .where(requests.c.run == bindparam("run"))
    .order_by(votes.c.number, votes.c.id)
)
_GET = Statement(select(*votes.c).where(votes.c.id == bindparam("vote")))


@dataclass(frozen=True, kw_only=True)
class Vote:
    """A stored vote. `by` and `for_person` ("" for themself) are persons' ids; `missing`: who else it takes, in words.

    `run` is "" for a vote on what belongs to no run.
    """

    id: str
    run: str
    system: str
    subject: str
    number: int
    answer: Literal["approved", "rejected"]
    option: str
    by: str
    for_person: str
    delegation: str
    assurance: str
    reason: str
    digest: str
    mac: str
    at: int
    signature: str = ""  # the record's, as JSON, where they signed
    salt: str = ""  # of the words in it
    missing: str = ""

    @property
    def outcome(self) -> Literal["voted"]:
        """What this answer came to: nothing is decided by it."""
        return "voted"

    @property
    def request(self) -> str:
        """The request that it is about."""
        return self.subject

    @property
    def cast(self) -> Cast:
        """What voting looks at."""
        return Cast(vote=self.id, by=self.by, for_person=self.for_person, option=self.option)

    def genuine(self, key: Key) -> bool:
        """Whether it was written by this program with the store's key."""
        return key.holds(self.mac, "vote", *self._signed())

    def signed(self, key: Key) -> Vote:
        """The same with its MAC."""
        return replace(self, mac=key.mac("vote", *self._signed()))

    def columns(self) -> dict[str, Any]:
        """It as its row has it."""
        return {column.name: getattr(self, column.name) for column in votes.c}

    def _signed(self) -> tuple[object, ...]:
        return tuple(value for name, value in self.columns().items() if name not in ("mac", "salt"))


def votes_on(tx: Tx, key: Key, subject: str, *, digest: str) -> list[Vote]:
    """The genuine votes on a subject with this digest, in the order in which they were cast."""
    found = (read_vote(named(votes, row)) for row in tx.all(_OF_SUBJECT, subject=subject))
    return [one for one in found if one.digest == digest and one.genuine(key)]


def votes_of(tx: Tx, run: str) -> list[Vote]:
    """The votes on the requests of a run, in the order in which they were cast. Nobody checks their MACs."""
    return [read_vote(named(votes, row)) for row in tx.all(_OF_RUN, run=run)]


def find_vote(tx: Tx, id: str) -> Vote | None:
    """The vote with this id."""
    row = tx.one(_GET, vote=id)
    return read_vote(named(votes, row)) if row else None


def read_vote(fields: dict[str, Any]) -> Vote:
    """A vote from its columns."""
    return Vote(**fields)


def as_column(signature: Signature | None) -> str:
    """A signature, as rows have it."""
    return json.dumps(signature.model_dump(), sort_keys=True) if signature else ""


def cast_vote(
    tx: Tx,
    key: Key,
    *,
    subject: str,
    digest: str,
    system: str,
    run: str = "",
    approval: str = "",
    step: str = "",
    answer: Literal["approved", "rejected"],
    option: str,
    standing: Standing,
    assurance: str,
    reason: str,
    missing: str,
    at: int,
    signature: Signature | None = None,
    salt: str = "",
    code: str = "",
) -> Vote:
    """Write a vote that was found to be right, with its record. The caller holds a lock on the subject."""
    number = len(tx.all(_OF_SUBJECT, subject=subject)) + 1
    vote = Vote(
        id=ids.derive(ids.VOTE, subject, standing.person.id, str(number)),
        run=run,
        system=system,
        subject=subject,
        number=number,
        answer=answer,
        option=option,
        by=standing.person.id,
        for_person=standing.for_person,
        delegation=standing.delegation,
        assurance=assurance,
        reason=reason,
        digest=digest,
        mac="",
        at=at,
        signature=as_column(signature),
        salt=salt,
        missing=missing,
    ).signed(key)
    tx.run(_INSERT, **vote.columns())
    responsible = authority(tx, system).responsible
    record = Voted(
        at=at,
        system=system,
        run=run,
        responsible=responsible,
        chain=tuple(dict.fromkeys(id for id in (vote.by, vote.for_person, responsible) if id)),
        vote=vote.id,
        number=number,
        subject=subject,
        approval=approval,
        step=step,
        digest=digest,
        answer=answer,
        option=option,
        by=vote.by,
        for_person=vote.for_person,
        delegation=vote.delegation,
        assurance=assurance,
        commitment=ids.commitment(bytes.fromhex(vote.mac), reason.encode()) if reason else "",
        own=bool(standing.own),
        signature=signature,
        code=code,
    )
    append(tx, sealed(key, record))
    return vote
