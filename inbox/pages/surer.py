"""Being surer of who answers: the way to a login that is asked for, and back to what was typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from answerable.approvals.voting.eligibility import Asked
from answerable.approvals.who.identity import SIGNED, Identity, check_sure
from answerable.errors import NotSureEnough
from answerable.inbox import drafts
from answerable.inbox.desk import Desk


@dataclass(frozen=True, kw_only=True)
class Surer:
    """That a session is not enough: why, and where to sign in so that it is; "" where no login does."""

    why: str
    where: str


def surer(desk: Desk, who: Identity, asked: Asked, back: str) -> Surer | None:
    """What is missing for this person to answer a request, from the page `back`; None if nothing is."""
    try:
        check_sure(who, requires=asked.requires, fresh_seconds=asked.fresh_seconds, at=desk.now)
    except NotSureEnough as error:
        if asked.requires == SIGNED:
            return Surer(why=error.message, where="")
        there = "/sign-in/oidc" if desk.provider is not None else "/sign-in"
        return Surer(why=error.message, where=f"{there}?{urlencode({'fresh': 'true', 'next': back})}")
    return None


async def keep_draft(
    desk: Desk, who: Identity, request: str, form: Literal["answer", "edit"], said: Mapping[str, str]
) -> None:
    """Keep what was typed."""
    await desk.office.store.write(lambda tx: drafts.keep(tx, who.handle, request, form, said, at=desk.now))


async def kept_draft(desk: Desk, who: Identity, request: str, form: Literal["answer", "edit"]) -> dict[str, str]:
    """What had been typed, {} if nothing is kept."""
    return await desk.office.store.read(lambda tx: drafts.kept(tx, who.handle, request, form, at=desk.now))


async def forget_drafts(desk: Desk, who: Identity, request: str) -> None:
    """They have answered."""
    await desk.office.store.write(lambda tx: drafts.forget(tx, who.handle, request))
