"""Requests: what a person is asked, bound to exactly what they are shown.

1. A request's body is canonical JSON (RFC 8785) of everything that a yes means: system, run, approval, message, for
   each option the calls that it would release, the deadlines, whom it asks, and the digest of the view that is shown.
2. Its digest is the SHA-256 of that body, and has a MAC. A decision repeats the digest; one changed byte is another
   request. The row's columns repeat the body, and are checked against it.
3. The view holds what is shown: payloads and consequences. It lies beside the ledger; records hold digests only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Protocol

from sqlalchemy import bindparam, exists, or_, select, update

from answerable.agents.people import Quorum, either, person, quorum, quorum_from, role
from answerable.agents.texts import check_id
from answerable.approvals.sealing.keys import Key, not_ours
from answerable.approvals.voting.eligibility import Asked, Close
from answerable.errors import StoreCorrupt, UnknownId
from answerable.tracing.canonical import canonical
from answerable.tracing.freezes import WHOLE_SYSTEM
from answerable.tracing.ledger.records.deciding import PASSED
from answerable.tracing.storage.statements import Statement, inserting, named
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import decisions, requests
from answerable.tracing.storage.tables.runs import effects

_INSERT = inserting(requests)
INSERT_EFFECT = inserting(effects)
_COLUMNS = tuple(requests.c)
_GET = Statement(select(*_COLUMNS).where(requests.c.id == bindparam("request")))
_GET_LOCKED = Statement(select(*_COLUMNS).where(requests.c.id == bindparam("request")).with_for_update())
_OF_RUN = Statement(select(*_COLUMNS).where(requests.c.run == bindparam("run")).order_by(requests.c.made_at))
_UNSETTLED = Statement(
    select(*_COLUMNS)
    .where(
        requests.c.run == bindparam("run"),
        or_(
            requests.c.state != "decided",
            requests.c.routed == 0,
            ~exists().where(
                decisions.c.request == requests.c.id, decisions.c.outcome.in_(sorted(PASSED)), decisions.c.revoked == ""
            ),
        ),
    )
    .order_by(requests.c.made_at)
)
_IN_STATE = Statement(
    select(*_COLUMNS).where(requests.c.state == bindparam("state")).order_by(requests.c.expires_at, requests.c.id)
)
_ALL = Statement(select(*_COLUMNS).order_by(requests.c.made_at, requests.c.id))
_REPEATED = {  # columns and the names that the body has for them
    **{name: name for name in ("run", "system", "approval", "step", "edited_from", "edited_by", "made_at")},
    "id": "request",
    "message": "message",
    "expires_at": "decide_by",
}
_SET_STATE = Statement(
    update(requests)
    .where(requests.c.id == bindparam("request"), requests.c.state == bindparam("old_state"))
    .values(state=bindparam("new_state"))
)
_SET_ROUTED = Statement(
    update(requests).where(requests.c.id == bindparam("request"), requests.c.routed == 0).values(routed=1)
)


_ONE_ALONE: Mapping[str, Any] = {  # what those of a store with schema 2 or older do not say
    "denials": 1,
    "responders": [],
    "acting_for": [],
    "requires": "",
    "fresh_seconds": 0,
}
_CLOSE = ("started_by", "editors", "responders", "owners", "acting_for")


@dataclass(frozen=True, kw_only=True)
class PlannedCall:
    """One call that an option would release, to the byte. An opaque effect has no method, origin or path."""

    effect: str
    name: str
    receiver: str
    guarantee: str
    message: str
    origin: str
    method: str
    path: str
    content_type: str
    body: bytes
    idempotency_key: str

    @property
    def digest(self) -> str:
        """What a grant is bound to: SHA-256 over everything that is sent, 64 hexadecimal digits."""
        return call_digest(self)


class CallParts(Protocol):
    """What a call is made of, planned or stored."""

    @property
    def name(self) -> str: ...
    @property
    def receiver(self) -> str: ...
    @property
    def guarantee(self) -> str: ...
    @property
    def origin(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def content_type(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    @property
    def idempotency_key(self) -> str: ...


def call_digest(call: CallParts) -> str:
    """The digest of everything that is sent, 64 hexadecimal digits."""
    parts = [call.name, call.origin, call.method, call.path, call.content_type, call.idempotency_key]
    return sha256(canonical([*parts, sha256(bytes(call.body)).hexdigest()])).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Escalation:
    """When (microseconds), and to whom besides."""

    stage: int  # from 1 on
    at: int
    to: Quorum


@dataclass(frozen=True, kw_only=True)
class RequestRow:
    """A stored request."""

    id: str
    run: str
    system: str
    approval: str
    step: str
    message: str
    digest: str
    state: str  # open, decided, expired, withdrawn, superseded
    routed: bool
    body: dict[str, Any]
    view: dict[str, Any]
    edited_from: str
    edited_by: str
    made_at: int
    expires_at: int
    urgency: int
    source: str
    capped: str  # NAME@VERSION of the rule that would have decided but for its cap, or ""
    alike: str
    warned: int
    mac: str
    stage: int  # how often it was escalated
    escalates_at: int | None
    in_place_of: str  # the request of which the decision was revoked, or ""

    def genuine(self, key: Key) -> bool:
        """Whether it was written by this program with the store's key."""
        return key.holds(self.mac, "request", self.id, self.digest)

    def check_genuine(self, key: Key) -> None:
        """Raises: StoreCorrupt if it is not."""
        if not self.genuine(key):
            raise not_ours(f"request {self.id}", "do not decide it")

    def is_held(self, frozen: frozenset[str]) -> bool:
        """Whether it is suspended, where these targets of its system are frozen."""
        return not frozen.isdisjoint((WHOLE_SYSTEM, f"agent:{self.approval}"))

    @property
    def options(self) -> tuple[str, ...]:
        """The names of its options, "as-proposed" first."""
        return tuple(option["name"] for option in self.body["options"])

    @property
    def asked(self) -> Asked:
        """Whom it asks, and who is too close to it."""
        return asked_in(self.body)

    @property
    def escalations(self) -> tuple[Escalation, ...]:
        """When others may decide as well, as it is bound."""
        return tuple(
            Escalation(stage=stage, at=one["at"], to=quorum_from(one["by"]))
            for stage, one in enumerate(self.body.get("escalations", ()), start=1)
        )

    def asked_at(self, at: int) -> Asked:
        """Whom it asks at a time: also those to whom it was escalated, where that is recorded and its time has come."""
        also = [one.to for one in self.escalations if one.stage <= self.stage and one.at <= at]
        asked = self.asked
        if not also:
            return asked
        options = {name: either(whom, *also) for name, whom in asked.options.items()}
        return replace(asked, by=either(asked.by, *also), options=options)

    @property
    def asks(self) -> str:
        """Whom it asks, in words, and to whom it was escalated; option by option, where they do not ask the same."""
        also = [one.to for one in self.escalations if one.stage <= self.stage]
        asked, takes = self.asked, dict[str, list[str]]()
        for option in self.options:
            takes.setdefault(str(either(asked.whom(option), *also)), []).append(option)
        if len(takes) == 1:
            return next(iter(takes))
        return "; ".join(f"{whom} for {', '.join(options)}" for whom, options in takes.items())

    def option(self, name: str) -> dict[str, Any] | None:
        """One option of the body: its name, message and calls."""
        return next((option for option in self.body["options"] if option["name"] == name), None)


def asked_in(body: Mapping[str, Any]) -> Asked:
    """Whom a request with this body asks, and who is too close to it."""
    asked = _ONE_ALONE | body["asked"]
    return Asked(
        by=quorum_from(asked["by"]) if "by" in asked else _one_alone(asked),
        options={one["name"]: quorum_from(one["by"]) for one in body["options"] if "by" in one},
        denials=asked["denials"],
        may_decide_own=asked["may_decide_own"],
        requires=asked["requires"],
        fresh_seconds=asked["fresh_seconds"],
        **{name: asked[name] for name in _CLOSE},
    )


def close_in(asked: Mapping[str, Any]) -> Close:
    """Who is too close to a request, by what its body says of whom it asks; one that was made just now says it all."""
    return Close(**{name: asked[name] for name in _CLOSE})


def _one_alone(asked: Mapping[str, str]) -> Quorum:
    """Whom a request of a store with schema 2 or older asks: a role, or a person."""
    return quorum(1, role(asked["role"]) if asked["role"] else person(asked["person"]))


def insert_request(tx: Tx, row: RequestRow, *, body: bytes, view: bytes) -> None:
    """Write a request, with the bytes of its body and its view."""
    tx.run(_INSERT, **vars(row) | {"routed": int(row.routed), "body": body, "view": view})


def get_request(tx: Tx, id: str, *, lock: bool = False) -> RequestRow:
    """A request, its bytes checked against its digest; with `lock`, nobody else answers it until this is committed.

    Raises: InvalidInput for what is no id; UnknownId, StoreCorrupt.
    """
    row = tx.one(_GET_LOCKED if lock else _GET, request=check_id("request", id))
    if row is None:
        raise UnknownId(f"there is no request {id}", hint="`answerable inbox` lists the open ones")
    return _request(row)


def requests_of(tx: Tx, run: str) -> list[RequestRow]:
    """All requests of a run, oldest first."""
    return [_request(row) for row in tx.all(_OF_RUN, run=run)]


def unsettled_requests(tx: Tx, run: str) -> list[RequestRow]:
    """The requests of a run but for those that passed without anybody being asked, and stand; oldest first."""
    return [_request(row) for row in tx.all(_UNSETTLED, run=run)]


def open_requests(tx: Tx) -> list[RequestRow]:
    """All open requests of this store, the soonest deadline first."""
    return [_request(row) for row in tx.all(_IN_STATE, state="open")]


def all_requests(tx: Tx) -> list[RequestRow]:
    """All requests of this store, oldest first."""
    return [_request(row) for row in tx.all(_ALL)]


def close_request(tx: Tx, id: str, *, state: str) -> bool:
    """Move an open request to `state`; False if it was not open any more."""
    return tx.run(_SET_STATE, request=id, old_state="open", new_state=state) == 1


def mark_routed(tx: Tx, id: str) -> bool:
    """Note that a decided request was routed onward; False if it was already."""
    return tx.run(_SET_ROUTED, request=id) == 1


def _request(row: tuple[Any, ...]) -> RequestRow:
    return read_request(named(requests, row))


def read_request(fields: dict[str, Any]) -> RequestRow:
    """A stored request from its columns, checked against its digest. Raises: StoreCorrupt."""
    try:
        body, view = bytes(fields["body"]), bytes(fields["view"])
        bound = json.loads(body)
        erased = not view and fields["state"] != "open"  # nobody decides about what they cannot see
        whole = sha256(body).hexdigest() == fields["digest"] and (erased or sha256(view).hexdigest() == bound["view"])
        whole = whole and fields["in_place_of"] == bound.get("in_place_of", "")  # one of an older store has none
        if whole and all(fields[column] == bound[name] for column, name in _REPEATED.items()):
            shown = _nothing_shown(bound) if erased else json.loads(view)
            return RequestRow(**{**fields, "routed": bool(fields["routed"]), "body": bound, "view": shown})
    except (TypeError, ValueError, LookupError):  # not even of the form that it had
        pass
    raise StoreCorrupt(
        f"request {fields['id']} is not what it was when it was made",
        hint="`answerable ledger verify` finds what was changed",
    )


def _nothing_shown(body: dict[str, Any]) -> dict[str, Any]:
    """The view of a request whose view was erased: its options by name, and nothing of what they said."""
    nothing: dict[str, Any] = {"message": {}, "tiers": None, "inversions": None, "calls": []}
    options = [{"name": option["name"], **nothing} for option in body["options"]]
    return {"message": {}, "options": options, "tiers": [], "trouble_with_options": "", "erased": True}
