"""Remaking: rules, and what was used of their caps, made anew from their records after damage.

A rule is made from records with this store's seal only, and from the text that was proposed: nobody gets authority.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from sqlalchemy import bindparam, delete

from answerable.approvals.rules.rows import RuleHead, find_rule, insert_rule
from answerable.approvals.sealing.keys import Key
from answerable.approvals.sealing.seals import is_sealed
from answerable.errors import StoreCorrupt, UnknownId
from answerable.tracing.ledger import agreement
from answerable.tracing.ledger.entries import records_of
from answerable.tracing.ledger.indexes.indexes import Use, newest_uses
from answerable.tracing.ledger.records.ruling import RuleApproved, RuleProposed, RuleRecord, RuleRevoked
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.rules import rule_uses, rules

_DROP: Final = Statement(delete(rules).where(rules.c.id == bindparam("rule")))
_CLEAR: Final = Statement(delete(rule_uses))
_USE: Final = inserting(rule_uses)


def is_genuine(tx: Tx, key: Key, id: str) -> bool:
    """Whether the stored rule is what this program wrote."""
    try:
        return find_rule(tx, id).head.genuine(key)
    except (StoreCorrupt, UnknownId):
        return False


def remake_rule(tx: Tx, key: Key, id: str) -> bool:
    """Write the row of a rule as its sealed records say; False, with nothing changed, if they do not."""
    said = [one.record for one in records_of(tx, "") if isinstance(one.record, RuleRecord) and one.record.rule == id]
    found = [one for one in said if isinstance(one, RuleProposed | RuleApproved | RuleRevoked) and is_sealed(key, one)]
    if len(found) < len(said) or not found or not isinstance(found[0], RuleProposed):
        return False
    proposed, ends = found[0], {type(one) for one in found}
    approvers = next((one.approvers for one in found if isinstance(one, RuleApproved)), ())
    head = RuleHead(
        id=id,
        system=proposed.system,
        approval=proposed.approval,
        name=proposed.name,
        version=proposed.version,
        digest=proposed.digest,
        state="revoked" if RuleRevoked in ends else "approved" if RuleApproved in ends else "proposed",
        author=proposed.by,
        approvers=json.dumps(approvers),
        not_before=proposed.not_before,
        expires_at=proposed.expires_at,
        proposed_at=proposed.at,
        mac="",
    ).signed(key)
    tx.run(_DROP, rule=id)
    insert_rule(tx, head, proposed.text.encode())
    return True


def remake_uses(tx: Tx, spent: Mapping[Use, int]) -> list[str]:
    """Write what was used of caps as decisions' records say; which were changed."""
    told, stored = newest_uses(spent), agreement.uses_of_rules(tx)
    changed = sorted(use for use in told.keys() | stored.keys() if told.get(use) != stored.get(use))
    if changed:
        tx.run(_CLEAR)
        for row in told.values():
            tx.run(_USE, **row)
    return [f"used of the rule {use}" for use in changed]
