"""Lifting a freeze: anybody may stop something, and not anybody lets it go on.

1. The Responsible Individual lifts every freeze of their system, and whoever froze something lifts that: who could not
   take back what they stopped by mistake would wait before they stop anything.
2. A source that was frozen by itself asked people too much. Whoever an approval of its system asks may lift that, too,
   and never who started its runs, nor their delegate.
3. It does not go along with a delegation, as nothing does that somebody is as Responsible Individual.
"""

from __future__ import annotations

from answerable.approvals.accepting.standing import standings
from answerable.approvals.sealing.keys import Key
from answerable.approvals.voting.delegations import in_force
from answerable.approvals.voting.eligibility import is_named
from answerable.errors import NotEligible
from answerable.tracing.freezes import SOURCE, Freeze
from answerable.tracing.people import PersonRow, authority, person_by_id
from answerable.tracing.storage.store import Tx


def check_may_lift(tx: Tx, key: Key, freeze: Freeze, person: PersonRow, *, at: int) -> None:
    """Raises: NotEligible with the reason why they may not lift it, where that is so."""
    started_by = freeze.target.rpartition("@")[2] if freeze.target.startswith(f"{SOURCE}:") else ""
    if started_by:
        _check_not_theirs(tx, key, freeze.system, person, started_by, at)
    responsible = authority(tx, freeze.system).responsible
    if person.id in (responsible, freeze.by) or (started_by and _is_asked(tx, key, freeze.system, person)):
        return
    answers = person_by_id(tx, responsible)
    also = "whoever is asked here" if started_by else "whoever froze it"
    raise NotEligible(
        f"{person.handle} may not lift this freeze: {answers.handle if answers else responsible} answers for it",
        hint=f"the Responsible Individual lifts it, or {also}",
    )


def _check_not_theirs(tx: Tx, key: Key, system: str, person: PersonRow, started_by: str, at: int) -> None:
    if person.id == started_by:
        raise NotEligible(f"{person.handle} started the runs that asked too much", hint="somebody else lifts this")
    for one in in_force(tx, key, system=system, approval="", at=at):
        if (one.taker, one.giver.id) == (person.id, started_by):
            raise NotEligible(
                f"{person.handle} is the delegate of {one.giver.handle}, who started the runs that asked too much",
                hint="somebody else lifts this",
            )


def _is_asked(tx: Tx, key: Key, system: str, person: PersonRow) -> bool:
    """Whether a rule of deciding that is in force in this system names them, or a role of theirs."""
    rules = [one.in_force.rules for (of, _), one in standings(tx, key).items() if of == system and one.in_force]
    return any(is_named(person, each) for one in rules for whom in one.asks for each in whom.named)
