"""Answering from afar: an answer that comes over a network, from somebody who was shown something.

1. What the person showed to be let in still stands, in the transaction that decides.
2. An answer may name the digest that was shown. Where the request has another one, it is not the one that was meant.
3. A client may name its answer with a key of its own, and send it again when it did not hear what became of it: the
   same answer under the same key gives the same decision, or vote. Another answer under that key is refused.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, select

from answerable.approvals.asking.requests import get_request
from answerable.approvals.deciding.answers import Answer, Given
from answerable.approvals.deciding.ballots import ballot_of
from answerable.approvals.deciding.deciding import decide
from answerable.approvals.deciding.decisions import get_decision
from answerable.approvals.sealing.keys import Key
from answerable.approvals.voting.votes import find_vote
from answerable.approvals.who.credentials import check_standing
from answerable.approvals.who.identity import Identity
from answerable.errors import InvalidInput, NotAsShown
from answerable.tracing.people import get_person
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import repeats

_INSERT = inserting(repeats)
_GET = Statement(
    select(repeats.c.fingerprint, repeats.c.request, repeats.c.answer).where(
        repeats.c.person == bindparam("person"), repeats.c.key == bindparam("key")
    )
)


@dataclass(frozen=True, kw_only=True)
class Once:
    """A client's own name for an answer, and the SHA-256 of everything that it said."""

    key: str
    fingerprint: str


def answer_request(
    tx: Tx,
    key: Key,
    request_id: str,
    answer: Answer,
    *,
    who: Identity,
    at: int,
    seen: str = "",
    once: Once | None = None,
) -> tuple[Given, bool]:
    """Decide a request, or find that this answer was given before (then True).

    Raises: NotAuthenticated, NotAsShown, UnknownId, InvalidInput, NotEligible, NotSureEnough, AlreadyDecided, NotOpen.
    """
    check_standing(tx, key, who, at=at)
    earlier = answered_before(tx, key, request_id, who=who, once=once, at=at)
    if earlier is not None:
        return earlier, True
    digest = get_request(tx, request_id).digest
    if seen and not hmac.compare_digest(seen.encode(), digest.encode()):
        raise NotAsShown(
            f"request {request_id} is not the one that was shown to {who.handle}", hint="look at it again, as it is now"
        )
    given = decide(tx, key, request_id, answer, who=who, at=at)
    if once is not None:
        said = {"fingerprint": once.fingerprint, "request": request_id, "answer": given.id}
        tx.run(_INSERT, person=given.by, key=once.key, **said, at=at)
    return given, False


def answered_before(tx: Tx, key: Key, request_id: str, *, who: Identity, once: Once | None, at: int) -> Given | None:
    """The decision or vote that this very answer came to, if it was given before; a vote says who is missing now.

    Raises: InvalidInput if another answer has its key; UnknownId.
    """
    if once is None:
        return None
    row = tx.one(_GET, person=get_person(tx, who.handle).id, key=once.key)
    if row is None:
        return None
    if row[0] != once.fingerprint or row[1] != request_id:
        raise InvalidInput("this Idempotency-Key was used for another answer", hint="give each answer a key of its own")
    request, vote = get_request(tx, request_id), find_vote(tx, row[2])
    if vote is not None and request.state == "open":
        return replace(vote, missing=ballot_of(tx, key, request, at=at).missing(vote.option))
    return vote or get_decision(tx, row[2])
