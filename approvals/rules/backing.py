"""Backing: whether those who approved a rule might approve it now.

1. A rule has force as long as those who approved it could: who lost the role, handed the system over, came too close
   or was erased is not counted, as with votes. Who approved by a delegation stands for whoever gave it, also after it
   has ended.
2. A rule that too few stand behind is suspended: it decides nothing, and what it forbids stays forbidden. It has force
   again when they have the role again, or when a new version is approved.
3. This is looked at when rules are read, and not when they decide: whatever changes a person's roles has them read anew
   (`tracing/people.py`).
4. A rule that was revoked has no force, whatever its row says: it may have been put back as it was, with a right MAC.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from sqlalchemy import select

from answerable.approvals.rules.life import APPROVE, asked_of
from answerable.approvals.rules.rows import RuleRow
from answerable.approvals.sealing.keys import Key
from answerable.approvals.sealing.seals import is_sealed
from answerable.approvals.voting.counting import Cast, Electorate, counted, for_option, missing
from answerable.approvals.voting.eligibility import Delegated
from answerable.approvals.voting.votes import votes_on
from answerable.approvals.who.endings import ended
from answerable.tracing.ledger.records.every import read_record
from answerable.tracing.ledger.records.ruling import RuleApproved
from answerable.tracing.people import authority, person_by_id
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.ledger import records

_APPROVED: Final = Statement(select(records.c.body).where(records.c.run == "", records.c.kind == "rule.approved"))


def put_back(tx: Tx, key: Key, rules: Iterable[RuleRow]) -> frozenset[str]:
    """Those of the rules (by id) that were revoked, as a record says, and whose rows do not say so."""
    return frozenset(one.head.id for one in rules if one.head.state != "revoked") & ended(tx, key)


def lacking(tx: Tx, key: Key, rules: list[RuleRow]) -> dict[str, str]:
    """Those of the approved rules (by id) that too few stand behind now, and who is missing, in words."""
    approved = [one for one in rules if one.head.state == "approved"]
    if not approved:
        return {}
    last: dict[str, RuleApproved] = {}
    for (body,) in tx.all(_APPROVED):
        record = read_record(bytes(body))
        if isinstance(record, RuleApproved) and is_sealed(key, record):
            last[record.rule] = record
    found = {one.head.id: _missing(tx, key, one, last.get(one.head.id)) for one in approved}
    return {id: who for id, who in found.items() if who}


def _missing(tx: Tx, key: Key, rule: RuleRow, last: RuleApproved | None) -> str:
    head, asked = rule.head, asked_of(rule)
    casts = [vote.cast for vote in votes_on(tx, key, head.id, digest=head.digest)]
    if last is not None:
        casts.append(Cast(vote="", by=last.by, for_person=last.for_person, option=APPROVE))
    people = {id: row for cast in casts for id in cast.of if (row := person_by_id(tx, id))}
    electorate = Electorate(people=people, responsible=authority(tx, head.system).responsible)
    given = [
        Delegated(id="", giver=people[cast.for_person], taker=cast.by) for cast in casts if cast.for_person in people
    ]
    standing = counted(casts, asked, replace(electorate, delegations=given))
    return missing(asked.by, [one.standing for one in for_option(standing, APPROVE)])
