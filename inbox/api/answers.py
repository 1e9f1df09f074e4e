"""What the API tells of requests and decisions, as pydantic models: the OpenAPI document is made of them.

Times are ISO 8601 in UTC. Persons appear by handle.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class FactAnswer(BaseModel):
    """A fact as JSON text; `was` is what it was where this is asked anew; null where it was or is not there."""

    name: str
    now: str | None
    was: str | None


class EscalationAnswer(BaseModel):
    """When a request escalates, and who may decide it as well from then on; `in_force` once it has."""

    at: str
    to: str
    in_force: bool


class RequestLine(BaseModel):
    """A request in a list. `state` is "changed" for one that is not what it was when it was made: do not decide it."""

    id: str
    run: str
    system: str
    approval: str
    state: str
    frozen: bool = Field(default=False, description="It can be decided after the thaw.")
    asks: str = ""
    options: list[str] = []
    short_tier: str = ""
    inversions: int | None = None
    digest: str = ""
    made_at: str | None = None
    decide_by: str | None = None
    execute_within_seconds: float | None = Field(default=None, description="After a yes; then its grants expire.")
    edited_from: str = ""
    capped: str = Field(default="", description="The standing rule that would have decided it, but for its cap.")
    stage: int = Field(default=0, description="How often it was escalated.")
    escalates_at: str | None = Field(default=None, description="When others may decide it as well, next.")
    in_place_of: str = Field(default="", description="The request of which the decision was revoked.")
    alike: str = Field(default="", description="The same for requests that ask the same.")
    count_alike: int = Field(default=1, description="How many open requests ask the same; in a grouped list.")


class RequestList(BaseModel):
    """Some requests; `next` is the cursor of the following page, null after the last."""

    requests: list[RequestLine]
    next: str | None


class CallAnswer(BaseModel):
    """One call, to the byte. An opaque effect has no method, origin or path."""

    effect: str
    name: str
    receiver: str
    guarantee: str
    method: str
    url: str
    content_type: str
    body_base64: str
    body_text: str | None = Field(description="The same bytes as text; null where they are not UTF-8.")
    idempotency_key: str
    digest: str
    state: str


class OptionAnswer(BaseModel):
    """One option: its message, what each tier gets (demand, served), and the calls that it would release."""

    name: str
    message: dict[str, Any]
    tiers: dict[str, tuple[int, int]]
    inversions: int | None
    calls: list[CallAnswer]
    value: int | None = Field(description="What it is worth, where the approval has thresholds.")
    asks: str = Field(description="Who it takes, in words.")
    trouble_with_value: str


class DecisionAnswer(BaseModel):
    """What was decided. `by` is "" for the passing of time, NAME@VERSION for an exemption or a rule."""

    id: str
    request: str
    outcome: str
    option: str
    by: str
    for_person: str = Field(description="For whom they acted, as their delegate.")
    voters: list[str] = Field(description="Who voted for it before; who stands behind the rule that decided.")
    assurance: str
    reason: str
    at: str
    revoked: str = Field(default="", description="Why it was revoked: person, facts or rule.")
    code: str = Field(default="", description="The code of the reason.")
    broke_glass: bool = False


class VoteAnswer(BaseModel):
    """An answer that does not decide by itself. `answer` is approved (then with an option) or rejected."""

    id: str
    request: str
    answer: str
    option: str
    by: str
    for_person: str
    assurance: str
    reason: str
    at: str
    counts: bool = Field(default=True, description="Whether it counts now; a newer one may have taken its place.")


class RequestAnswer(RequestLine):
    """A request, exactly as it is bound: `body` is what the digest is made of (RFC 8785), `options` what it binds."""

    body: dict[str, Any]
    tiers: list[str]
    option_details: list[OptionAnswer]
    trouble_with_options: str
    responsible: str
    started_by: str
    edited_by: str
    edited_into: str
    escalations: list[EscalationAnswer]
    facts: list[FactAnswer] = Field(description="What it rests on, read again just before sending.")
    asked_anew: str = Field(description="The request that took its place, or empty.")
    execute_by: str | None = Field(description="Until when what was decided may be sent.")
    votes: list[VoteAnswer] = Field(description="Who has answered so far, where it takes several.")
    missing: dict[str, str] = Field(description="While it is open: who else it takes to choose each option, in words.")
    missing_to_deny: str = Field(description='How many more noes deny it; "" if it is decided.')
    not_you: str = Field(description='Why whoever asks may not decide it; "" if they may.')
    decision: DecisionAnswer | None


class Decided(BaseModel):
    """What the answer came to: the decision, or a vote where it takes others besides; `edited_into` after an edit."""

    decision: DecisionAnswer | None
    vote: VoteAnswer | None = None
    missing: str = Field(default="", description='Who else has to answer, in words; "" if it is decided.')
    run: str
    edited_into: str | None = None
