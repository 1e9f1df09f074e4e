"""A request as it is bound: everything that a yes means, read back and checked against its digest.

1. A call is shown from the bytes that would be sent, and only if they are the ones that the digest binds.
2. Whether the person who looks may decide, and give which answer, and if not, why, is said before they try.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select

from answerable.approvals.asking.listing import short_tier
from answerable.approvals.asking.requests import RequestRow, call_digest, get_request
from answerable.approvals.deciding.ballots import ballot_of
from answerable.approvals.deciding.decisions import Decision, decision_on
from answerable.approvals.gate import EffectRow, find_effect
from answerable.approvals.grouping import count_alike, members
from answerable.approvals.sealing.keys import Key
from answerable.approvals.voting.delegations import in_force
from answerable.approvals.who.identity import Identity
from answerable.errors import AlreadyDecided, NotEligible, StoreCorrupt
from answerable.inbox.desk import Desk
from answerable.inbox.revoking import Aftermath, aftermath
from answerable.orchestrator.balloting import ballot_document
from answerable.orchestrator.documents import handles
from answerable.tracing.freezes import frozen_for_show
from answerable.tracing.ledger.records.kept import ERASED, ERASED_TYPE
from answerable.tracing.people import authority, find_person
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import requests

_EDITED_INTO = Statement(
    select(requests.c.id).where(requests.c.run == bindparam("run"), requests.c.edited_from == bindparam("request"))
)


@dataclass(frozen=True, kw_only=True)
class OptionShown:
    """One option: the message that it lets through, what that means for each tier, and the calls that it releases."""

    name: str
    message: Mapping[str, Any]
    tiers: Mapping[str, tuple[int, int]]
    inversions: int | None
    calls: tuple[EffectRow, ...]
    value: int | None
    asks: str
    trouble: str


@dataclass(frozen=True, kw_only=True)
class RequestShown:
    """A request, checked. `tiers` are the system's, most critical first; `not_you`: why the reader may not decide.

    `not_these`: why they may not give an answer, by the name of its option ("" is the no), where that is so.
    `alike` are the open ones that ask the same, this one among them, as far as one answer may be given to all of them,
    and `count_alike` how many there are.
    """

    row: RequestRow
    options: tuple[OptionShown, ...]
    tiers: tuple[str, ...]
    short_tier: str
    trouble: str
    responsible: str
    started_by: str
    edited_by: str
    edited_into: str
    agents: tuple[str, ...]
    decision: Decision | None
    decided_by: str
    decided_for: str
    voters: tuple[str, ...]
    frozen: bool
    ballot: Mapping[str, Any]
    acts_for: tuple[str, ...]
    not_you: str
    not_these: Mapping[str, str]
    after: Aftermath
    alike: tuple[tuple[str, str], ...]
    count_alike: int

    @property
    def several(self) -> bool:
        """Whether it takes more than one person."""
        asked = self.row.asked
        whoms = [asked.by, *asked.options.values()]
        most = max(sum(places.people for places in way) for whom in whoms for way in whom.ways)
        return most > 1 or asked.denials > 1

    @property
    def asks(self) -> str:
        """Whom it asks, in words."""
        return self.row.asks


async def shown_to(desk: Desk, id: str, who: Identity) -> RequestShown:
    """A request as whoever looks at it now is shown it. Raises: UnknownId, StoreCorrupt."""
    key = desk.office.key
    return await desk.office.store.read(lambda tx: show_request(tx, key, id, reader=who.handle, at=desk.now))


def show_request(tx: Tx, key: Key, id: str, *, reader: str, at: int) -> RequestShown:
    """The request, for a reader (a handle), at a time.

    Raises: UnknownId; StoreCorrupt if anything of it is not what was bound.
    """
    row, names = get_request(tx, id), handles(tx)
    row.check_genuine(key)
    view = row.view
    options = tuple(
        OptionShown(
            name=bound["name"],
            message=shown["message"],
            tiers={tier: (pair[0], pair[1]) for tier, pair in (shown["tiers"] or {}).items()},
            inversions=shown["inversions"],
            calls=tuple(_call(tx, row, call) for call in bound["calls"]),
            value=bound.get("value"),
            asks=str(row.asked.whom(bound["name"])),
            trouble=shown.get("trouble_with_value", ""),
        )
        for bound, shown in zip(row.body["options"], view["options"], strict=True)
    )
    in_force, decision = authority(tx, row.system).responsible, decision_on(tx, id)
    not_you, not_these = _may_not(tx, key, row, reader, at)
    edited = tx.one(_EDITED_INTO, run=row.run, request=id)
    frozen = row.state == "open" and row.is_held(frozen_for_show(tx, row.system))
    return RequestShown(
        row=row,
        options=options,
        tiers=tuple(view["tiers"]),
        short_tier=short_tier(view),
        trouble=ERASED if view.get("erased") else view["trouble_with_options"],
        responsible=names.get(in_force, in_force),
        started_by=names.get(row.asked.started_by, row.asked.started_by),
        edited_by=names.get(row.edited_by, row.edited_by),
        edited_into=edited[0] if edited else "",
        agents=tuple(row.body["asked"]["agents"]),
        decision=decision,
        decided_by=names.get(decision.by, decision.by) if decision else "",
        decided_for=names.get(decision.for_person, "") if decision else "",
        voters=tuple(names.get(one, one) for one in json.loads(decision.voters)) if decision else (),
        frozen=frozen,
        ballot=ballot_document(tx, key, row, names, at=at),
        acts_for=_acts_for(tx, key, row, reader, at),
        not_you=not_you,
        not_these=not_these,
        after=aftermath(tx, row, decision, names, reader=reader, responsible=in_force, key=key, at=at),
        alike=tuple(members(tx, row.alike)) if row.state == "open" else (),
        count_alike=count_alike(tx, row.alike) if row.state == "open" else 1,
    )


def _call(tx: Tx, row: RequestRow, bound: Mapping[str, str]) -> EffectRow:
    effect = find_effect(tx, bound["effect"])
    if effect is not None and effect.content_type == ERASED_TYPE and effect.call_digest == bound["digest"]:
        return effect  # nothing is left of its bytes, and its request is over
    if effect is None or call_digest(effect) != bound["digest"] or effect.run != row.run:
        raise StoreCorrupt(
            f"call {bound['effect']} is not the one that request {row.id} asks about",
            hint="do not decide it; `answerable ledger verify` tells what was changed",
        )
    return effect


def _acts_for(tx: Tx, key: Key, row: RequestRow, reader: str, at: int) -> tuple[str, ...]:
    """Whose delegate the reader is here, by handle."""
    person = find_person(tx, reader)
    found = in_force(tx, key, system=row.system, approval=row.approval, at=at) if person else []
    return tuple(dict.fromkeys(one.giver.handle for one in found if person and one.taker == person.id))


def _may_not(tx: Tx, key: Key, row: RequestRow, reader: str, at: int) -> tuple[str, dict[str, str]]:
    """Why the reader may give no answer, and why not some of them (as themself, or for whoever delegated to them)."""
    person = find_person(tx, reader)
    if person is None:
        return f"nobody is registered as {reader}", {}
    ballot, ways = ballot_of(tx, key, row, at=at), ("", *_acts_for(tx, key, row, reader, at))

    def why_not(option: str, *, counted: bool = True) -> str:
        reasons = []
        for whom in ways:
            try:
                standing = ballot.standing_of(person, option=option, for_person=whom)
                if counted:
                    ballot.with_answer(standing, option)
            except (NotEligible, AlreadyDecided) as error:
                reasons.append(error.message)
        return reasons[0] if len(reasons) == len(ways) else ""

    found = {option: why_not(option) for option in ("", *row.options)}
    return why_not("", counted=False), {option: why for option, why in found.items() if why}
