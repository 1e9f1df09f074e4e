"""Attributes: every key that a span or a resource of ours may have, with what it means.

1. A key that is not here is on no span. The guide's table is `table()`.
2. Whatever somebody will search for is a string of its own: Jaeger matches equality on one span and compares as text.
3. Persons are opaque ids. Payloads are on no span; commitments (salted digests) are.
4. `gen_ai.*` stands on runs and on agents' steps only: one such key makes Jaeger draw a span as a model's.
5. A span says what it shows (`SpanData.shows`). On a span of that kind a key always stands, may stand ("?"), or never.

The conventions for GenAI are under development and live in a repository of their own; the Python package's constants
for them are deprecated, so the names are written out here.

Source: github.com/open-telemetry/semantic-conventions (service, host, http, server, error, user) and
github.com/open-telemetry/semantic-conventions-genai, as each line says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

Type = Literal["string", "int", "bool", "string[]"]

Shows = Literal[
    "run",
    "reopened",  # a person had it go on
    "frozen",  # a freeze keeps it from going on
    "ended",
    "step",  # of an agent
    "attempt",  # of any step: it did not finish
    "continued",  # a step of an earlier trace of the run, for what follows from it in this one
    "egress",
    "edge",
    "approval",  # the step that asks
    "request",  # about a message that a person edited
    "vote",  # of one person, where it takes several
    "decision",  # or that nobody will decide any more
    "escalation",  # others may decide as well
    "review",  # of what was decided without those who had been asked
    "revocation",  # what a decision released is void
    "effect",  # the step that carries it out
    "withheld",  # a call that did not leave: withdrawn or refused
    "call",
    "settlement",
    "checkpoint",  # of the ledger, and of no run
]
"""What a span shows: its kind, by which the registry says what stands on it."""

EVERY: Final = "every"  # every kind of span of a run
CHECKPOINT: Final = "checkpoint"
OTHER: Final = "other"  # spans that other libraries make within a step
RESOURCE: Final = "resource"  # the resource of each span of ours


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One key: its type, the kinds of span that it always stands on, and those that it may stand on; what it means.

    `source` says where the key is from, if it is not ours.
    """

    key: str
    type: Type
    always: tuple[str, ...]
    maybe: tuple[str, ...]
    meaning: str
    unit: str = ""
    source: str = ""


_registry: dict[str, Attribute] = {}


def _key(key: str, type: Type, on: str, meaning: str, *, unit: str = "", source: str = "") -> str:
    assert key not in _registry, key
    kinds = on.split()
    always = tuple(kind for kind in kinds if not kind.endswith("?"))
    maybe = tuple(kind.removesuffix("?") for kind in kinds if kind.endswith("?"))
    assert {*always, *maybe} <= {*get_args(Shows), EVERY, OTHER, RESOURCE}, (key, on)
    _registry[key] = Attribute(
        key=key, type=type, always=always, maybe=maybe, meaning=meaning, unit=unit, source=source
    )
    return key


_GENAI: Final = "semconv gen-ai"

# Where the fact stands, and who answers for it.
RESPONSIBLE: Final = _key(
    "accountability.responsible.id", "string", "every", "the Responsible Individual in force at that moment"
)
SYSTEM: Final = _key("accountability.system", "string", "every", "the system")
RUN: Final = _key(
    "accountability.run.id", "string", "every other", "the run; also on other libraries' spans within a step"
)
CHAIN: Final = _key(
    "accountability.chain", "string[]", "every", "who handed authority to whom: ids, shortest way first"
)
RECORD_SEQ: Final = _key("accountability.record.seq", "int", "every", "the record's place in the ledger")
RECORD_DIGEST: Final = _key("accountability.record.digest", "string", "every", "the record's leaf hash (RFC 9162)")

# Runs.
APP_VERSION: Final = _key("accountability.app.version", "string", "run step?", "the version of the app that it ran on")
RUN_STATUS: Final = _key("accountability.run.status", "string", "run ended", "waiting, or how the run ended")
SEGMENT: Final = _key(
    "accountability.run.segment", "int", "run? continued", "which trace of the run this is, where it has several"
)
WAITED: Final = _key(
    "accountability.waited",
    "int",
    "run? edge? decision? settlement?",
    "how long it waited in all, where most of that lies before this trace",
    unit="microseconds",
)
USER: Final = _key("user.id", "string", "run", "who started the run; not who answers for it", source="semconv user")
OPERATION: Final = _key(
    "gen_ai.operation.name", "string", "run step", "`invoke_workflow` or `invoke_agent`", source=_GENAI
)
WORKFLOW: Final = _key("gen_ai.workflow.name", "string", "run", "the system", source=_GENAI)
AGENT: Final = _key("gen_ai.agent.name", "string", "step", "the agent", source=_GENAI)
CONVERSATION: Final = _key("gen_ai.conversation.id", "string", "run step", "the run", source=_GENAI)

# Steps.
STEP: Final = _key("accountability.step.id", "string", "step attempt continued? approval effect egress", "the step")
OUTCOME: Final = _key(
    "accountability.step.outcome",
    "string",
    "step attempt approval effect",
    "done, failed, refused, paused (an effect in doubt, or held), or unfinished",
)
ATTEMPT: Final = _key("accountability.attempt", "int", "step attempt approval effect call", "which attempt, from 1 on")
GENERATION: Final = _key(
    "accountability.step.generation", "int", "step? approval? effect?", "how often a person had it run anew, if ever"
)
DROPPED: Final = _key(
    "accountability.step.dropped", "string[]", "step? approval? effect?", "edges whose condition said no to its message"
)
OWNER: Final = _key("accountability.agent.owner", "string", "step?", "who answers for the agent's quality")
EGRESS_EVENT: Final = _key("accountability.egress.event", "string", "egress", "what was seen: an audit event of Python")
EGRESS_TO: Final = _key("accountability.egress.to", "string", "egress", "where to")

# Edges and messages.
EDGE: Final = _key("accountability.edge.id", "string", "edge", "the declared edge that was crossed")
EDGE_SOURCE: Final = _key("accountability.edge.source", "string", "edge", "the node that sent")
EDGE_TARGET: Final = _key("accountability.edge.target", "string", "edge", "the node that the message is for")
EDGE_CARRIES: Final = _key("accountability.edge.carries", "string", "edge", "the message's type")
EDGE_PURPOSE: Final = _key("accountability.edge.purpose", "string", "edge", "what the edge is for")
EDGE_CONDITION: Final = _key("accountability.edge.condition", "string", "edge?", "the condition that said yes, if any")
EDGE_LEFTOVER: Final = _key(
    "accountability.edge.leftover", "bool", "edge?", "no step took the message before the run ended"
)
CROSSING: Final = _key("accountability.crossing.id", "string", "edge", "this message on this edge")
MESSAGE: Final = _key(
    "accountability.message.id", "string", "edge approval? request decision? effect? withheld? call", "the message"
)
COMMITMENT: Final = _key(
    "accountability.message.commitment", "string", "edge approval? request decision?", "a salted digest of what it says"
)
TIERS: Final = _key(
    "accountability.prioritization.tiers",
    "string",
    "edge? approval? request?",
    "JSON: each tier, most critical first, with what is served and unserved",
    unit="the resource's",
)
INVERSIONS: Final = _key(
    "accountability.prioritization.inversions",
    "int",
    "edge? approval? request?",
    "how many lower-tier items pass a waiting higher one",
    unit="items",
)

# Approvals.
REQUEST: Final = _key(
    "accountability.approval.id",
    "string",
    "continued? approval? request vote decision escalation revocation review effect? withheld? call",
    "the request to a person",
)
REQUEST_DIGEST: Final = _key(
    "accountability.approval.digest",
    "string",
    "approval? request vote decision?",
    "what was asked, to the byte; what a yes is bound to",
)
EDITED_FROM: Final = _key(
    "accountability.approval.edited_from", "string", "request", "the request that an edit replaced"
)
DECISION: Final = _key(
    "accountability.decision.id", "string", "decision? revocation review effect? withheld? call", "the decision"
)
DECISION_OUTCOME: Final = _key(
    "accountability.approval.outcome",
    "string",
    "decision effect? withheld? call",
    "approved, edited, rejected, answered, expired, exempted, ruled, or withdrawn",
)
OPTION: Final = _key(
    "accountability.approval.option", "string", "vote? decision? effect? withheld? call?", "the option that was chosen"
)
DECIDED_BY: Final = _key(
    "accountability.approval.decided_by",
    "string",
    "reopened decision? revocation? review effect? withheld? call? settlement",
    "the person who decided, or completed it, took it back, or reviewed it",
)
FOR_PERSON: Final = _key(
    "accountability.approval.for_person",
    "string",
    "vote? decision? effect? withheld? call?",
    "the person for whom they acted, as their delegate",
)
VOTERS: Final = _key(
    "accountability.approval.voters",
    "string[]",
    "decision? effect? withheld? call?",
    "the persons who voted for it before",
)
OWN: Final = _key(
    "accountability.approval.own",
    "string[]",
    "vote? decision? effect? withheld? call?",
    "the persons who decided their own, as the declaration allows",
)
VOTE: Final = _key("accountability.vote.id", "string", "vote", "the vote")
VOTE_ANSWER: Final = _key("accountability.vote.answer", "string", "vote", "approved, or rejected")
VOTED_BY: Final = _key("accountability.vote.by", "string", "vote", "the person who voted")
RULE: Final = _key(
    "accountability.approval.rule.id",
    "string",
    "decision? effect? withheld? call?",
    "the exemption or standing rule that decided",
)
RULE_VERSION: Final = _key(
    "accountability.approval.rule.version",
    "string",
    "decision? effect? withheld? call?",
    "its version",
)
ASSURANCE: Final = _key(
    "accountability.assurance",
    "string",
    "reopened? vote decision? revocation? review? effect? withheld? call? settlement?",
    "how sure we are of who decided",
)

IN_PLACE_OF: Final = _key(
    "accountability.approval.in_place_of",
    "string",
    "approval?",
    "the request of which the decision was revoked, so that it is asked anew",
)
EXECUTE_WITHIN: Final = _key(
    "accountability.approval.execute_within",
    "int",
    "approval? request?",
    "how long after a yes its calls may still be sent",
    unit="microseconds",
)
DECIDE_BY: Final = _key(
    "accountability.approval.decide_by", "string", "approval? request?", "until when it can be decided (UTC)"
)
REVOKED: Final = _key(
    "accountability.decision.revoked",
    "string",
    "revocation",
    "why what it released is void: person, facts (they moved), or rule (it was revoked)",
)
STAGE: Final = _key("accountability.approval.stage", "int", "escalation", "how often it was escalated")
ESCALATED_TO: Final = _key(
    "accountability.approval.escalated_to", "string", "escalation", "who may decide as well from here on"
)
REVIEWED: Final = _key(
    "accountability.review.of", "string", "review decision?", "why it is reviewed: break-glass, or sample"
)
VERDICT: Final = _key("accountability.review.verdict", "string", "review", "what the reviewer found: right, or wrong")
REVIEW_DUE: Final = _key(
    "accountability.review.due", "string", "review decision?", "until when the review is due (UTC)"
)
BROKE_GLASS: Final = _key(
    "accountability.approval.broke_glass",
    "bool",
    "decision? effect? withheld? call?",
    "one person decided alone what others were asked: an alarm",
)
REASON_CODE: Final = _key("accountability.reason.code", "string", "revocation? decision?", "the code of the reason")
FACTS_MOVED: Final = _key(
    "accountability.facts.moved", "string[]", "revocation?", "the names of the facts that are not what they were"
)

# Effects.
EFFECT: Final = _key("accountability.effect.id", "string", "effect withheld call settlement", "the effect")
EFFECT_NAME: Final = _key(
    "accountability.effect.name", "string", "effect withheld call settlement", "its declared name"
)
RECEIVER: Final = _key("accountability.effect.receiver", "string", "effect? withheld? call", "to whom")
GUARANTEE: Final = _key(
    "accountability.effect.guarantee", "string", "effect? withheld? call", "what the receiver promises"
)
EFFECT_STATE: Final = _key(
    "accountability.effect.state",
    "string",
    "effect? withheld call settlement",
    "done, failed, not-sent, in-doubt, unanswered, withdrawn, refused, or again",
)
IDEMPOTENCY_KEY: Final = _key(
    "accountability.effect.idempotency_key", "string", "effect? withheld? call", "the key that the receiver was given"
)
GRANT: Final = _key(
    "accountability.grant.id", "string", "effect? withheld? call", "the single-use authority that let it go"
)
REASON: Final = _key("accountability.reason", "string", "decision? effect? withheld", "why it was refused or withdrawn")
METHOD: Final = _key("http.request.method", "string", "call?", "its method", source="semconv http")
STATUS: Final = _key("http.response.status_code", "int", "call?", "what the receiver answered", source="semconv http")
SERVER_ADDRESS: Final = _key("server.address", "string", "call?", "the receiver's host", source="semconv server")
SERVER_PORT: Final = _key("server.port", "int", "call?", "the receiver's port", source="semconv server")
ERROR_TYPE: Final = _key(
    "error.type", "string", "call?", "the status, or how the call ended without one", source="semconv error"
)

# Stops.
FREEZE: Final = _key("accountability.freeze.id", "string", "effect? withheld?", "the freeze that stood in the way")
FROZEN: Final = _key(
    "accountability.freeze.target", "string", "frozen", "what is frozen and keeps the run from going on"
)

# Checkpoints.
LEDGER: Final = _key("accountability.ledger", "string", "checkpoint", "which ledger: `answerable/` and the store's id")
LEDGER_SIZE: Final = _key("accountability.ledger.size", "int", "checkpoint", "how many records")
LEDGER_CHECKPOINT: Final = _key(
    "accountability.ledger.checkpoint",
    "string",
    "checkpoint",
    "the whole checkpoint, signed",
    source="C2SP signed-note",
)

# Resources.
SERVICE: Final = _key(
    "service.name",
    "string",
    "resource",
    "the node; for the run itself the system; `ledger` for a checkpoint",
    source="semconv service",
)
NAMESPACE: Final = _key(
    "service.namespace", "string", "resource", "the system; for a checkpoint the ledger", source="semconv service"
)
HOST: Final = _key("host.id", "string", "resource?", "the machine that did it", source="semconv host")
IP: Final = _key(
    "ip", "string", "resource?", "its address: Jaeger compares clocks by it", source="Jaeger, clock skew adjuster"
)

REGISTRY: Final[Mapping[str, Attribute]] = _registry


def table() -> str:
    """All keys as a Markdown table, for the guide."""
    lines = ["| key | type | always on | may be on | meaning |", "|---|---|---|---|---|"]
    for one in REGISTRY.values():
        notes = [f"in {one.unit}"] if one.unit else []
        notes += [one.source] if one.source else []
        meaning = one.meaning + (f" ({'; '.join(notes)})" if notes else "")
        lines.append(f"| `{one.key}` | {one.type} | {', '.join(one.always)} | {', '.join(one.maybe)} | {meaning} |")
    return "\n".join(lines) + "\n"
