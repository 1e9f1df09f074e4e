"""Accepting: which rules of deciding of an approval are in force, and how others come to be.

1. The first that a system is connected with are in force at once. Whatever is declared later, of an approval that is
   new to the system too, is proposed: in force when the Responsible Individual has accepted it, and not before.
2. An acceptance puts aside what else was proposed, and what was in force: whoever declares it still, or again, proposes
   it anew. So an older, looser version that comes back is accepted anew, too.
3. Whoever accepts is as sure as the rules in force ask of those who decide.
4. The Responsible Individual may decline what is proposed, and says why: nothing changes, and it does not wait any
   more. It is proposed again when others are in force, and may be accepted by its digest, if they think better of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from answerable.approvals.accepting.declared import RulesOfDeciding
from answerable.approvals.accepting.signing import accepted_by
from answerable.approvals.accepting.standing import Proposed, Standing, Standings, standings
from answerable.approvals.sealing.keys import Key
from answerable.approvals.sealing.seals import sealed
from answerable.approvals.who.identity import Identity
from answerable.errors import AlreadyDecided, InvalidInput, NotAsShown, UnknownId
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.accepting import ApprovalAccepted, ApprovalDeclared, ApprovalDeclined
from answerable.tracing.people import PersonRow, check_responsible, get_person, lock_system, read_rules_anew, stamp
from answerable.tracing.storage.store import Tx
from answerable.tracing.turns import take_turn


def declare(
    tx: Tx, key: Key, system: str, declared: Mapping[str, RulesOfDeciding], *, version: str, at: int
) -> list[Standing]:
    """A version of the app was connected: the approvals that do not ask as it declares, each as it stands.

    What it declares is written down where that was not done before: nothing is, however often it is connected.
    """
    found = standings(tx, key)
    if _news(found, system, declared):
        lock_system(tx, system)  # of two that are connected at once, the second sees what the first wrote
        found = standings(tx, key)
        known = any(of == system for of, _ in found)
        for approval in _news(found, system, declared):
            standing = found.setdefault((system, approval), Standing(system=system, approval=approval))
            record = ApprovalDeclared(
                **stamp(tx, system, at=at),
                approval=approval,
                version=version,
                digest=declared[approval].digest,
                text=declared[approval].text,
                number=standing.number,
                first=not known,
            )
            append(tx, sealed(key, record))
            standing.take(record)
    standing_now = (found[system, approval] for approval in declared)
    return [one for one in standing_now if one.proposed.get(declared[one.approval].digest)]


def accept_rules(tx: Tx, key: Key, system: str, approval: str, *, who: Identity, at: int, digest: str = "") -> Standing:
    """The RI puts what is proposed for an approval in force; of several, those with this `digest` (or its beginning).

    Raises: UnknownId; NotEligible if they are not the RI; NotSureEnough, NotAuthenticated; InvalidInput if nothing is
    proposed, or several are and none is named; NotAsShown if what is named is not proposed.
    """
    read_rules_anew(tx, system)  # whoever asks just now is waited for, and reads them anew
    standing, person, chosen = _read(tx, key, system, approval, who, digest)
    asks = (standing.in_force or chosen).rules
    signature = accepted_by(tx, key, system, approval, digest=chosen.digest, person=person, who=who, asks=asks, at=at)
    record = ApprovalAccepted(
        **stamp(tx, system, at=at),
        approval=approval,
        digest=chosen.digest,
        before=standing.digest,
        number=standing.number + 1,
        by=person.id,
        assurance=tx.assurance,
        signature=signature,
    )
    append(tx, sealed(key, record))
    standing.take(record)
    return standing


def decline_rules(
    tx: Tx, key: Key, system: str, approval: str, *, who: Identity, reason: str, at: int, digest: str = ""
) -> Standing:
    """The RI declines what is proposed for an approval; of several, those with this `digest` (or its beginning).

    Raises: UnknownId; NotEligible if they are not the RI; InvalidInput if nothing is proposed, or several are and none
    is named; NotAsShown if what is named is not proposed; AlreadyDecided if it was declined.
    """
    take_turn(tx)
    lock_system(tx, system)  # of two who decide on it at once, the second sees what the first wrote
    standing, person, chosen = _read(tx, key, system, approval, who, digest)
    if chosen.declined is not None:
        raise AlreadyDecided(
            f"the rules {chosen.digest[:12]} of {approval} were declined already", hint="they may still be accepted"
        )
    record = ApprovalDeclined(
        **stamp(tx, system, at=at),
        approval=approval,
        digest=chosen.digest,
        number=standing.number,
        by=person.id,
        reason=reason,
        assurance=tx.assurance,
    )
    append(tx, sealed(key, record))
    standing.take(record)
    return standing


def _read(
    tx: Tx, key: Key, system: str, approval: str, who: Identity, digest: str
) -> tuple[Standing, PersonRow, Proposed]:
    """How an approval stands, its RI, who acts, and what of the proposed they mean."""
    standing = standings(tx, key).get((system, approval))
    if standing is None:
        raise UnknownId(f"{system!r} has no approval {approval!r} here", hint="`answerable approvals list` lists them")
    person = get_person(tx, who.handle)
    check_responsible(tx, system, person, what="the rules of deciding of an approval, or declines them")
    return standing, person, _chosen(standing, digest)


def _chosen(standing: Standing, digest: str) -> Proposed:
    found = [one for one in standing.proposed.values() if one.digest.startswith(digest)] if digest else standing.waiting
    if not standing.proposed:
        raise InvalidInput(f"nothing waits to be accepted at {standing.approval}", hint="it asks as it is declared")
    if not found and not digest:
        raise InvalidInput(
            f"what is proposed for {standing.approval} was declined",
            hint=f"say which is meant all the same, by its digest: {_digests(standing.proposed.values())}",
        )
    if not found:
        raise NotAsShown(
            f"no rules with the digest {digest} are proposed for {standing.approval}",
            hint="`answerable approvals list` shows what is proposed now",
        )
    if len(found) > 1:
        raise InvalidInput(
            f"{len(found)} different rules are proposed for {standing.approval}",
            hint=f"say which by its digest: {_digests(found)}",
        )
    return found[0]


def _digests(proposed: Iterable[Proposed]) -> str:
    return ", ".join(one.digest[:12] for one in proposed)


def _news(found: Standings, system: str, declared: Mapping[str, RulesOfDeciding]) -> list[str]:
    """The approvals of which what is declared is neither in force nor proposed."""
    news = []
    for approval, rules in declared.items():
        standing = found.get((system, approval))
        if standing is None or rules.digest not in (standing.digest, *standing.proposed):
            news.append(approval)
    return news
