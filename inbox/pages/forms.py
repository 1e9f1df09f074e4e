"""What a page's form says, and whether it is a form of ours in this person's own session."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from fastapi import Request

from answerable.approvals.who.identity import Identity
from answerable.errors import AccessRefused, AnswerableError, InvalidInput, NotAuthenticated
from answerable.inbox.entering import limits_of, session_holder, the_desk
from answerable.inbox.limits import DECIDING
from answerable.inbox.pages.rendering import csrf_of

MOST_FIELDS: Final = 5000
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A form that was sent in a session: who sent it, and what it says."""

    who: Identity
    said: Mapping[str, str]

    def get(self, name: str) -> str:
        """What one field says, "" if it is not there; newlines as the store keeps them."""
        return self.said.get(name, "").replace("\r\n", "\n")


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form. Raises: InvalidInput."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise InvalidInput("this is no form of a page", hint="programs use the API: /api/v1")
    body = await request.body()
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise InvalidInput("this form cannot be read") from error
    said = dict(pairs)
    if len(said) != len(pairs):
        raise InvalidInput("this form says one thing twice")
    return said


async def sent(request: Request) -> Sent:
    """A form in the session that it was made for. Raises: NotAuthenticated, AccessRefused, TooManyRequests."""
    who = await session_holder(request)
    said = await form_of(request)
    if not hmac.compare_digest(said.pop("csrf", "").encode(), csrf_of(request, who).encode()):
        raise AccessRefused("this form was not made for this session", hint="go back, reload the page and try again")
    limits_of(request).take(who.handle, DECIDING, now=the_desk(request).now)
    return Sent(who=who, said=said)


async def trouble_of(act: Awaitable[object]) -> AnswerableError | None:
    """What stood in the way of an act, to be said on the page that it was sent from; None if it was done.

    Raises: NotAuthenticated, for whoever has to sign in first.
    """
    try:
        await act
    except NotAuthenticated:
        raise
    except AnswerableError as error:
        return error
    return None
