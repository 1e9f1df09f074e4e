"""`answerable effects`: the calls that went out, wait, or are in doubt."""

from __future__ import annotations

import json
from typing import Any, Literal

import click

from answerable.approvals.gate import find_effect
from answerable.approvals.who.identity import By, identified
from answerable.commands.acting import as_option
from answerable.commands.options import json_option, reason_option, service_option, store_option
from answerable.commands.programs import find_program
from answerable.commands.reaching import at_office, read, whole_id
from answerable.commands.saying import command_line, say, say_json, short, table
from answerable.errors import InvalidInput
from answerable.orchestrator import interventions
from answerable.orchestrator.documents import effect_documents
from answerable.orchestrator.runs import all_runs
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.runs import EFFECT_STATES


@click.group()
def effects() -> None:
    """Calls to the world outside."""


@effects.command("list")
@click.option("--run", default="", metavar="RUN", help="Of this run only.")
@click.option("--state", type=click.Choice(EFFECT_STATES), help="In this state only.")
@click.option("--in-doubt", is_flag=True, help="Those of which nobody knows whether they happened.")
@store_option
@json_option
def list_(run: str, state: str | None, in_doubt: bool, store: str, as_json: bool) -> None:
    """Calls, and the decisions that released them."""
    wanted = "in-doubt" if in_doubt else state

    def look(tx: Tx) -> list[dict[str, Any]]:
        runs = [whole_id(tx, "run", run)] if run else [row.id for row in all_runs(tx)]
        found = [one for each in runs for one in sorted(effect_documents(tx, each), key=_sent_first)]
        return [one for one in found if wanted is None or one["state"] == wanted]

    found = read(store, look)
    if as_json:
        say_json(found)
    elif not found:
        say("there are none")
    else:
        rows = [
            [
                short(one["id"]),
                one["name"],
                one["state"],
                str(one["attempts"]),
                short(one["decision"] or ""),
                one["detail"],
            ]
            for one in found
        ]
        columns = ("effect", "name", "state", "attempts", "decision", "detail")
        say(table(*columns, rows=rows, right=["attempts"]))


def _sent_first(document: dict[str, Any]) -> tuple[bool, str, str]:
    """The order of calls in a list: those that were sent first, by name and time; their ids say nothing to people."""
    return document["sent_at"] is None, document["name"], document["sent_at"] or ""


@effects.command()
@click.argument("effect")
@click.option(
    "--outcome",
    required=True,
    type=click.Choice(["done", "failed", "again"]),
    help="It happened; it did not; or: send the same call again.",
)
@click.option("--result", default="", metavar="JSON", help="What the receiver answered; needed with --outcome done.")
@reason_option
@as_option
@service_option
@store_option
def settle(
    effect: str,
    outcome: Literal["done", "failed", "again"],
    result: str,
    reason: str,
    by: By,
    service: str,
    store: str,
) -> None:
    """Say what became of EFFECT, which is in doubt, after asking its receiver."""
    answer = _object(result) if result else None

    def look(tx: Tx) -> Any:
        return find_effect(tx, whole_id(tx, "effect", effect))

    row = read(store, look)
    graph = find_program(service, row.system, store).app.graph
    at_office(
        store,
        lambda office: office.act_as(
            by,
            reason,
            lambda tx, now: interventions.settle(
                tx, graph, row.id, outcome=outcome, by=identified(by).handle, reason=reason, result=answer, at=now
            ),
        ),
    )
    say(f"{row.id} is settled: {outcome}")
    say(f"the run goes on with: {command_line('runs', 'resume', row.run, store=store)}")


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"--result is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidInput("--result is no JSON object")
    return found
