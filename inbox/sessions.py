"""Signing in to the pages: by a one-time link, with a token, or by a provider; and out again.

1. A link is made for the person who started the server, by whoever started it: as sure as `--as PERSON` on the command
   line, and no more. It dies in a minute, or when it is used; using it takes a POST from our own page on this machine.
2. A session has a secret of its own, made at signing in. Whatever cookie was there before is worth nothing.
3. A session that was opened with a token ends with it, and one by a provider with the binding of that login.
"""

from __future__ import annotations

from typing import Final

from answerable.approvals.sealing.keys import Key
from answerable.approvals.who.bindings import bound_or_matched
from answerable.approvals.who.credentials import Credential, end_credential, fresh_secret, make_credential, whose
from answerable.approvals.who.identity import ASSERTED, Assurance
from answerable.approvals.who.tokens import token_holder
from answerable.errors import NotAuthenticated
from answerable.inbox.oidc.vouching import Vouched
from answerable.tracing.clock import micros
from answerable.tracing.people import get_person
from answerable.tracing.storage.store import Tx

LINK_SECONDS: Final = 60.0
SESSION_SECONDS: Final = 12 * 3600.0


def make_link(tx: Tx, key: Key, handle: str, *, at: int) -> str:
    """The secret of a one-time link for a person. Raises: UnknownId."""
    secret = fresh_secret()
    make_credential(
        tx,
        key,
        "link",
        person=get_person(tx, handle).id,
        secret=secret,
        assurance=ASSERTED,
        expires_at=at + micros(LINK_SECONDS),
        at=at,
    )
    return secret


def link_holder(tx: Tx, key: Key, secret: str, *, at: int) -> str:
    """Whose link it is, by handle, as long as it can be used. Raises: NotAuthenticated."""
    return whose(tx, key, "link", secret, at=at)[1].handle


def sign_in_by_link(tx: Tx, key: Key, secret: str, *, at: int) -> str:
    """Use up a link; the secret of the session that it opens. Raises: NotAuthenticated."""
    link, person = whose(tx, key, "link", secret, at=at)
    if not end_credential(tx, link.id, at=at):
        raise NotAuthenticated("this link was used a moment ago", hint="`answerable serve` prints a new one")
    return _session(tx, key, person.id, link.assurance, at=at, since=at)


def sign_in_by_login(tx: Tx, key: Key, vouched: Vouched, *, match_email: bool, at: int) -> str:
    """The secret of a session for whoever a provider vouches for, as long as that login is theirs.

    Raises: NotAuthenticated.
    """
    email = vouched.email if match_email else ""
    binding, person = bound_or_matched(tx, key, issuer=vouched.issuer, subject=vouched.subject, email=email, at=at)
    return _session(tx, key, person.id, binding.assurance, parent=binding, at=at, since=vouched.since)


def sign_in_with_token(tx: Tx, key: Key, secret: str, *, at: int) -> str:
    """The secret of a session that lives no longer than the token that opens it. Raises: NotAuthenticated."""
    token, person = token_holder(tx, key, secret, at=at)
    return _session(tx, key, person.id, token.assurance, parent=token, until=token.expires_at, at=at, since=at)


def _session(
    tx: Tx,
    key: Key,
    person: str,
    assurance: Assurance,
    *,
    at: int,
    since: int,
    parent: Credential | None = None,
    until: int | None = None,
) -> str:
    """The secret of a new session, which ends with its `parent`, and not later than `until`."""
    secret, ends = fresh_secret(), at + micros(SESSION_SECONDS)
    make_credential(
        tx,
        key,
        "session",
        person=person,
        secret=secret,
        assurance=assurance,
        expires_at=ends if until is None else min(until, ends),
        at=at,
        parent=parent.id if parent else "",
        since=since,
    )
    return secret
