"""What people do to standing rules."""

from __future__ import annotations

from typing import Final

from answerable.approvals.accepting.standing import place_in_force, standings
from answerable.approvals.deciding.reasons import Reason
from answerable.approvals.revoking import revoke_what_a_rule_decided
from answerable.approvals.rules import life
from answerable.approvals.rules.contexts import Place
from answerable.approvals.rules.file import RuleFile
from answerable.approvals.rules.rows import RuleRow, all_rules, find_rule
from answerable.approvals.who.identity import By, identified
from answerable.orchestrator.desks.acting import Acting
from answerable.tracing.people import get_person
from answerable.tracing.storage.store import Tx

POLICY: Final = "policy"  # the code of why a rule's decisions are taken back


class RuleDesk:
    """The rules of a store, and what people do to them."""

    def __init__(self, office: Acting) -> None:
        self._office = office

    async def all(self) -> list[RuleRow]:
        """Every version of every rule. Raises: StoreCorrupt."""
        return await self._office.store.read(all_rules)

    async def get(self, rule: str) -> RuleRow:
        """One rule, by its id or NAME@VERSION. Raises: UnknownId, StoreCorrupt."""
        return await self._office.store.read(lambda tx: find_rule(tx, rule))

    async def propose(self, rule: RuleFile, place: Place, *, by: By) -> RuleRow:
        """The author proposes a rule for a place. Raises: InvalidRule, InvalidInput, NotEligible, UnknownId."""
        who, key = identified(by), self._office.key

        def work(tx: Tx, now: int) -> RuleRow:
            in_force = place_in_force(standings(tx, key), place)  # whom the approval asks, whatever is declared here
            return life.propose(tx, key, rule, in_force, by=who.handle, at=now)

        return await self._office.act(work, who=who)

    async def approve(self, rule: str, *, by: By, seen: str = "") -> RuleRow:
        """Approve a rule that is proposed, the one with the digest `seen`, if that is given.

        Raises: UnknownId, NotEligible, NotSureEnough, AlreadyDecided, NotOpen, NotAsShown, StoreCorrupt.
        """
        who, key = identified(by), self._office.key
        return await self._office.act(lambda tx, now: life.approve(tx, key, rule, who=who, at=now, seen=seen), who=who)

    async def revoke(self, rule: str, *, by: By, reason: str) -> RuleRow:
        """Take a rule's force away; what it decided and was not sent is void, and asked anew.

        Raises: UnknownId, NotEligible, InvalidInput, StoreCorrupt.
        """
        who, key = identified(by), self._office.key

        def work(tx: Tx, now: int) -> RuleRow:
            found = life.revoke(tx, key, rule, by=who.handle, reason=reason, at=now)
            person, why = get_person(tx, who.handle).id, Reason(code=POLICY, text=reason)
            revoke_what_a_rule_decided(tx, found.head.system, found.head.label, by=person, reason=why, at=now)
            return found

        return await self._office.act_as(who, reason, work)
