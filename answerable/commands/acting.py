"""Who acts: whoever `--as` names, or whose token is in `ANSWERABLE_TOKEN`.

1. A token says who acts, and `--as` is not needed; where both are given, they agree.
2. The token is taken out of this process's environment as the program starts (`cli`), so that no agent finds it there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from answerable.approvals.who.credentials import identity_of
from answerable.approvals.who.identity import By, Identity, identified
from answerable.approvals.who.tokens import token_holder
from answerable.commands.options import TOKEN
from answerable.commands.reaching import at_office
from answerable.errors import NotAuthenticated
from answerable.orchestrator.office import Office
from answerable.tracing.storage.private_files import PrivateFile, state_folder

F = TypeVar("F", bound=Callable[..., Any])


def as_option(command: F) -> F:
    """`--as PERSON`, as the argument `by`: a handle, or the identity of whoever showed a token."""

    @wraps(command)
    def acting(*args: Any, **kwargs: Any) -> Any:
        kwargs["by"] = who_acts(kwargs["store"], kwargs["by"])
        return command(*args, **kwargs)

    declare = click.option(
        "--as", "by", metavar="PERSON", default="", help="Who acts: a registered person. Also: ANSWERABLE_TOKEN."
    )
    return declare(acting)  # type: ignore[return-value]  # with the signature of the command


def sign_option(command: F) -> F:
    """`--sign`, below `as_option`: whoever acts signs what they answer with their own key."""

    @wraps(command)
    def signing(*args: Any, **kwargs: Any) -> Any:
        if kwargs.pop("sign"):
            kwargs["by"] = replace(identified(kwargs["by"]), own=own_key())
        return command(*args, **kwargs)

    declare = click.option("--sign", is_flag=True, help="Sign it with your own key.")
    return declare(signing)  # type: ignore[return-value]  # with the signature of the command


def key_file() -> PrivateFile:
    """Where this user's own key lies: what `ANSWERABLE_PERSON_KEY` names, else in their state folder."""
    named = os.environ.get("ANSWERABLE_PERSON_KEY")
    path = Path(named) if named else state_folder() / "person.key"
    return PrivateFile(
        path=path, what="your own key", hint="`answerable keys create` makes one; ANSWERABLE_PERSON_KEY names it"
    )


def own_key() -> Ed25519PrivateKey:
    """This user's own key. Raises: StoreError."""
    return Ed25519PrivateKey.from_private_bytes(key_file().read())


def who_acts(store: str, named: str) -> By:
    """Who acts on the store at this URL. Raises: click.UsageError if nobody says it; NotAuthenticated."""
    token = click.get_current_context().find_root().meta.get(TOKEN, "")
    if not token:
        if not named:
            raise click.UsageError("say who acts, with --as PERSON, or show a token in ANSWERABLE_TOKEN")
        return named

    async def shown(office: Office) -> Identity:
        now = office.store.clock.now()
        return identity_of(*await office.store.read(lambda tx: token_holder(tx, office.key, token, at=now)))

    who = at_office(store, shown)
    if named and named != who.handle:
        raise NotAuthenticated(f"the token is not one of {named}'s", hint="leave --as out, or show another token")
    return who
