"""Pages for signing in with a provider: going there, and coming back.

A provider that is away, or a login that is nobody here, is said on the page for signing in, where the other ways
in are.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from answerable.errors import AnswerableError, NotAuthenticated, ProviderUnavailable, UnknownId
from answerable.inbox.desk import Desk
from answerable.inbox.entering import cookie_name, guessed, the_desk
from answerable.inbox.oidc.pending import PENDING_SECONDS, begun, come_back
from answerable.inbox.oidc.vouching import Provider
from answerable.inbox.pages.entering import cookie_of, local_path, set_session, signing_in
from answerable.inbox.pages.rendering import page
from answerable.inbox.sessions import sign_in_by_login

BACK = "/sign-in/oidc/back"

router = APIRouter(include_in_schema=False)


@router.get("/sign-in/oidc")
async def go(request: Request, next: str = "/requests", fresh: bool = False) -> Response:  # noqa: A002 - as in the address
    """To the provider; `fresh` has it ask whoever comes, also if it knows them still."""
    desk, provider = _provided(request)
    where = local_path(next)
    pending = begun(redirect=f"{origin_of(desk, request)}{BACK}", next=where, fresh=fresh, at=desk.now)
    try:
        url = await provider.login_url(pending.asked, challenge=pending.challenge, now=desk.now)
    except ProviderUnavailable as error:
        return await signing_in(request, next=where, trouble=error)
    gone = RedirectResponse(url, status_code=303)
    gone.set_cookie(
        _name(desk),
        pending.cookie(desk.office.key),
        max_age=int(PENDING_SECONDS),
        **cookie_of(desk) | {"samesite": "lax"},
    )
    return gone


@router.get(BACK)
async def back(request: Request, state: str = "", code: str = "", iss: str = "", error: str = "") -> Response:
    """From the provider: whoever it vouches for has a session, made anew."""
    desk, provider = _provided(request)
    where = "/requests"
    try:
        pending = come_back(request.cookies.get(_name(desk), ""), state=state, key=desk.office.key, at=desk.now)
        where = pending.next
        if error or not code:
            raise NotAuthenticated(f"the provider let nobody in: {error[:80]!r}", hint="try again, or another way")
        vouched = await provider.logged_in(code, pending.asked, issuer=iss, now=desk.now)
        match = provider.settings.match_email
        session = await guessed(
            request,
            lambda tx, now: sign_in_by_login(tx, desk.office.key, vouched, match_email=match, at=now),
            write=True,
        )
    except (NotAuthenticated, ProviderUnavailable) as trouble:
        answer = await signing_in(request, next=where, trouble=trouble)
    else:
        answer = page(request, "entered.html", who=None, next=where)
        set_session(answer, desk, session)
    answer.delete_cookie(_name(desk), **cookie_of(desk) | {"samesite": "lax"})
    return answer


def origin_of(desk: Desk, request: Request) -> str:
    """Which of our own addresses was asked."""
    host = request.headers.get("host", "").lower()
    return next((each for each in desk.origins if urlsplit(each).netloc == host), desk.origins[0])


def _provided(request: Request) -> tuple[Desk, Provider]:
    desk = the_desk(request)
    if desk.provider is None:
        problem: AnswerableError = UnknownId("nobody signs in with a provider here", hint="sign in with a token")
        raise problem
    return desk, desk.provider


def _name(desk: Desk) -> str:
    return f"{cookie_name(desk)}-login"
