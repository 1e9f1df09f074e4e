"""`answerable token`: what a person's programs show to the HTTP API."""

from __future__ import annotations

import re
from typing import Any, Final

import click

from answerable.approvals.who.credentials import Credential
from answerable.commands.options import json_option, store_option
from answerable.commands.reaching import at_office, whole_id
from answerable.commands.saying import say, say_json, short, table, when
from answerable.orchestrator.documents import handles
from answerable.orchestrator.office import Office
from answerable.tracing.clock import iso, to_the_second

_UNITS: Final = {"m": 60, "h": 3600, "d": 24 * 3600}
_DURATION: Final = re.compile(rf"([1-9][0-9]{{0,5}})([{''.join(_UNITS)}])")
_LONGEST_DAYS: Final = 366


class Duration(click.ParamType[int]):
    """A duration such as 90m, 12h or 30d; in seconds."""

    name = "duration"

    def __init__(self, longest_days: int = _LONGEST_DAYS) -> None:
        self._longest_days = longest_days

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The seconds. Raises: click.BadParameter."""
        if isinstance(value, int):
            return value
        found = _DURATION.fullmatch(str(value))
        seconds = int(found[1]) * _UNITS[found[2]] if found else 0
        if seconds <= 0:
            self.fail(f"{value!r} is no duration: write 90m, 12h or 30d", param, ctx)
        if seconds > self._longest_days * _UNITS["d"]:
            self.fail(f"{value} is too long: at most {self._longest_days}d", param, ctx)
        return seconds


@click.group()
def token() -> None:
    """Bearer tokens of persons, for the HTTP API."""


@token.command()
@click.argument("person")
@click.option("--expires", type=Duration(), default="30d", show_default=True, help="When it ends: 90m, 12h, 30d.")
@click.option("--note", default="", metavar="TEXT", help="What it is for, for whoever lists them.")
@store_option
@json_option
def create(person: str, expires: int, note: str, store: str, as_json: bool) -> None:
    """Make a token for PERSON, and show it once."""

    async def work(office: Office) -> tuple[Credential, str]:
        return await office.people.make_token(person, seconds=expires, note=note)

    made, secret = at_office(store, work)
    if as_json:
        say_json({"token": secret, "id": made.id, "person": person, "expires_at": iso(made.expires_at)})
    else:
        say(f"{made.id} of {person}, until {when(made.expires_at)}; it is not shown again:", secret)


@token.command("list")
@store_option
@json_option
def list_(store: str, as_json: bool) -> None:
    """Every token that was made, and whether it lets anybody in."""

    async def work(office: Office) -> list[dict[str, Any]]:
        names, now = await office.store.read(handles), office.store.clock.now()
        return [_document(one, names, now) for one in await office.people.tokens()]

    found = at_office(store, work)
    if as_json:
        say_json(found)
    elif not found:
        say("nobody has a token")
    else:
        rows = [
            [short(one["id"]), one["person"], one["state"], to_the_second(one["expires_at"]), one["note"]]
            for one in found
        ]
        say(table("token", "person", "state", "expires (UTC)", "note", rows=rows))


@token.command()
@click.argument("id", metavar="TOKEN")
@store_option
def revoke(id: str, store: str) -> None:
    """End TOKEN (its id, not its secret) at once, in every process, with the sessions that were opened with it."""

    async def work(office: Office) -> Credential:
        return await office.people.revoke_token(await office.store.read(lambda tx: whole_id(tx, "token", id)))

    say(f"{at_office(store, work).id} is revoked")


def _document(one: Credential, names: dict[str, str], now: int) -> dict[str, Any]:
    state = one.state(at=now)
    return {
        "id": one.id,
        "person": names.get(one.person, one.person),
        "state": "revoked" if state == "ended" else state,
        "note": one.note,
        "made_at": iso(one.made_at),
        "expires_at": iso(one.expires_at),
    }
