"""Records of requests and decisions."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from answerable.tracing.ledger.records.record import MessageRef, Record, Signature


class RequestMade(Record):
    """A person is asked. `calls` maps each option to the effects that it would release."""

    kind: Literal["request.made"] = "request.made"
    request: str
    approval: str
    step: str
    message: MessageRef
    digest: str
    calls: dict[str, tuple[str, ...]]
    tally: dict[str, tuple[int, int]] | None = None
    inversions: int | None = None
    expires_at: int
    edited_from: str = ""
    edited_by: str = ""
    capped: str = ""  # NAME@VERSION of the standing rule that its cap kept from deciding
    escalates_at: tuple[int, ...] = ()  # when others may decide as well
    execute_within: int = 0  # microseconds from a yes until its grants expire
    in_place_of: str = ""  # the request of which the decision was revoked
    host: str = ""


PASSED: Final = frozenset({"exempted", "ruled"})
"""The outcomes of a request that passed without anybody being asked. They do not wait for the disk."""


class Decided(Record):
    """A request was answered: by a person, the passing of time (a no), an accepted exemption or a standing rule."""

    kind: Literal["decided"] = "decided"
    durable: ClassVar[bool] = True  # but for what `PASSED`
    decision: str
    request: str
    approval: str
    step: str
    message: MessageRef | None = None  # what is let through
    digest: str
    outcome: Literal["approved", "edited", "rejected", "answered", "expired", "exempted", "ruled"]
    option: str = ""
    by: str = ""  # person, who completed it; "" for expired; NAME@VERSION for exempted and ruled
    for_person: str = ""  # who delegated it to them
    delegation: str = ""
    votes: tuple[str, ...] = ()  # before it, that it counts with
    voters: tuple[str, ...] = ()  # persons who have a part in those
    own: tuple[str, ...] = ()  # persons who decided their own, as the declaration allows
    assurance: str = ""
    commitment: str = ""  # of the reason or text, which lies beside the record with its salt, the decision's MAC
    grants: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()  # effects of the other options
    rule: str = ""  # that decided
    spent: dict[str, int] = {}  # of its caps (OF/PER)
    beyond_budget: int = 0  # how many decisions the person took in the day before, if that is beyond their budget
    signature: Signature | None = None  # by the person's own key
    asked_at: int
    code: str = ""  # of the reason
    broke_glass: bool = False  # by one person of another role than those who were asked
    review: Literal["", "break-glass", "sample"] = ""  # that it gets
    review_due: int = 0
    host: str = ""
    seal: str = ""  # a MAC of all this, so that the row can be made anew from it, and a made-up record cannot


class RequestWithdrawn(Record):
    """A request was taken back undecided, for the reason that is given."""

    kind: Literal["request.withdrawn"] = "request.withdrawn"
    request: str
    approval: str
    step: str
    reason: str
