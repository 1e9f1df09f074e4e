"""Who acts, and how sure we are of it.

1. An identity comes from authentication and is passed on beside what is asked. No field of a body, a form or a message
   makes one.
2. On the command line a person says who they are: `asserted-local`, by handle alone. Every other identity names the
   credential that was shown, so that whoever acts on it can see, in the acting transaction, whether it still stands.
3. From the least sure to the surest: `asserted-local`, `token`, `oidc` (a provider vouches for the login), `signed`
   (with the person's own key). A request may ask for the least that will do, and for how old a login may be.
4. A signature makes nobody surer than whoever registered its key was: one of a key that was registered on somebody's
   word is written down, and counts for nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from answerable.agents.texts import check_handle
from answerable.errors import NotSureEnough

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Assurance: TypeAlias = Literal["asserted-local", "token", "oidc", "signed"]

ASSERTED: Final[Assurance] = "asserted-local"  # who acts is what the local user says
BEARER: Final[Assurance] = "token"
VOUCHED: Final[Assurance] = "oidc"
SIGNED: Final[Assurance] = "signed"
ASSURANCES: Final[tuple[Assurance, ...]] = (ASSERTED, BEARER, VOUCHED, SIGNED)  # the surest last


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A person by handle, how sure we are of it, and the id of the credential that they showed ("" for none).

    `since` is when they proved who they are (microseconds), 0 where nobody knows. `own` is the private half of their
    key, where they act on their own machine, and sign what they answer. `otherwise` is, of somebody who signed, how
    sure we are of them but for the signature: of whoever registered the key, or by what they showed now.
    """

    handle: str
    assurance: Assurance
    credential: str = ""
    since: int = 0
    otherwise: Assurance = "asserted-local"
    own: Ed25519PrivateKey | None = field(default=None, repr=False, compare=False)


By: TypeAlias = str | Identity


def identified(by: By) -> Identity:
    """Who acts: an identity as it is, a handle as the local user asserts it. Raises: InvalidInput."""
    if isinstance(by, Identity):
        return by
    return Identity(handle=check_handle(by), assurance=ASSERTED)


def check_sure(who: Identity, *, requires: str, fresh_seconds: int, at: int) -> None:
    """Whether we are as sure of who acts as is asked for: `requires` "" is nothing, `fresh_seconds` 0 is any login.

    Raises: NotSureEnough.
    """
    sure = who.otherwise if who.assurance == SIGNED and requires != SIGNED else who.assurance
    if requires and rank(sure) < _required(requires):
        raise NotSureEnough(
            f"this takes an assurance of at least {requires!r}, and that of {who.handle} is {sure!r}",
            hint=_HINTS.get(requires, ""),
        )
    if fresh_seconds and not who.since <= at < who.since + fresh_seconds * 1_000_000:
        raise NotSureEnough(
            f"this asks for a login that is not older than {fresh_seconds} seconds, and that of {who.handle} is",
            hint="sign in again, and answer then; or sign the answer with your own key",
        )


_HINTS: Final[dict[str, str]] = {
    BEARER: "show a token: `answerable token create PERSON` makes one",
    VOUCHED: "sign in with your organization's login, on the page",
    SIGNED: "sign the answer on the command line (--sign) with your own key, registered with a token of yours:"
    " ANSWERABLE_TOKEN=… answerable keys register",
}


def rank(assurance: str) -> int:
    """The place of an assurance among them; of one that this program does not know, the least."""
    return ASSURANCES.index(assurance) if assurance in ASSURANCES else 0


def _required(assurance: str) -> int:
    """The place of what is required; nothing reaches one that this program does not know."""
    return rank(assurance) if assurance in ASSURANCES else len(ASSURANCES)
