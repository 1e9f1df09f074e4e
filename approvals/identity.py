"""Who acts, and how sure we are of it.

1. An identity comes from authentication and is passed on beside what is asked. No field of a body, a form or a message
   makes one.
2. On the command line a person says who they are: `asserted-local`, by handle alone. Every other identity names the
   credential that was shown, so that whoever acts on it can see, in the acting transaction, whether it still stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from answerable.agents.texts import check_handle

Assurance: TypeAlias = Literal["asserted-local", "token"]

ASSERTED: Final[Assurance] = "asserted-local"  # who acts is what the local user says
BEARER: Final[Assurance] = "token"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A person by handle, how sure we are of it, and the id of the credential that they showed ("" for none)."""

    handle: str
    assurance: Assurance
    credential: str = ""


By: TypeAlias = str | Identity


def identified(by: By) -> Identity:
    """Who acts: an identity as it is, a handle as the local user asserts it. Raises: InvalidInput."""
    if isinstance(by, Identity):
        return by
    return Identity(handle=check_handle(by), assurance=ASSERTED)
