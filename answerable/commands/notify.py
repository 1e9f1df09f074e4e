"""`answerable notify`: whether people elsewhere are told, and trying it out."""

from __future__ import annotations

from pathlib import Path

import click

from answerable.commands.exits import REFUSED
from answerable.commands.options import json_option, store_option
from answerable.commands.reaching import read
from answerable.commands.saying import say, say_json, table, when
from answerable.errors import InvalidInput
from answerable.inbox.notices.waiting import standings
from answerable.tracing.clock import iso


@click.group()
def notify() -> None:
    """Notices to mail, chat and pagers: what waits, and a test."""


@notify.command()
@store_option
@json_option
def status(store: str, as_json: bool) -> None:
    """How each target stands: what waits for it, what it took, and its last error."""
    found = read(store, standings)
    if as_json:
        say_json(
            [
                {
                    "target": one.target,
                    "waiting": one.waiting,
                    "oldest_at": iso(one.oldest_at),
                    "delivered": one.delivered,
                    "delivered_at": iso(one.delivered_at),
                    "failures": one.failures,
                    "error": one.error or None,
                    "next_at": iso(one.next_at) if one.failures else None,
                }
                for one in found
            ]
        )
    elif not found:
        say("nobody was to be told of anything yet: `answerable serve --notify FILE` begins")
    else:
        rows = [
            [
                one.target,
                str(one.waiting),
                when(one.oldest_at),
                str(one.delivered),
                when(one.delivered_at),
                f"{one.failures} times: {one.error}" if one.failures else "",
                when(one.next_at) if one.failures else "",
            ]
            for one in found
        ]
        columns = ("target", "waiting", "since", "delivered", "the last", "not taken", "again at")
        say(table(*columns, rows=rows, right=["waiting", "delivered"]))


@notify.command()
@click.option("--notify", "file", required=True, metavar="FILE", help="The targets, as `answerable serve` takes them.")
def test(file: str) -> None:
    """Send a test message to each target of a file, and say which took it."""
    try:
        from answerable.inbox.notices.notifying import send, sender_of
        from answerable.inbox.notices.targets import read_targets
    except ImportError as error:
        raise InvalidInput(f"the inbox is not installed: {error}", hint="pip install 'answerable[inbox]'") from error
    failed = 0
    for target in read_targets(Path(file)):
        said = send(sender_of(target), target, "A test of Answerable", "Somebody tries whether notices arrive.")
        failed += bool(said)
        say(f"{target.name}: {said or 'taken'}")
    if failed:
        raise click.exceptions.Exit(REFUSED)
