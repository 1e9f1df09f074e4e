"""A login that is under way: what we will know it by, kept in the browser that began it.

1. Nothing is stored for it here. A cookie holds its words, with a MAC, and is of no use after ten minutes.
2. It comes along when the provider sends the browser back, which is another site: so it is `SameSite=Lax`. The
   session's own cookie is not, and is set by a page that goes on by itself from our own address.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Final

from answerable.approvals.sealing.keys import Key
from answerable.errors import NotAuthenticated
from answerable.inbox.oidc.vouching import Asked
from answerable.tracing.clock import micros

PENDING_SECONDS: Final = 600.0


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A login that was begun: what was asked, and the page of ours to go on with."""

    asked: Asked
    next: str

    @property
    def challenge(self) -> str:
        """What goes ahead of the verifier. Source: RFC 7636, 4.2."""
        return base64.urlsafe_b64encode(sha256(self.asked.verifier.encode()).digest()).decode().rstrip("=")

    def cookie(self, key: Key) -> str:
        """It, as the browser keeps it."""
        said = base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode()
        return f"{said}.{key.mac('login', said)}"


def begun(*, redirect: str, next: str, fresh: bool, at: int) -> Pending:  # noqa: A002 - the name in the address
    """A new one, with words that nobody can guess."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    asked = Asked(redirect=redirect, state=state, nonce=nonce, verifier=verifier, fresh=fresh, at=at)
    return Pending(asked=asked, next=next)


def come_back(cookie: str, *, state: str, key: Key, at: int) -> Pending:
    """The one that this browser began, if it is the one that comes back. Raises: NotAuthenticated."""
    said, _, mac = cookie.partition(".")
    if not key.holds(mac, "login", said):
        raise NotAuthenticated(
            "this browser did not begin this login", hint="begin it here: at the page for signing in"
        )
    found = json.loads(base64.urlsafe_b64decode(said))
    pending = Pending(asked=Asked(**found["asked"]), next=found["next"])
    if not secrets.compare_digest(state.encode(), pending.asked.state.encode()):
        raise NotAuthenticated("this is another login than the one that was begun last", hint="begin it again")
    if not 0 <= at - pending.asked.at < micros(PENDING_SECONDS):
        raise NotAuthenticated("this login took too long", hint="begin it again")
    return pending
