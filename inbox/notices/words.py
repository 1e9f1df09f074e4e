"""What a notice says, and to whom: from a record, or from a request whose time is nearly over.

1. A notice names the system, the approval, the deadline and the tier that goes short, and has a link. It says nothing
   of a message, its options or its calls; nothing can be decided by following the link (a preview follows it, too).
2. Names come from the declaration. Control and bidirectional characters appear as what they are.
3. Nothing is told of a request that is not open any more when it is told, except what was done without asking. Nor
   of rules of deciding that were accepted meanwhile, declined or put aside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from answerable.agents.people import Role
from answerable.agents.texts import plain
from answerable.approvals.accepting.declared import changes
from answerable.approvals.accepting.standing import as_told, asks_meanwhile
from answerable.approvals.asking.listing import short_tier
from answerable.approvals.asking.requests import RequestRow, get_request
from answerable.errors import AnswerableError
from answerable.inbox.notices.targets import Target
from answerable.tracing.freezes import SOURCE
from answerable.tracing.storage.store import Tx

Body = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What is told: its kind, what it is about (an id), and two texts; `request` where it is about one."""

    kind: str
    about: str
    system: str
    title: str
    text: str
    request: RequestRow | None = None
    to: str = ""  # who may decide it as well now, in words

    def is_for(self, target: Target) -> bool:
        """Whether a target is told. A tier that the system does not have keeps nothing from anybody."""
        if self.kind not in target.kinds or (target.systems and self.system not in target.systems):
            return False
        if self.request is None:
            return True
        asked = self.request.asked
        named = {one.name for one in asked.named if isinstance(one, Role)}
        if target.roles and not any(role in named or f"role {role}" in self.to for role in target.roles):
            return False
        tiers = self.request.view["tiers"]
        return target.least_tier not in tiers or self.request.urgency <= tiers.index(target.least_tier)


def about_request(request: RequestRow, kind: str, origin: str) -> Notice:
    """A notice of a request that waits: it is new, was escalated, or its time is nearly over."""
    title = f"{request.approval} of {request.system} {_WAITS[kind]}"
    tier = short_tier(request.view)
    lines = [f"{tier} goes short as proposed."] if tier else []
    lines += [f"Decide by {when(request.expires_at)}. After that it counts as a no."]
    return _notice(kind, request.id, request.system, title, lines, f"{origin}/requests/{request.id}", request)


def of_record(tx: Tx, kind: str, body: bytes, origin: str) -> list[Notice]:
    """The notices of a record."""
    tell = _OF_RECORDS.get(kind)
    try:
        return list(tell(tx, json.loads(body), origin)) if tell else []
    except (AnswerableError, KeyError, ValueError):  # damaged, or not there any more: `ledger verify` says so
        return []


def when(at: int) -> str:
    """A time, for people who are anywhere."""
    return datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y-%m-%d %H:%M UTC")


_WAITS: Final = {
    "new": "asks",
    "escalated": "was escalated",
    "expiring": "is about to expire",
}


def _new(tx: Tx, body: Body, origin: str) -> Iterator[Notice]:
    request = get_request(tx, body["request"])
    if request.state == "open":
        yield about_request(request, "new", origin)


def _escalated(tx: Tx, body: Body, origin: str) -> Iterator[Notice]:
    request = get_request(tx, body["request"])
    if request.state == "open":
        yield replace(about_request(request, "escalated", origin), to=plain(body["to"]))


def _decided(tx: Tx, body: Body, origin: str) -> Iterator[Notice]:
    """By a rule, by somebody who broke the glass; and that somebody is to look at it afterwards."""
    ruled, broken, review = body["outcome"] == "ruled", body.get("broke_glass", False), body.get("review", "")
    if not (ruled or broken or review):
        return
    request = get_request(tx, body["request"])
    what, link = f"{request.approval} of {request.system}", f"{origin}/requests/{request.id}"
    chosen = body["option"] or "no option"
    if ruled:
        lines = [f"{body['by']} chose {chosen}."]
        yield _notice("ruled", request.id, request.system, f"{what} was decided by a rule", lines, link, request)
    if broken:
        lines = [f"One person chose {chosen} in the place of those who were asked."]
        lines += [f"It is to be reviewed by {when(body['review_due'])}."]
        yield _notice("break-glass", request.id, request.system, f"{what}: the glass was broken", lines, link, request)
    if review:
        lines = [f"Somebody is to look at what was decided, by {when(body['review_due'])}."]
        title, where = f"{what} is to be reviewed", f"{origin}/reviews"
        yield _notice("review", request.id, request.system, title, lines, where, request)


def _froze(tx: Tx, body: Body, origin: str) -> Iterator[Notice]:  # noqa: ARG001 - as every other
    if not body["target"].startswith(f"{SOURCE}:"):
        return
    source = body["target"].partition(":")[2].rpartition("@")[0]
    title = f"{source} of {body['system']} asked too much and was frozen"
    lines = [f"{body['reason']}.", "What it asks further waits until somebody lifts the freeze."]
    yield _notice("frozen", body["freeze"], body["system"], title, lines, f"{origin}/freezes")


def _proposed(tx: Tx, body: Body, origin: str) -> Iterator[Notice]:
    """Rules of deciding wait for the Responsible Individual: which of them would change, and no name of a person."""
    standing = as_told(tx).get((body["system"], body["approval"]))
    waits = standing.proposed.get(body["digest"]) if standing and standing.number == body["number"] else None
    if standing is None or waits is None or waits.declined:
        return
    older = standing.in_force.rules if standing.in_force else None
    what, names = f"{standing.approval} of {standing.system}", [name for name, _, _ in changes(older, waits.rules)]
    title = f"{what} is new" if older is None else f"{what} is declared with other rules of deciding"
    lines = [] if older is None else [f"They change {', '.join(names)}."]
    lines += [f"Until the Responsible Individual accepts them, it asks {asks_meanwhile(older, waits.rules)}."]
    yield _notice("proposed", body["digest"], standing.system, title, lines, f"{origin}/approvals")


def _notice(
    kind: str, about: str, system: str, title: str, lines: list[str], link: str, request: RequestRow | None = None
) -> Notice:
    text = "\n".join([*(plain(line) for line in lines), link])
    return Notice(kind=kind, about=about, system=system, title=plain(title), text=text, request=request)


_OF_RECORDS: Final[Mapping[str, Callable[[Tx, Body, str], Iterator[Notice]]]] = {
    "request.made": _new,
    "escalated": _escalated,
    "decided": _decided,
    "froze": _froze,
    "approval.declared": _proposed,
}
RECORDS: Final = tuple(_OF_RECORDS)
"""The kinds of record that may have a notice."""
