"""`answerable approve`, `edit`, `reject` and `respond`: answering a request.

A decision is committed before anything follows from it; the run takes it up when a service resumes it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import IO, Any, Final

import click

from answerable.approvals.asking.requests import get_request
from answerable.approvals.deciding.answers import Answer, Given
from answerable.approvals.deciding.decisions import Decision
from answerable.approvals.deciding.reasons import CODES
from answerable.approvals.grouping import members
from answerable.approvals.voting.votes import Vote
from answerable.approvals.who.identity import By
from answerable.commands.acting import as_option, sign_option
from answerable.commands.options import budget_option, json_option, reason_option, service_option, store_option
from answerable.commands.programs import find_program
from answerable.commands.reaching import at_office, program_of_run, read, whole_id
from answerable.commands.saying import command_line, say, say_json, table
from answerable.commands.showing import request_shown
from answerable.errors import InvalidMessage
from answerable.orchestrator.documents import decision_document, handles, vote_document
from answerable.orchestrator.interventions import check_response
from answerable.orchestrator.office import Office
from answerable.orchestrator.together import Told, answer_together

code_option = click.option(
    "--code",
    type=click.Choice(list(CODES)),
    callback=lambda _ctx, _param, code: code or "",
    help="Why, as one of a short list.",
)
_WHOLE: Final = "`answerable show {request} --json` has the message that was proposed: change that"
Deciding = Callable[[Office, str], Awaitable[Given]]
_alike_option = click.option("--alike", is_flag=True, help="Answer every open request that asks the same, too.")

_for_option = click.option("--for", "for_person", default="", metavar="PERSON", help="Whose delegate acts.")


@click.command()
@click.argument("request")
@click.option("--option", required=True, metavar="OPTION", help="Which option: as-proposed, or one that is offered.")
@click.option("--reason", default="", metavar="TEXT", help="Why, for the record.")
@_alike_option
@_for_option
@budget_option
@click.option("--break-glass", is_flag=True, help="Alone, in an emergency, as somebody who may. It is reviewed.")
@code_option
@as_option
@sign_option
@store_option
@json_option
def approve(
    request: str,
    option: str,
    reason: str,
    alike: bool,
    for_person: str,
    budget: int,
    break_glass: bool,
    code: str,
    by: By,
    store: str,
    as_json: bool,
) -> None:
    """Choose an option of REQUEST, and so release its calls. Where it takes others, too, it is a vote."""
    answer = Answer(
        outcome="approved",
        option=option,
        reason=reason,
        for_person=for_person,
        code=code,
        break_glass=break_glass,
    )
    _answer(store, request, answer, by, budget=budget, alike=alike, as_json=as_json)


@click.command()
@click.argument("request")
@reason_option
@_alike_option
@_for_option
@budget_option
@code_option
@as_option
@sign_option
@store_option
@json_option
def reject(
    request: str, reason: str, alike: bool, for_person: str, budget: int, code: str, by: By, store: str, as_json: bool
) -> None:
    """Say no to REQUEST: none of its calls leaves."""
    answer = Answer(outcome="rejected", reason=reason, for_person=for_person, code=code)
    _answer(store, request, answer, by, budget=budget, alike=alike, as_json=as_json)


@click.command()
@click.argument("request")
@click.option("--text", required=True, metavar="TEXT", help="What to answer.")
@budget_option
@as_option
@sign_option
@service_option
@store_option
@json_option
def respond(request: str, text: str, budget: int, by: By, service: str, store: str, as_json: bool) -> None:
    """Answer REQUEST with a text, where its system has a way back for one."""
    row = read(store, lambda tx: get_request(tx, whole_id(tx, "request", request)))
    check_response(find_program(service, row.system, store).app.graph, row.approval)
    answer = Answer(outcome="answered", reason=text)
    _decide(store, row.id, as_json, budget, lambda office, id: office.decide(id, answer, by=by))


@click.command()
@click.argument("request")
@click.option("--file", required=True, type=click.File("rb"), metavar="FILE", help="The message as JSON; - is stdin.")
@click.option("--reason", default="", metavar="TEXT", help="Why, for the record.")
@budget_option
@as_option
@sign_option
@service_option
@store_option
@json_option
def edit(
    request: str, file: IO[bytes], reason: str, budget: int, by: By, service: str, store: str, as_json: bool
) -> None:
    """Propose another message in the place of REQUEST: a new request, for somebody else to decide."""
    try:
        message = json.loads(file.read())
    except ValueError as error:
        raise InvalidMessage(f"the message is no JSON: {error}", hint=_WHOLE.format(request=request)) from error
    if not isinstance(message, dict):
        raise InvalidMessage("the message is no JSON object", hint=_WHOLE.format(request=request))
    row = read(store, lambda tx: get_request(tx, whole_id(tx, "request", request)))
    program, _ = program_of_run(service, store, row.run)
    with program as serving:
        serving.office.budget = budget
        made = serving.edit(row.id, message, by=by, reason=reason)
    if as_json:
        say_json({"request": made.id, "edited_from": row.id, "digest": made.digest, "options": list(made.options)})
    else:
        say(request_shown(made, {}))
        say(f"\nsomebody else decides it: {command_line('show', made.id, store=store)}")


def _answer(store: str, request: str, answer: Answer, by: By, *, budget: int, alike: bool, as_json: bool) -> None:
    """Answer one request, or all that ask the same."""
    if not alike:
        _decide(store, request, as_json, budget, lambda office, id: office.decide(id, answer, by=by))
        return

    async def work(office: Office) -> tuple[list[Told], dict[str, str]]:
        office.budget = budget
        row = await office.store.read(lambda tx: get_request(tx, whole_id(tx, "request", request)))
        found = dict(await office.store.read(lambda tx: members(tx, row.alike)))
        told = await answer_together(office, {row.id: row.digest, **found}, answer, by=by)
        return told, await office.store.read(handles)

    told, names = at_office(store, work)
    if as_json:
        say_json([_told_document(one, names) for one in told])
    else:
        rows = [[one.request, _told_in_words(one)] for one in told]
        say(f"{sum(one.refused is None for one in told)} of {len(told)} requests were answered, each for itself")
        say(table("request", "what became of it", rows=rows))
        say(f"the runs go on where something works for them: {command_line('work', store=store)}")


def _told_document(told: Told, names: dict[str, str]) -> dict[str, Any]:
    refused, given = told.refused, told.given
    return {
        "request": told.request,
        "decision": decision_document(given, names) if isinstance(given, Decision) else None,
        "vote": {**vote_document(given, names), "missing": given.missing} if isinstance(given, Vote) else None,
        "error": {"code": refused.code, "message": refused.message, "hint": refused.hint} if refused else None,
    }


def _told_in_words(told: Told) -> str:
    if told.given is None:
        return f"not decided: {told.refused.message if told.refused else ''}"
    waits = f", a vote; {told.given.missing} is missing" if isinstance(told.given, Vote) else ""
    return f"{told.given.outcome} {told.given.option}".strip() + waits


def _decide(store: str, request: str, as_json: bool, budget: int, deciding: Deciding) -> None:
    async def work(office: Office) -> tuple[Given, dict[str, Any]]:
        office.budget = budget
        id = await office.store.read(lambda tx: whole_id(tx, "request", request))
        made = await deciding(office, id)
        names = await office.store.read(handles)
        if isinstance(made, Vote):
            return made, {**vote_document(made, names), "outcome": made.outcome, "missing": made.missing}
        return made, decision_document(made, names)

    made, document = at_office(store, work)
    if as_json:
        say_json(document)
        return
    chosen = f": {made.option}" if made.option else ""
    if isinstance(made, Vote):
        say(f"vote of {document['by']} ({made.assurance}) counted{chosen}, as {made.id}: nothing is decided yet")
        say(f"it takes {made.missing} besides")
        return
    acting = f" for {document['for_person']}" if document["for_person"] else ""
    say(f"{made.outcome}{chosen} by {document['by']}{acting} ({made.assurance}), as decision {made.id}")
    if made.broke_glass:
        reviews = command_line("reviews", "list", store=store)
        say(f"the glass is broken, and somebody else reviews it within a day: {reviews}")
    say(f"the run goes on with: {command_line('runs', 'resume', made.run, store=store)}")
