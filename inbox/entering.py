"""Who asks: the person whose credential comes with a request.

1. Programs show a bearer token, in `Authorization`: one of ours, or of the provider's. Browsers show the cookie of a
   session, which is good for looking at the API and for our own pages; what changes something through the API needs a
   token.
2. Whoever fails too often from one address is not listened to for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from fastapi import Request

from answerable.approvals.who.bindings import bound
from answerable.approvals.who.credentials import identity_of, whose
from answerable.approvals.who.identity import Identity
from answerable.approvals.who.tokens import token_holder
from answerable.errors import AccessRefused, NotAuthenticated
from answerable.inbox.desk import Desk
from answerable.inbox.limits import DECIDING, GUESSING, READING, Limits
from answerable.inbox.oidc.vouching import Provider
from answerable.tracing.storage.store import Tx

T = TypeVar("T")


async def desk_of(request: Request) -> Desk:
    """The desk of the application that was asked, for a route: a plain function would be run in a thread."""
    return the_desk(request)


def the_desk(request: Request) -> Desk:
    """The desk of the application that was asked."""
    desk: Desk = request.app.state.desk
    return desk


def limits_of(request: Request) -> Limits:
    """The limits of the application that was asked."""
    limits: Limits = request.app.state.limits
    return limits


def cookie_name(desk: Desk) -> str:
    """The session's cookie: its name says the port, since a browser sends a host's cookies to all of its ports."""
    address = desk.origins[0]
    port = address.rpartition(":")[2]
    name = f"answerable-{port if port.isdigit() else '443'}"
    return f"__Host-{name}" if address.startswith("https://") else name


async def reader(request: Request) -> Identity:
    """The person who looks: by token or session. Raises: NotAuthenticated, AccessRefused, TooManyRequests."""
    desk = the_desk(request)
    who = await (_by_token(request) if "authorization" in request.headers else _by_session(request))
    limits_of(request).take(who.handle, READING, now=desk.now)
    return who


async def actor(request: Request) -> Identity:
    """The person who acts through the API: by token. Raises: NotAuthenticated, TooManyRequests."""
    who = await _by_token(request)
    limits_of(request).take(who.handle, DECIDING, now=the_desk(request).now)
    return who


def charge(request: Request, who: Identity, answers: int) -> None:
    """Have somebody be answered later for having given many answers at once."""
    limits_of(request).charge(who.handle, DECIDING, answers, now=the_desk(request).now)


async def page_reader(request: Request) -> Identity:
    """The person who looks at a page. Raises: NotAuthenticated, TooManyRequests."""
    who = await _by_session(request)
    limits_of(request).take(who.handle, READING, now=the_desk(request).now)
    return who


async def session_holder(request: Request) -> Identity:
    """The person whose session a page was asked with. Raises: NotAuthenticated."""
    return await _by_session(request)


async def _by_token(request: Request) -> Identity:
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not secret:
        raise NotAuthenticated("no token was shown", hint="send Authorization: Bearer answerable_tok_…")
    provider = the_desk(request).provider
    if provider is not None and secret.count(".") == 2:
        return await _by_provider(request, provider, secret.strip())
    return await _known(request, "token", secret.strip())


async def _by_provider(request: Request, provider: Provider, token: str) -> Identity:
    desk, limits, address = the_desk(request), limits_of(request), address_of(request)
    try:
        vouched = await provider.bearer(token, now=desk.now)
    except NotAuthenticated:
        limits.take(address, GUESSING, now=desk.now)
        raise

    def look(tx: Tx, now: int) -> Identity:
        who = identity_of(*bound(tx, desk.office.key, issuer=vouched.issuer, subject=vouched.subject, at=now))
        return replace(who, since=vouched.since)

    return await guessed(request, look)


async def _by_session(request: Request) -> Identity:
    name = cookie_name(the_desk(request))
    secret = request.cookies.get(name, "")
    if not secret:
        raise NotAuthenticated("nobody is signed in", hint="sign in first")
    pairs = ";".join(request.headers.getlist("cookie")).split(";")
    if sum(pair.partition("=")[0].strip() == name for pair in pairs) > 1:  # one of them was planted
        raise AccessRefused("two sessions were shown at once", hint="clear the cookies of this address, and sign in")
    return await _known(request, "session", secret)


async def _known(request: Request, kind: str, secret: str) -> Identity:
    key = the_desk(request).office.key

    def look(tx: Tx, now: int) -> Identity:
        if kind == "token":
            return identity_of(*token_holder(tx, key, secret, at=now))
        return identity_of(*whose(tx, key, "session", secret, at=now))

    return await guessed(request, look)


async def guessed(request: Request, work: Callable[[Tx, int], T], *, write: bool = False) -> T:
    """What `work` makes of a secret that was shown. Raises: NotAuthenticated; TooManyRequests after many of those.

    A good one is taken however many bad ones came from its address: behind a proxy, everybody has the same.
    """
    desk, limits = the_desk(request), limits_of(request)
    address, now, store = address_of(request), desk.now, desk.office.store
    try:
        if write:
            return await store.write(lambda tx: work(tx, now), durable=True)
        return await store.read(lambda tx: work(tx, now))
    except NotAuthenticated:
        limits.take(address, GUESSING, now=now)
        raise


def address_of(request: Request) -> str:
    """From where it was asked, as the limits name it."""
    return f"address {request.client.host if request.client else ''}"
