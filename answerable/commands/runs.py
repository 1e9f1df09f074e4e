"""`answerable runs`: what is going on, and going on with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from rich.console import RenderableType
from rich.text import Text

from answerable.approvals.who.identity import By, identified
from answerable.commands.acting import as_option
from answerable.commands.exits import INTERRUPTED, exit_code
from answerable.commands.live import watched
from answerable.commands.options import json_option, reason_option, service_option, store_option
from answerable.commands.programs import Program
from answerable.commands.reaching import at_office, program_of_run, read, whole_id
from answerable.commands.saying import command_line, say, say_json, short, table, to_stderr, to_stdout
from answerable.commands.showing import run_shown, status_text
from answerable.orchestrator import interventions
from answerable.orchestrator.canonical import canonical
from answerable.orchestrator.documents import handles, run_document, run_line
from answerable.orchestrator.office import Office
from answerable.orchestrator.running import journal
from answerable.orchestrator.runs import all_runs
from answerable.orchestrator.service import Service
from answerable.tracing.clock import to_the_second
from answerable.tracing.storage.store import Tx


@click.group()
def runs() -> None:
    """Runs: list, show, go on with, end."""


@runs.command("list")
@store_option
@json_option
def list_(store: str, as_json: bool) -> None:
    """Every run of the store, oldest first."""

    def look(tx: Tx) -> list[dict[str, Any]]:
        names = handles(tx)
        return [run_line(tx, row, names) for row in all_runs(tx)]

    found = read(store, look)
    if as_json:
        say_json(found)
    elif not found:
        say("there are no runs yet")
    else:
        rows: list[list[str | Text]] = [
            [
                short(one["run"]),
                one["system"],
                status_text(one["status"]),
                one["started_by"],
                to_the_second(one["started_at"]),
            ]
            for one in found
        ]
        say(table("run", "system", "status", "started by", "at (UTC)", rows=rows))


@runs.command("show")
@click.argument("run")
@click.option(
    "--canonical",
    "as_canonical",
    is_flag=True,
    help="As JSON that is equal for two runs of the same input and id, whatever disturbed one of them.",
)
@store_option
@json_option
def show_(run: str, as_canonical: bool, store: str, as_json: bool) -> None:
    """How RUN stands: its steps, requests, decisions and calls."""
    if as_canonical:
        say_json(read(store, lambda tx: canonical(tx, whole_id(tx, "run", run))))
        return

    def look(tx: Tx) -> tuple[dict[str, Any], list[journal.StepRow]]:
        id = whole_id(tx, "run", run)
        return run_document(tx, id), journal.read_steps(tx, id)

    document, steps = read(store, look)
    if as_json:
        say_json(document)
    else:
        say(run_shown(document), "", _steps(steps))
        _what_next(document, store)


@runs.command()
@click.argument("run")
@service_option
@store_option
@json_option
@click.pass_context
def resume(ctx: click.Context, run: str, service: str, store: str, as_json: bool) -> None:
    """Go on with RUN, as far as it goes."""
    program, id = program_of_run(service, store, run)
    ctx.exit(_go_on(program, id, lambda serving: serving.resume(id), store=store, as_json=as_json))


@runs.command()
@click.argument("run")
@click.argument("step")
@reason_option
@as_option
@service_option
@store_option
@json_option
@click.pass_context
def retry(
    ctx: click.Context, run: str, step: str, reason: str, by: By, service: str, store: str, as_json: bool
) -> None:
    """Have STEP of RUN run anew, with everything that followed from it, and go on."""
    program, id = program_of_run(service, store, run)
    wrong = read(store, lambda tx: whole_id(tx, "step", step))
    ctx.exit(
        _go_on(
            program, id, lambda serving: serving.retry(id, wrong, by=by, reason=reason), store=store, as_json=as_json
        )
    )


@runs.command()
@click.argument("run")
@reason_option
@as_option
@store_option
def cancel(run: str, reason: str, by: By, store: str) -> None:
    """End RUN: nothing of it is begun or sent any more."""

    async def work(office: Office) -> str:
        id = await office.store.read(lambda tx: whole_id(tx, "run", run))
        await office.cancel(id, by=by, reason=reason)
        return id

    say(f"{at_office(store, work)} is cancelled; what was sent stays sent")


@runs.command()
@click.argument("run")
@reason_option
@as_option
@service_option
@store_option
def migrate(run: str, reason: str, by: By, service: str, store: str) -> None:
    """Move RUN to the version of its app that is installed here."""
    program, id = program_of_run(service, store, run)
    app = program.app
    at_office(
        store,
        lambda office: office.act_as(
            by,
            reason,
            lambda tx, now: interventions.migrate(
                tx, app.graph, id, version=app.version, by=identified(by).handle, reason=reason, at=now
            ),
        ),
    )
    say(f"{id} goes on with version {app.version[:12]}: {command_line('runs', 'resume', id, store=store)}")


def _go_on(program: Program, run: str, work: Callable[[Service[Any, Any]], Any], *, store: str, as_json: bool) -> int:
    """Do something that advances a run, watch it, and say how it stands; the exit code."""
    try:
        with program as serving:
            with watched(serving, run, to_stderr() if as_json else to_stdout()):
                work(serving)
            graph = serving.app.graph
            document: dict[str, Any] = serving.portal.call(
                serving.store.read, lambda tx: run_document(tx, run, graph=graph)
            )
    except KeyboardInterrupt:
        line = command_line("runs", "resume", run, store=store)
        to_stderr().print(Text(f"\nstopped; the run is kept. Go on with it:\n  {line}"), soft_wrap=True)
        return INTERRUPTED
    if as_json:
        say_json(document)
    else:
        say("", run_shown(document))
        _what_next(document, store)
    return exit_code(document["status"])


def _steps(steps: list[journal.StepRow]) -> RenderableType:
    rows: list[list[str | Text]] = [
        [short(one.id), one.node, status_text(one.state), str(one.attempt), one.error] for one in steps
    ]
    return table("step", "node", "state", "attempts", "error", rows=rows, right=["attempts"])


def _what_next(document: dict[str, Any], store: str) -> None:
    """The commands that a run waits for."""
    run = document["run"]
    waits = [request["id"] for request in document["requests"] if request["state"] == "open"]
    lines = [command_line("show", request, store=store) for request in waits]
    if any(effect["state"] == "in-doubt" for effect in document["effects"]):
        lines.append(command_line("effects", "list", "--in-doubt", "--run", run, store=store))
    if document["status"] == "frozen":
        lines.append(command_line("freezes", store=store))
    if document["status"] in ("running", "frozen", "waiting"):
        lines.append(command_line("runs", "resume", run, store=store))
    if lines:
        say("", Text("next", "bold"), *(f"  {line}" for line in lines))
