"""/api/v1/rules: standing rules, proposed, approved, revoked."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, StringConstraints

from answerable.approvals.rules.file import MOST_BYTES, read_rule
from answerable.approvals.rules.rows import RuleRow
from answerable.approvals.who.identity import Identity
from answerable.inbox.api.bodies import Digest, Taken, Text
from answerable.inbox.api.cursors import Id
from answerable.inbox.api.links import FROM_RULE, FROM_RULES
from answerable.inbox.desk import Desk
from answerable.inbox.entering import actor, desk_of, reader
from answerable.inbox.problems import documented
from answerable.orchestrator.documents import handles
from answerable.orchestrator.places import place_of
from answerable.orchestrator.ruled import REPLAYED, replay_document, replay_stored, rule_document, rule_lines

router = APIRouter(prefix="/rules", tags=["rules"])


class ProposeAsked(Taken):
    """Propose a rule: its file, in TOML."""

    file: Annotated[str, StringConstraints(min_length=1, max_length=MOST_BYTES)]


class ApproveAsked(Taken):
    """Approve a rule as it was shown."""

    digest: Digest


class RevokeRuleAsked(Taken):
    """Take a rule's force away, and say why."""

    reason: Text


class RuleLine(BaseModel):
    """A rule in a list. `state` is proposed, waiting (for its time), active, suspended, expired or revoked.

    `lacks` is, of a suspended one, who is missing behind it, in words: whoever approved it could not do so now;
    `missing`, of a proposed one, who else has to approve it.
    """

    id: str
    rule: str
    name: str
    version: int
    system: str
    approval: str
    state: str
    lacks: str
    purpose: str
    author: str
    approvers: list[str]
    approved_so_far: list[str]
    missing: str
    not_before: str | None
    expires_at: str
    digest: str


class RuleList(BaseModel):
    """Every version of every rule."""

    rules: list[RuleLine]


class CapAnswer(BaseModel):
    """A cap, and what was used of it in the present hour or day."""

    of: str
    most: int
    per: str
    used: int


class CaseAnswer(BaseModel):
    """A case of a rule."""

    name: str
    decides: bool
    context: dict[str, Any]


class RuleAnswer(RuleLine):
    """A rule with all that it says; `doubts` are what is perhaps not meant of a proposed one, in words."""

    option: str
    effects: list[str]
    caps: list[CapAnswer]
    policy: str
    sees: str
    tests: list[CaseAnswer]
    doubts: list[str]


class ReplayAnswer(BaseModel):
    """What a rule would have decided; `denied` and `otherwise` are ids of requests that persons answered so.

    `without` is how many requests did not offer the option that it chooses.
    """

    asked: int
    decided: int
    capped: int
    unseen: int
    without: int
    denied: list[str]
    otherwise: list[str]
    said: str


@router.get("", responses=documented(links=FROM_RULES))
async def list_rules(desk: Annotated[Desk, Depends(desk_of)], _: Annotated[Identity, Depends(reader)]) -> RuleList:
    """Every version of every standing rule."""
    found = await desk.office.store.read(lambda tx: rule_lines(tx, desk.office.key, at=desk.now))
    return RuleList(rules=[RuleLine(**one) for one in found])


@router.post("", status_code=201, responses=documented(409, links=FROM_RULE, on=201))
async def propose_rule(
    body: ProposeAsked, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(actor)]
) -> RuleAnswer:
    """Propose a rule, as its author. The program of its system has to be at hand here."""
    rule = read_rule(body.file, where="the file")
    place = place_of(desk.service(rule.system).app.graph, rule.approval)
    return await _answer(desk, await desk.office.rules.propose(rule, place, by=who))


@router.get("/{rule}", responses=documented(links=FROM_RULE))
async def get_rule(
    rule: Id, desk: Annotated[Desk, Depends(desk_of)], _: Annotated[Identity, Depends(reader)]
) -> RuleAnswer:
    """One rule, by its id or NAME@VERSION."""
    return await _answer(desk, await desk.office.rules.get(rule))


@router.get("/{rule}/replay", responses=documented())
async def replay_rule(
    rule: Id, desk: Annotated[Desk, Depends(desk_of)], _: Annotated[Identity, Depends(reader)]
) -> ReplayAnswer:
    """What a rule would have decided of the newest 1,000 requests of its approval."""
    row = await desk.office.rules.get(rule)
    return ReplayAnswer(
        **replay_document(await desk.office.store.read(lambda tx: replay_stored(tx, row, newest=REPLAYED)))
    )


@router.post("/{rule}/approval", status_code=201, responses=documented(409, links=FROM_RULE, on=201))
async def approve_rule(
    rule: Id, body: ApproveAsked, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(actor)]
) -> RuleAnswer:
    """Approve a rule that is proposed. Where it takes several people, it stays proposed until all of them did."""
    return await _answer(desk, await desk.office.rules.approve(rule, by=who, seen=body.digest))


@router.post("/{rule}/revocation", status_code=201, responses=documented(409))
async def revoke_rule(
    rule: Id, body: RevokeRuleAsked, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(actor)]
) -> RuleAnswer:
    """Revoke a rule: it decides nothing more, and what it released and was not sent is asked anew."""
    return await _answer(desk, await desk.office.rules.revoke(rule, by=who, reason=body.reason))


async def _answer(desk: Desk, row: RuleRow) -> RuleAnswer:
    key, now = desk.office.key, desk.now
    return RuleAnswer(**await desk.office.store.read(lambda tx: rule_document(tx, key, row, handles(tx), at=now)))
