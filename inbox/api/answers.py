"""What the API takes and gives, as pydantic models: the OpenAPI document is made of them.

Times are ISO 8601 in UTC. Persons appear by handle. No model has a field for who acts: that comes from the token.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from answerable.approvals.deciding.reasons import CODES
from answerable.approvals.grouping import MOST_TOGETHER
from answerable.inbox.problems import Problem

Digest: TypeAlias = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Text: TypeAlias = Annotated[str, StringConstraints(max_length=20_000)]
Name: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f]*$")]


Code: TypeAlias = Annotated[str, StringConstraints(max_length=50), Field(json_schema_extra={"enum": list(CODES)})]


Handle: TypeAlias = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x20]*$")]


class Taken(BaseModel):
    """What a body may say, and nothing else."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SignatureGiven(Taken):
    """A signature of the answer with the person's own Ed25519 key: what is signed is in the guide."""

    key: Name = Field(description="The id of the key, as it was registered.")
    at: int = Field(ge=0, le=2**53, description="When, by the signer's clock: microseconds since 1970.")
    salt: Digest = Field(description="64 hexadecimal digits that nobody can guess.")
    value: Annotated[str, StringConstraints(pattern="^[A-Za-z0-9+/]{86}==$")] = Field(description="Base64 of 64 bytes.")


class Approve(Taken):
    """Choose an option, and so release its calls, and no others."""

    answer: Literal["approve"]
    digest: Digest = Field(description="The digest of the request as it was shown.")
    option: Name = Field(description='"as-proposed", or one that is offered.')
    reason: Text = ""
    for_person: Handle = Field(default="", description="Whose delegate acts, by handle; a delegation has to say so.")
    signature: SignatureGiven | None = None


class Reject(Taken):
    """Say no: none of its calls leaves."""

    answer: Literal["reject"]
    digest: Digest
    reason: Text
    for_person: Handle = ""
    signature: SignatureGiven | None = None
    code: Code = "other"


class Edit(Taken):
    """Propose another message instead: a new request, for somebody else to decide."""

    answer: Literal["edit"]
    digest: Digest
    message: dict[str, Any]
    reason: Text = ""
    signature: SignatureGiven | None = None


class Respond(Taken):
    """Answer with a text, where the system has a way back for one."""

    answer: Literal["respond"]
    digest: Digest
    text: Text
    signature: SignatureGiven | None = None


class BreakGlass(Taken):
    """Choose an option alone, in an emergency, as somebody who may: an alarm, and reviewed."""

    answer: Literal["break-glass"]
    digest: Digest
    option: Name
    code: Code
    reason: Text
    signature: SignatureGiven | None = None


AnyAnswer: TypeAlias = Annotated[BreakGlass | Approve | Reject | Edit | Respond, Field(discriminator="answer")]


class InterruptAction(BaseModel):
    """What is proposed: the approval that asks, and the message."""

    action: str
    args: dict[str, Any]


class HumanResponse(Taken):
    """An answer in LangGraph's shape, with the digest that was shown.

    "accept" takes what is proposed; "edit" proposes the `args` of its `args` instead; "response" sends the text back,
    or says no with it where no agent takes texts; "ignore" is a no, and needs a `reason`.
    """

    type: Literal["accept", "edit", "response", "ignore"]
    args: InterruptAction | Text | None = None
    digest: Digest
    reason: Text = ""


class InterruptConfig(BaseModel):
    """Which answers are taken."""

    allow_accept: bool
    allow_edit: bool
    allow_respond: bool
    allow_ignore: bool


class Interrupt(BaseModel):
    """A request as LangGraph's `HumanInterrupt`, with its id and digest."""

    id: str
    digest: str
    action_request: InterruptAction
    config: InterruptConfig
    description: str = Field(description="Markdown, of nothing that an agent wrote.")


class InterruptList(BaseModel):
    """Open requests in that shape; `next` is the cursor of the following page."""

    interrupts: list[Interrupt]
    next: str | None


class Shown(Taken):
    """A request, and the digest of what was shown of it."""

    id: Name
    digest: Digest


class AnswerAll(Taken):
    """One answer to requests that ask the same."""

    answer: Literal["approve", "reject"]
    option: Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f]*$")] = Field(
        default="", description="Which option is chosen, to approve."
    )
    reason: Text = ""
    requests: Annotated[list[Shown], Field(min_length=1, max_length=MOST_TOGETHER)]


class FreezeAsked(Taken):
    """Stop new steps and sends of a target."""

    system: Name
    target: Name = Field(default="system", description="system, agent:NAME, edge:ID or effect:NAME.")
    reason: Text


class ThawAsked(Taken):
    """Lift a freeze."""

    reason: Text


class RevokeAsked(Taken):
    """Take a decision back: a code of the list, and why in words."""

    code: Code
    reason: Text


class RevokedAnswer(BaseModel):
    """What was voided: the calls (effects) that were withdrawn, and those that had left before."""

    decision: str
    request: str
    run: str
    withdrawn: list[str]
    sent: list[str]


class FactAnswer(BaseModel):
    """A fact as JSON text; `was` is what it was where this is asked anew; null where it was or is not there."""

    name: str
    now: str | None
    was: str | None


class DelegationAsked(Taken):
    """Let somebody else decide in one's place: everywhere, in a system, or at one approval of it."""

    to: Handle = Field(min_length=1, description="By handle.")
    seconds: int = Field(ge=1, le=90 * 86_400, description="How long.")
    system: Name | Literal[""] = ""
    approval: Name | Literal[""] = ""
    reason: Text


class Reasoned(Taken):
    """Why."""

    reason: Text


class DelegationAnswer(BaseModel):
    """Who decides in whose place. `state` is standing, over or revoked; no `system` is all of them."""

    id: str
    giver: str = Field(alias="from")
    to: str
    system: str
    approval: str
    state: str
    until: str
    reason: str
    at: str


class DelegationList(BaseModel):
    """All delegations, oldest first."""

    delegations: list[DelegationAnswer]


class ReviewAsked(Taken):
    """What somebody found who looked at a decision afterwards."""

    verdict: Literal["right", "wrong"]
    reason: Text


class ReviewAnswer(BaseModel):
    """A review: done, due or overdue."""

    id: str
    of: str
    system: str
    approval: str
    run: str
    decision: str
    state: str
    made_at: str
    due: str
    verdict: str
    by: str
    at: str | None


class ReviewList(BaseModel):
    """Reviews; at most 500."""

    reviews: list[ReviewAnswer]


class EscalationAnswer(BaseModel):
    """When a request escalates, and who may decide it as well from then on; `in_force` once it has."""

    at: str
    to: str
    in_force: bool


class Me(BaseModel):
    """Who asks, and how sure we are of it."""

    id: str = Field(description="The opaque id: records and signatures have it.")
    person: str
    roles: list[str]
    teams: list[str]
    assurance: str


class RequestLine(BaseModel):
    """A request in a list. `state` is "changed" for one that is not what it was when it was made: do not decide it."""

    id: str
    run: str
    system: str
    approval: str
    state: str
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
    frozen: bool
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


class OneOfAll(BaseModel):
    """What became of one request: its decision, a vote where it takes others besides, or the problem."""

    request: str
    decision: DecisionAnswer | None
    vote: VoteAnswer | None
    missing: str
    problem: Problem | None


class DecidedAll(BaseModel):
    """What became of each, in the order in which they were decided."""

    results: list[OneOfAll]


class RunLine(BaseModel):
    """A run in a list."""

    run: str
    system: str
    version: str
    status: str
    detail: str
    responsible: str
    started_by: str
    started_at: str
    ended_at: str | None


class RunList(BaseModel):
    """Some runs, newest first; `next` is the cursor of the following page."""

    runs: list[RunLine]
    next: str | None


class EdgeLine(BaseModel):
    """A declared edge, or one that was crossed `count` times."""

    source: str
    target: str
    carries: str
    count: int = 0


class StepLine(BaseModel):
    """One step of a run."""

    id: str
    node: str
    state: str
    attempt: int
    error: str


class RunAnswer(RunLine):
    """A run with its edges, steps, requests, decisions and calls."""

    edges_declared: list[EdgeLine]
    edges_crossed: list[EdgeLine]
    records: int
    spans: int
    steps: list[StepLine]
    requests: list[dict[str, Any]]
    decisions: list[DecisionAnswer]
    effects: list[dict[str, Any]]
    effects_by_state: dict[str, int]
    result: Any


class DecidingAnswer(BaseModel):
    """How one approval was decided. Rates and times are those of people; null where nobody decided."""

    system: str
    approval: str
    person: str | None = Field(description="By whom; null where it is not counted by person.")
    number: int
    by_people: int
    outcomes: dict[str, int]
    approval_rate: float | None
    median_seconds: float | None = Field(description="From the asking to the decision.")
    p90_seconds: float | None
    fast_share: float | None = Field(description="Which share took less than five seconds.")
    broke_glass: int
    reviewed: int
    disagreed: int = Field(description="How many reviews found it wrong.")


class StatisticsAnswer(BaseModel):
    """How deciding goes, since a time."""

    since: str
    approvals: list[DecidingAnswer]


class FreezeAnswer(BaseModel):
    """A freeze: committed, quiesced or lifted; `in_flight` are the calls that it still waits for."""

    id: str
    system: str
    target: str
    state: str
    by: str
    reason: str
    at: str
    in_flight: list[str]


class FreezeList(BaseModel):
    """The freezes that stand."""

    freezes: list[FreezeAnswer]
