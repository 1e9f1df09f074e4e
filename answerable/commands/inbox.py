"""`answerable inbox` and `answerable show`: what people are asked."""

from __future__ import annotations

from typing import Any

import click

from answerable.approvals.asking.requests import get_request
from answerable.approvals.deciding.decisions import decision_on
from answerable.commands.options import json_option, store_option
from answerable.commands.reaching import at_office, whole_id
from answerable.commands.saying import say, say_json, short, table, when
from answerable.commands.showing import request_shown
from answerable.orchestrator.balloting import ballot_document
from answerable.orchestrator.documents import decision_document, handles, request_document
from answerable.orchestrator.office import Office
from answerable.orchestrator.reports import OpenRequest, request_report
from answerable.tracing.freezes import frozen_for_show
from answerable.tracing.storage.store import Tx


@click.command()
@click.option("--all", "everything", is_flag=True, help="Decided, expired and withdrawn requests, too.")
@store_option
@json_option
def inbox(everything: bool, store: str, as_json: bool) -> None:
    """The requests that wait for somebody, the soonest deadline first."""

    async def asked(office: Office) -> tuple[list[OpenRequest], list[dict[str, Any]]]:
        found = await office.requests(open_only=not everything)

        def documents(tx: Tx) -> list[dict[str, Any]]:
            frozen = {system: frozen_for_show(tx, system) for system in {one.system for one in found}}
            return [request_document(get_request(tx, one.id), frozen[one.system]) for one in found]

        return found, await office.store.read(documents)

    found, documents = at_office(store, asked)
    if as_json:
        say_json(documents)
    elif not found:
        say("nobody is asked anything")
    else:
        rows = [
            [
                short(one.id),
                f"{one.approval} of {one.system}",
                "frozen" if document["frozen"] else one.state,
                "" if one.inversions is None else str(one.inversions),
                ", ".join(one.options),
                one.asks,
                when(one.expires_at),
            ]
            for one, document in zip(found, documents, strict=True)
        ]
        columns = ("request", "approval", "state", "inversions", "options", "asks", "decide by")
        say(table(*columns, rows=rows, right=["inversions"]))


@click.command()
@click.argument("request")
@store_option
@json_option
def show(request: str, store: str, as_json: bool) -> None:
    """What REQUEST asks: its options side by side, and each call that they would release."""

    def look(tx: Tx) -> tuple[OpenRequest, dict[str, str], dict[str, Any]]:
        row, names = get_request(tx, whole_id(tx, "request", request)), handles(tx)
        frozen = frozen_for_show(tx, row.system)
        made = decision_on(tx, row.id)
        decision = None if made is None else decision_document(made, names)
        return (
            request_report(tx, row),
            names,
            {**request_document(row, frozen), **row.view, "options": row.view["options"], "decision": decision},
        )

    async def after_escalating(office: Office) -> tuple[OpenRequest, dict[str, str], dict[str, Any]]:
        await office.escalate_due()
        return await office.store.read(look)

    found, names, document = at_office(store, after_escalating)
    ballot = _ballot(store, found)
    if as_json:
        say_json({**document, **ballot})
    else:
        say(request_shown(found, names, whole=True, ballot=ballot, frozen=document["frozen"]))


def _ballot(store: str, found: OpenRequest) -> dict[str, Any]:
    """Who has answered an open request so far, by the key of this store, and who else has to."""
    if found.state != "open":
        return {}

    async def counted(office: Office) -> dict[str, Any]:
        def look(tx: Tx) -> dict[str, Any]:
            row = get_request(tx, found.id)
            return ballot_document(tx, office.key, row, handles(tx), at=office.store.clock.now())

        return await office.store.read(look)

    return at_office(store, counted)
