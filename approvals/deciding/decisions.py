"""Decisions, as they are stored: what a person (or the passing of time, an exemption, a rule) answered.

1. A decision has a MAC, and so has each of its grants. One that was written by hand is none.
2. Whoever acts on a decision asks `distrust` first.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal

from sqlalchemy import bindparam, select

from answerable.approvals.asking.requests import RequestRow
from answerable.approvals.sealing.keys import Key
from answerable.tracing import ids
from answerable.tracing.people import listed
from answerable.tracing.storage.statements import Statement, named
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import decisions
from answerable.tracing.storage.tables.runs import messages

Outcome = Literal["approved", "edited", "rejected", "answered", "expired", "exempted", "ruled"]
YES: Final = frozenset({"approved", "exempted", "ruled"})
_COLUMNS = tuple(decisions.c)
_BY_REQUEST = Statement(select(*_COLUMNS).where(decisions.c.request == bindparam("request")))
_GET = Statement(select(*_COLUMNS).where(decisions.c.id == bindparam("decision")))
_OF_RUN = Statement(select(*_COLUMNS).where(decisions.c.run == bindparam("run")).order_by(decisions.c.at))
_PAYLOAD = Statement(
    select(messages.c.payload).where(messages.c.run == bindparam("run"), messages.c.id == bindparam("message"))
)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A stored decision. `by` is a person's id, "" for the passing of time, NAME@VERSION for an exemption.

    `for_person` is the id of the person for whom they acted, or ""; `voters` are the ids of those who voted before, as
    JSON; for a rule, of those who approved it, and last who wrote it.
    """

    id: str
    run: str
    request: str
    outcome: str
    option: str
    message: str
    by: str
    assurance: str
    reason: str
    digest: str
    mac: str
    at: int
    revoked: str = ""  # why it was taken back, if it was: person, facts, rule
    for_person: str = ""
    delegation: str = ""
    voters: str = "[]"
    signature: str = ""  # the record's, as JSON, where they signed
    salt: str = ""  # of the words in it
    code: str = ""  # of the reason
    broke_glass: int = 0  # 1: by one person of another role than those who were asked

    @property
    def people(self) -> tuple[str, ...]:
        """Whoever stands behind it, by id: who completed it, for whom, and who voted before."""
        return tuple(dict.fromkeys(id for id in (self.by, self.for_person, *listed(self.voters)) if id))

    def genuine(self, key: Key) -> bool:
        """Whether it was written by this program with the store's key."""
        return key.holds(self.mac, "decision", *self._signed())

    def signed(self, key: Key) -> Decision:
        """The same with its MAC."""
        return Decision(**{**vars(self), "mac": key.mac("decision", *self._signed())})

    def _signed(self) -> tuple[object, ...]:
        others = (self.for_person, self.delegation, self.voters)
        glass = (self.code, self.broke_glass)
        return (
            self.id,
            self.run,
            self.request,
            self.outcome,
            self.option,
            self.message,
            self.by,
            self.assurance,
            self.reason,
            self.digest,
            self.at,
            # One person's alone are as they always were; each part that is there has its name before it, so that none
            # can be read as another.
            *(("others", *others) if others != ("", "", "[]") else ()),
            *(("signature", self.signature) if self.signature else ()),
            *(("glass", *glass) if glass != ("", 0) else ()),
        )


def decision_on(tx: Tx, request_id: str) -> Decision | None:
    """What was decided on a request, if anything was."""
    row = tx.one(_BY_REQUEST, request=request_id)
    return _decision(row) if row else None


def distrust(tx: Tx, key: Key, request: RequestRow, decision: Decision) -> str:
    """Why a decision may not be acted on, or "": it, its request or its message is not what was written then."""
    if not request.genuine(key):
        return "its request was not made by this system: the MAC is wrong"
    if not decision.genuine(key):
        return "its decision was not made by this system: the MAC is wrong"
    if decision.digest != request.digest:
        return "its request is not the one that was decided"
    if decision.outcome not in YES:
        return ""
    option = request.option(decision.option)
    stored = tx.one(_PAYLOAD, run=request.run, message=decision.message)
    if option is None or stored is None or sha256(bytes(stored[0])).hexdigest() != option["payload"]:
        return "its message is not the one that was decided"
    return ""


def get_decision(tx: Tx, id: str) -> Decision | None:
    """The decision with this id."""
    row = tx.one(_GET, decision=id)
    return _decision(row) if row else None


def decisions_of(tx: Tx, run: str) -> list[Decision]:
    """All decisions of a run, oldest first."""
    return [_decision(row) for row in tx.all(_OF_RUN, run=run)]


def _decision(row: tuple[Any, ...]) -> Decision:
    return Decision(**named(decisions, row))


def grant_columns(key: Key, decision: Decision, call: dict[str, str], *, expires_at: int) -> dict[str, Any]:
    """The columns of the grant that a decision gives to one call of its request, all but its state."""
    id = ids.derive(ids.GRANT, decision.id, call["effect"])
    return {
        "id": id,
        "run": decision.run,
        "effect": call["effect"],
        "decision": decision.id,
        "call_digest": call["digest"],
        "expires_at": expires_at,
        "mac": key.mac("grant", id, call["effect"], decision.id, call["digest"], expires_at),
    }
