"""`answerable traces status` and `resend`: how the spans leave, and sending them once more."""

from __future__ import annotations

from typing import Any, Final

import click

from answerable.commands.options import json_option, store_option
from answerable.commands.reaching import at_office, whole_id
from answerable.commands.saying import command_line, say, say_json, short, table, when
from answerable.commands.times import since as since_time
from answerable.errors import InvalidInput, OutboxFull
from answerable.orchestrator.office import Office
from answerable.tracing.clock import iso
from answerable.tracing.evidence.telling.words import plural
from answerable.tracing.export.comparison import runs_since
from answerable.tracing.export.flow import Flow
from answerable.tracing.export.resending import resend as resend_run
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.export.status import Status
from answerable.tracing.export.status import status as status_of

DELIVERS_SECONDS: Final = 30.0  # after a resend, if this process has an endpoint; what is left goes next time
_ROOM: Final = {
    "enough": "",
    "short": ", more than half of its bound",
    "full": ", no room: records are not projected until there is",
}


@click.command()
@store_option
@json_option
def status(store: str, as_json: bool) -> None:
    """What waits to be sent, since when, and what the collector said last."""
    settings = ExportSettings.from_environment()

    async def work(office: Office) -> Status:
        return await office.store.read(lambda tx: status_of(tx, settings))

    found = at_office(store, work)
    if as_json:
        say_json(_document(found, settings))
    else:
        _say(found, settings, store)


@click.command()
@click.argument("run", default="")
@click.option(
    "--since",
    default="",
    metavar="TIME",
    help="Runs that began or ended since then, or are not over: 90m, 6h, 2d (ago), a date, or a time.",
)
@store_option
@json_option
def resend(run: str, since: str, store: str, as_json: bool) -> None:
    """Send the spans of RUN once more, from the ledger, with the same bytes."""
    if bool(run) is bool(since):
        raise InvalidInput("which runs?", hint="name one RUN, or give --since TIME")
    settings = ExportSettings.from_environment()

    async def work(office: Office) -> tuple[list[str], int, bool, int]:
        held = office.store
        if since:
            start = since_time(since, held.clock.now())
            runs = await held.read(lambda tx: runs_since(tx, start))
        else:
            runs = [await held.read(lambda tx: whole_id(tx, "run", run))]
        flow, spans = Flow(held, settings), 0
        for count, one in enumerate(runs):
            if (await held.read(lambda tx: status_of(tx, settings))).room == "full" and not (
                settings.endpoint and await flow.drain(DELIVERS_SECONDS)
            ):
                raise OutboxFull(
                    f"the outbox is full: {count} of {len(runs)} runs are on their way",
                    hint="when the collector takes spans again, go on with the rest: `answerable traces status`",
                )
            spans += await resend_run(held, one)
        delivered = bool(settings.endpoint) and await flow.drain(DELIVERS_SECONDS)
        return runs, spans, delivered, flow.delivered.rejected

    runs, spans, delivered, rejected = at_office(store, work)
    many = f"{plural(spans, 'span')} of {plural(len(runs), 'run')}"
    if as_json:
        say_json({"runs": runs, "spans": spans, "delivered": delivered, "rejected": rejected})
    elif delivered and rejected:
        say(f"{many} were sent once more, and the collector rejected {rejected}: `answerable traces status` says why")
    elif delivered:
        say(f"{many} were sent once more")
    else:
        waits = "the collector does not take them now" if settings.endpoint else "no endpoint is set here"
        say(f"{many} wait in the outbox: {waits}")


def _document(found: Status, settings: ExportSettings) -> dict[str, Any]:
    return {
        "endpoint": settings.shown or None,
        "waiting": found.waiting,
        "oldest_at": iso(found.oldest_at),
        "bytes": found.bytes,
        "most_bytes": found.most_bytes,
        "room": found.room,
        "records_not_projected": found.lag,
        "accepted": found.accepted,
        "dropped": found.dropped,
        "rejected": [{"run": one.run, "spans": one.spans, "error": one.error} for one in found.rejected],
        "last_accepted_at": iso(found.last_accepted_at),
        "last_error_at": iso(found.last_error.at) if found.last_error else None,
        "last_error": found.last_error.detail if found.last_error else None,
    }


def _say(found: Status, settings: ExportSettings, store: str) -> None:
    oldest = f", the oldest since {when(found.oldest_at)}" if found.oldest_at is not None else ""
    say(f"{found.waiting} spans wait{oldest}")
    say(f"the outbox has {found.bytes:,} of {found.most_bytes:,} bytes{_ROOM[found.room]}")
    say(f"{found.lag} records are not projected yet")
    accepted = f", the last at {when(found.last_accepted_at)}" if found.last_accepted_at is not None else ""
    say(f"{found.accepted} spans were accepted{accepted}")
    if found.dropped:
        say(f"{found.dropped} spans of other libraries were dropped: there was no room for them")
    if found.last_error is not None:
        say(f"last error, at {when(found.last_error.at)}: {found.last_error.detail}")
    if not settings.endpoint:
        say("no endpoint is set here: OTEL_EXPORTER_OTLP_ENDPOINT")
    if found.rejected:
        rows = [[short(one.run), str(one.spans), one.error] for one in found.rejected]
        say("", table("rejected of", "spans", "error", rows=rows, right=["spans"]))
        say(f"try again with: {command_line('traces', 'resend', 'RUN', store=store)}")
