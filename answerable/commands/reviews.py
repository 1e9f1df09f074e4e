"""`answerable reviews`: what was decided without those who had been asked, and is looked at afterwards."""

from __future__ import annotations

from typing import Any, cast

import click

from answerable.approvals.deciding.reviews import VERDICTS, Review, Verdict
from answerable.approvals.who.identity import By
from answerable.commands.acting import as_option, sign_option
from answerable.commands.options import json_option, reason_option, store_option
from answerable.commands.reaching import at_office, whole_id
from answerable.commands.saying import say, say_json, short, table, when
from answerable.orchestrator.documents import handles, review_document
from answerable.orchestrator.office import Office
from answerable.tracing.clock import to_the_second


@click.group()
def reviews() -> None:
    """What was decided without those who had been asked, for somebody to look at afterwards."""


@reviews.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that are done, too.")
@store_option
@json_option
def list_reviews(everything: bool, store: str, as_json: bool) -> None:
    """The reviews that are due, the soonest first."""

    async def work(office: Office) -> list[dict[str, Any]]:
        names, now = await office.store.read(handles), office.store.clock.now()
        return [review_document(one, names, at=now) for one in await office.reviews(due_only=not everything)]

    found = at_office(store, work)
    if as_json:
        say_json(found)
    elif not found:
        say("nothing is to be reviewed")
    else:
        rows = [
            [
                short(one["id"]),
                *(one["of"], f"{one['approval']} of {one['system']}", short(one["decision"])),
                *(one["state"], to_the_second(one["due"]), one["verdict"], one["by"]),
            ]
            for one in found
        ]
        say(table("review", "of", "approval", "decision", "state", "due (UTC)", "verdict", "by", rows=rows))


@reviews.command()
@click.argument("review")
@click.option("--verdict", required=True, type=click.Choice(list(VERDICTS)), help="Whether the decision was right.")
@reason_option
@as_option
@sign_option
@store_option
def done(review: str, verdict: str, reason: str, by: By, store: str) -> None:
    """Say what you found in REVIEW, as somebody who had no part in the decision."""

    async def work(office: Office) -> Review:
        id = await office.store.read(lambda tx: whole_id(tx, "review", review))
        return await office.review(id, verdict=cast(Verdict, verdict), by=by, reason=reason)

    made = at_office(store, work)
    say(f"{made.id} is done on {when(made.at)}: the decision was {made.verdict}")
