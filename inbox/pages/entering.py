"""Pages for coming in and going out: the one-time link, the token, signing out."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from answerable.approvals.who.credentials import end_credential
from answerable.errors import AccessRefused, AnswerableError, NotAuthenticated
from answerable.inbox.addresses import is_loopback
from answerable.inbox.desk import Desk
from answerable.inbox.entering import cookie_name, guessed, the_desk
from answerable.inbox.pages.forms import Sent, form_of, sent
from answerable.inbox.pages.rendering import page
from answerable.inbox.sessions import SESSION_SECONDS, link_holder, sign_in_by_link, sign_in_with_token

router = APIRouter(include_in_schema=False)


def local_path(given: str) -> str:
    """Where to go after signing in: a page of ours, whatever was given."""
    parts = urlsplit(given)
    safe = given.startswith("/") and not given.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return given if safe and given.isprintable() and given.isascii() and "\\" not in given else "/requests"


@router.get("/enter/{secret}")
async def before_entering(secret: str, request: Request) -> Response:
    """Whose link it is, and the button that uses it: looking at a link changes nothing."""
    desk = _here(request)
    who = await guessed(request, lambda tx, now: link_holder(tx, desk.office.key, secret, at=now), write=False)
    return page(request, "enter.html", who=None, handle=who, secret=secret)


@router.post("/enter")
async def enter(request: Request) -> Response:
    """Use a link up."""
    desk, said = _here(request), await form_of(request)
    session = await guessed(
        request, lambda tx, now: sign_in_by_link(tx, desk.office.key, said.get("secret", ""), at=now), write=True
    )
    return _opened(desk, session, "/requests")


@router.get("/sign-in")
async def before_signing_in(
    request: Request,
    next: str = "/requests",  # noqa: A002 - the name in the address
    fresh: bool = False,
    out: bool = False,
) -> Response:
    """The ways in; for who has just signed out, also that they have."""
    return await signing_in(request, next=local_path(next), fresh=fresh, out=out)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Open a session with a token."""
    desk, said = the_desk(request), await form_of(request)
    where = local_path(said.get("next", ""))
    token = said.get("token", "").strip()
    try:
        session = await guessed(
            request, lambda tx, now: sign_in_with_token(tx, desk.office.key, token, at=now), write=True
        )
    except NotAuthenticated as error:
        return await signing_in(request, next=where, trouble=error)
    return _opened(desk, session, where)


@router.post("/sign-out")
async def sign_out(request: Request, form: Annotated[Sent, Depends(sent)]) -> Response:
    """End the session, here and in the store."""
    desk = the_desk(request)
    await desk.office.store.write(lambda tx: end_credential(tx, form.who.credential, at=desk.now), durable=True)
    gone = RedirectResponse("/sign-in?out=true", status_code=303)
    gone.delete_cookie(cookie_name(desk), **cookie_of(desk))
    return gone


async def signing_in(
    request: Request,
    *,
    next: str,  # noqa: A002 - the name in the address
    trouble: AnswerableError | None = None,
    fresh: bool = False,
    out: bool = False,
) -> Response:
    """The page with every way in, and what went wrong with one; `out` for who has just signed out."""
    desk, elsewhere, named = the_desk(request), "", ""
    if desk.provider is not None:
        named = urlsplit(desk.provider.settings.issuer).netloc
        elsewhere = await desk.provider.logout_url(now=desk.now) if out else ""
    return page(
        request,
        "sign_in.html",
        who=None,
        next=next,
        trouble=trouble,
        fresh=fresh,
        out=out,
        provider=named,
        elsewhere=elsewhere,
    )


def _here(request: Request) -> Desk:
    """The desk, if both it and whoever asks are on this machine. Raises: AccessRefused."""
    desk = the_desk(request)
    own = urlsplit(desk.origins[0]).hostname or ""
    if not is_loopback(own) or request.client is None or not is_loopback(request.client.host):
        raise AccessRefused("links are for the machine that the server runs on", hint="sign in with a token")
    return desk


def _opened(desk: Desk, session: str, where: str) -> Response:
    answer = RedirectResponse(where, status_code=303)
    set_session(answer, desk, session)
    return answer


def set_session(answer: Response, desk: Desk, session: str) -> None:
    """Give the browser its session's secret."""
    answer.set_cookie(cookie_name(desk), session, max_age=int(SESSION_SECONDS), **cookie_of(desk))


def cookie_of(desk: Desk) -> dict[str, Any]:
    """How our cookies are kept."""
    return {"secure": desk.origins[0].startswith("https://"), "httponly": True, "samesite": "strict"}
