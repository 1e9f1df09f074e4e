"""Pages for coming in and going out: the one-time link, the token, signing out."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from answerable.approvals.credentials import end_credential
from answerable.errors import AccessRefused, NotAuthenticated
from answerable.inbox.desk import Desk
from answerable.inbox.entering import cookie_name, guessed, the_desk
from answerable.inbox.pages.forms import Sent, form_of, sent
from answerable.inbox.pages.rendering import page
from answerable.inbox.sessions import SESSION_SECONDS, link_holder, sign_in_by_link, sign_in_with_token

router = APIRouter(include_in_schema=False)


def is_loopback(host: str) -> bool:
    """Whether a host, by name or address, is this machine and nothing else."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


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
async def before_signing_in(request: Request, next: str = "/requests") -> Response:  # noqa: A002 - the name in the address
    """The form for a token."""
    return page(request, "sign_in.html", who=None, next=local_path(next), trouble="")


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
        return page(request, "sign_in.html", who=None, code=401, next=where, trouble=error.message)
    return _opened(desk, session, where)


@router.post("/sign-out")
async def sign_out(request: Request, form: Annotated[Sent, Depends(sent)]) -> Response:
    """End the session, here and in the store."""
    desk = the_desk(request)
    await desk.office.store.write(lambda tx: end_credential(tx, form.who.credential, at=desk.now), durable=True)
    gone = RedirectResponse("/sign-in", status_code=303)
    gone.delete_cookie(cookie_name(desk), **_cookie(desk))
    return gone


def _here(request: Request) -> Desk:
    """The desk, if both it and whoever asks are on this machine. Raises: AccessRefused."""
    desk = the_desk(request)
    own = urlsplit(desk.origins[0]).hostname or ""
    if not is_loopback(own) or request.client is None or not is_loopback(request.client.host):
        raise AccessRefused("links are for the machine that the server runs on", hint="sign in with a token")
    return desk


def _opened(desk: Desk, session: str, where: str) -> Response:
    answer = RedirectResponse(where, status_code=303)
    answer.set_cookie(cookie_name(desk), session, max_age=int(SESSION_SECONDS), **_cookie(desk))
    return answer


def _cookie(desk: Desk) -> dict[str, Any]:
    return {"secure": desk.origins[0].startswith("https://"), "httponly": True, "samesite": "strict"}
