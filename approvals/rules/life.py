"""The life of a standing rule: proposed, approved by others, revoked; each a sealed record of a named person.

1. The author proposes their own rule. It has been checked against its approval's schema and by its own cases.
2. It is approved by those who may decide what it will decide, the author and the owners of the agents before the
   approval excepted, and over the digest of everything that it says. A new version is approved anew.
3. It has force while it is approved, from `not_before` until `expires_at`, which is at most 90 days after that unless
   `ANSWERABLE_RULE_DAYS` says otherwise.
4. The Responsible Individual, the author, and whoever may approve it may revoke it, at any time.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Any, Final

import rfc8785

from answerable.agents.people import quorum_from
from answerable.approvals.deciding.ballots import Ballot, ballot_on
from answerable.approvals.rules.checking import check_cases, check_rule
from answerable.approvals.rules.contexts import LARGEST, Place
from answerable.approvals.rules.file import RuleFile
from answerable.approvals.rules.rows import RuleHead, RuleRow, find_rule, heads_of, insert_rule, set_rule
from answerable.approvals.rules.times import times_of
from answerable.approvals.sealing.keys import Key, not_ours
from answerable.approvals.sealing.seals import sealed
from answerable.approvals.voting.counting import for_option, people_of
from answerable.approvals.voting.eligibility import Asked, Standing, check_eligible
from answerable.approvals.voting.votes import cast_vote
from answerable.approvals.who.identity import Identity, check_sure
from answerable.approvals.who.signatures import Meant, signed_by
from answerable.errors import AlreadyDecided, InvalidInput, InvalidRule, NotAsShown, NotEligible, NotOpen
from answerable.tracing import ids
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.record import Signature
from answerable.tracing.ledger.records.ruling import RuleApproved, RuleProposed, RuleRevoked
from answerable.tracing.people import PersonRow, authority, get_person, read_rules_anew, stamp
from answerable.tracing.storage.store import Tx

APPROVE: Final = "approve"  # the one thing that people vote for


def propose(tx: Tx, key: Key, rule: RuleFile, place: Place, *, by: str, at: int) -> RuleRow:
    """The author `by` (a handle) proposes a rule. Proposing the same again changes nothing.

    Raises: InvalidRule; UnknownId; NotEligible if somebody else is its author; InvalidInput if the version is taken.
    """
    check_rule(rule, place)
    check_cases(rule, place)
    author = get_person(tx, by)
    if rule.author != author.handle:
        raise NotEligible(
            f"the author of {rule.name}@{rule.version} is {rule.author}, and {by} proposes it",
            hint="an author proposes their own rule",
        )
    body = _body(rule, place, author, at=at)
    text = _canonical(body)
    digest = sha256(text).hexdigest()
    id = ids.derive(ids.RULE, rule.system, rule.name, str(rule.version), digest)
    known = {head.version: head for head in heads_of(tx, rule.system, rule.name)}
    if rule.version in known and known[rule.version].id == id:
        return find_rule(tx, id)
    if rule.version in known or any(version > rule.version for version in known):
        raise InvalidInput(
            f"{rule.name} has version {max(known)} already", hint=f"a change is version {max(known) + 1}"
        )
    head = RuleHead(
        id=id,
        system=rule.system,
        approval=rule.approval,
        name=rule.name,
        version=rule.version,
        digest=digest,
        state="proposed",
        author=author.id,
        approvers="[]",
        not_before=body["not_before"],
        expires_at=body["expires_at"],
        proposed_at=at,
        mac="",
    ).signed(key)
    insert_rule(tx, head, text)
    fields = _stamp(tx, head, author, at) | {"not_before": head.not_before, "expires_at": head.expires_at}
    append(tx, sealed(key, RuleProposed(**fields, text=text.decode())))
    return RuleRow(head=head, body=body)


def approve(tx: Tx, key: Key, reference: str, *, who: Identity, at: int, seen: str = "") -> RuleRow:
    """Somebody who may decide what a rule decides approves it, over the digest that they were shown.

    Where it takes several people, it stays proposed until all of them did.

    Raises: UnknownId; NotEligible; NotSureEnough; AlreadyDecided; NotOpen; NotAsShown; StoreCorrupt.
    """
    found = _genuine(tx, key, reference)
    person, head = get_person(tx, who.handle), found.head
    if seen and not hmac.compare_digest(seen.encode(), head.digest.encode()):
        raise NotAsShown(f"rule {head.label} is not the one that was shown to {who.handle}", hint="look at it again")
    if head.state != "proposed":
        raise AlreadyDecided(f"rule {head.label} is {head.state}", hint="a change is a new version")
    if at >= head.expires_at:
        raise NotOpen(f"rule {head.label} would have expired", hint="propose a new version")
    asked = asked_of(found)
    ballot = _ballot(tx, key, found, at=at)
    standing = ballot.standing_of(person, option=APPROVE)
    meant = Meant(
        system=head.system,
        subject=head.id,
        digest=head.digest,
        answer="approved",
        option=APPROVE,
        person=person.id,
        for_person=standing.for_person,
    )
    who, signed, signature = signed_by(tx, key, who, meant, None, at=at)
    tx.assurance = who.assurance
    check_sure(who, requires=asked.requires, fresh_seconds=asked.fresh_seconds, at=at)
    given = ballot.with_answer(standing, APPROVE)
    missing = ballot.missing(APPROVE, given)
    if missing:
        cast_vote(
            tx,
            key,
            subject=head.id,
            digest=head.digest,
            system=head.system,
            approval=head.approval,
            answer="approved",
            option=APPROVE,
            standing=standing,
            assurance=who.assurance,
            reason="",
            missing=missing,
            at=at,
            signature=signature,
            salt=signed.salt if signed else "",
        )
        return found
    return _approved(tx, key, found, standing, people_of(given), signature, at=at)


def so_far(tx: Tx, key: Key, rule: RuleRow, *, at: int) -> tuple[tuple[str, ...], str]:
    """Who approved a rule that is proposed so far (ids), and who else it takes, in words; nobody for another one."""
    head = rule.head
    if head.state != "proposed":
        return (), ""
    ballot = _ballot(tx, key, rule, at=at)
    return people_of(for_option(ballot.counting, APPROVE)), ballot.missing(APPROVE)


def why_not(tx: Tx, key: Key, rule: RuleRow, handle: str, *, option: str = APPROVE, at: int) -> str:
    """Why a person may not approve a rule (for the option "": not revoke it), "" if they may. Raises: UnknownId."""
    person, head = get_person(tx, handle), rule.head
    if not option and person.id == head.author:
        return ""
    ballot = _ballot(tx, key, rule, at=at)
    try:
        standing = ballot.standing_of(person, option=option)
        if option:
            ballot.with_answer(standing, option)
    except (NotEligible, AlreadyDecided) as error:
        return error.message
    return ""


def _ballot(tx: Tx, key: Key, rule: RuleRow, *, at: int) -> Ballot:
    head = rule.head
    where = {"system": head.system, "approval": head.approval}
    return ballot_on(tx, key, asked_of(rule), subject=head.id, digest=head.digest, **where, at=at)


def _approved(
    tx: Tx,
    key: Key,
    found: RuleRow,
    standing: Standing,
    approvers: tuple[str, ...],
    signature: Signature | None,
    *,
    at: int,
) -> RuleRow:
    head = set_rule(tx, key, found.head, state="approved", approvers=approvers)
    fields = _stamp(tx, head, standing.person, at, *approvers)
    record = RuleApproved(
        **fields, author=head.author, approvers=approvers, for_person=standing.for_person, signature=signature
    )
    append(tx, sealed(key, record))
    return RuleRow(head=head, body=found.body)


def revoke(tx: Tx, key: Key, reference: str, *, by: str, reason: str, at: int) -> RuleRow:
    """Take a rule's force, or what was proposed, away. Raises: UnknownId, NotEligible, InvalidInput, StoreCorrupt."""
    found = _genuine(tx, key, reference)
    person, head = get_person(tx, by), found.head
    if head.state == "revoked":
        raise InvalidInput(f"rule {head.label} was revoked already")
    if person.id != head.author:
        check_eligible(person, asked_of(found), responsible=authority(tx, head.system).responsible)
    moved = set_rule(tx, key, head, state="revoked")
    append(tx, sealed(key, RuleRevoked(**_stamp(tx, moved, person, at), reason=reason)))
    return RuleRow(head=moved, body=found.body)


def asked_of(rule: RuleRow) -> Asked:
    """Whom a rule's approval asks, and who is too close to it: its author, and owners of agents before the approval."""
    asked = rule.body["asked"]
    return Asked(
        by=quorum_from(asked["by"]),
        started_by="",
        editors=[rule.head.author],
        owners=asked["owners"],
        may_decide_own=False,
        requires=asked["requires"],
        fresh_seconds=asked["fresh_seconds"],
        wrote="rule",
    )


def _genuine(tx: Tx, key: Key, reference: str) -> RuleRow:
    read_rules_anew(tx, find_rule(tx, reference).head.system)  # before the rule's own lock, as workers take them
    found = find_rule(tx, reference, lock=True)
    if not found.head.genuine(key):
        raise not_ours(f"rule {found.head.label}", "it decides nothing")
    return found


def _stamp(tx: Tx, head: RuleHead, person: PersonRow, at: int, *through: str) -> dict[str, Any]:
    """What every record of a rule says."""
    return stamp(tx, head.system, at=at, through=(person.id, *through)) | {
        "rule": head.id,
        "name": head.name,
        "version": head.version,
        "approval": head.approval,
        "digest": head.digest,
        "by": person.id,
        "assurance": tx.assurance,
    }


def _body(rule: RuleFile, place: Place, author: PersonRow, *, at: int) -> dict[str, Any]:
    """Everything that a rule says, with persons by id. Raises: InvalidRule if its times cannot be."""
    begins, expires = times_of(rule, at=at)
    said = rule.model_dump(exclude={"not_before", "expires", "author"})
    times = {"not_before": begins, "expires_at": expires}
    return {**said, **times, "author": author.id, "schema": place.schema, "asked": place.asked}


def _canonical(body: dict[str, Any]) -> bytes:
    try:
        return rfc8785.dumps(body)
    except rfc8785.CanonicalizationError as error:
        raise InvalidRule(f"a case has a number that cannot be: {error}", hint=f"at most {LARGEST:,}") from error
