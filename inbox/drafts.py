"""Drafts: what somebody has typed and could not send yet, because they have to sign in (again) first.

1. A draft is a person's own: for one request, of one form. It is kept for a day, and goes when they have answered.
2. It is nothing that was said. It lies beside the ledger, and no record knows of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, Literal

from sqlalchemy import bindparam, delete, or_, select

from answerable.tracing.clock import micros
from answerable.tracing.people import get_person
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.inbox import drafts

KEPT_SECONDS: Final = 24 * 3600.0

_INSERT = inserting(drafts)
_OF = (drafts.c.person == bindparam("person"), drafts.c.request == bindparam("request"))
_GET = Statement(
    select(drafts.c.said).where(*_OF, drafts.c.form == bindparam("form"), drafts.c.at > bindparam("since"))
)
_FORGET = Statement(delete(drafts).where(*_OF))
_TIDY = Statement(
    delete(drafts).where(or_(drafts.c.at <= bindparam("since"), (drafts.c.form == bindparam("form")) & _OF[0] & _OF[1]))
)


def keep(
    tx: Tx, handle: str, request: str, form: Literal["answer", "edit"], said: Mapping[str, str], *, at: int
) -> None:
    """Keep what a person typed, in the place of what they typed there before. Raises: UnknownId."""
    person = get_person(tx, handle).id
    tx.run(_TIDY, person=person, request=request, form=form, since=at - micros(KEPT_SECONDS))
    tx.run(_INSERT, person=person, request=request, form=form, said=json.dumps(dict(said)), at=at)


def kept(tx: Tx, handle: str, request: str, form: Literal["answer", "edit"], *, at: int) -> dict[str, str]:
    """What a person had typed, by field; {} if nothing is kept. Raises: UnknownId."""
    row = tx.one(_GET, person=get_person(tx, handle).id, request=request, form=form, since=at - micros(KEPT_SECONDS))
    return json.loads(row[0]) if row else {}


def forget(tx: Tx, handle: str, request: str) -> None:
    """They have answered. Raises: UnknownId."""
    tx.run(_FORGET, person=get_person(tx, handle).id, request=request)
