"""`answerable traces`: what happened in a run, as a tree; whether Jaeger shows the same; how spans leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import click
from rich.console import RenderableType
from rich.text import Text

from answerable.agents.texts import plain
from answerable.commands.delivery import resend, status
from answerable.commands.exits import DIFFERS, DONE
from answerable.commands.options import json_option, store_option
from answerable.commands.reaching import at_office, read, whole_id
from answerable.commands.saying import command_line, say, say_json
from answerable.commands.times import since
from answerable.orchestrator.documents import handles
from answerable.orchestrator.office import Office
from answerable.tracing.evidence.telling.words import plural
from answerable.tracing.export.comparison import Finding, TracesReport, runs_since
from answerable.tracing.export.jaeger import Jaeger
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.export.verification import verify_traces
from answerable.tracing.ledger.entries import records_of
from answerable.tracing.spans.tree import run_tree
from answerable.tracing.storage.store import Tx

_SHOWN: Final = 20  # findings of one kind of one run; --json has all
_KINDS: Final = ("rejected", "missing", "changed", "twice", "unknown")


@click.group()
def traces() -> None:
    """What happened, step by step, and how it reaches the collector."""


traces.add_command(resend)
traces.add_command(status)


def tree_of(tx: Tx, run: str) -> RenderableType:
    """The tree of a run, persons by their handles."""
    return run_tree(records_of(tx, run), handles(tx))


@traces.command()
@click.argument("run")
@store_option
def show(run: str, store: str) -> None:
    """The tree of RUN: who did what, after what, how long it took, who decided, and what left."""
    say(read(store, lambda tx: tree_of(tx, whole_id(tx, "run", run))))


# -- verify -----------------------------------------------------------------------------------------------------------


@traces.command()
@click.argument("run", default="")
@click.option(
    "--since",
    "since_text",
    metavar="TIME",
    default="",
    help="Only runs that began or ended since TIME, or are not over.",
)
@click.option(
    "--jaeger",
    metavar="URL",
    envvar="ANSWERABLE_JAEGER",
    default="http://127.0.0.1:16686",
    show_default=True,
    help="Where Jaeger's page and query API are. Also: ANSWERABLE_JAEGER.",
)
@store_option
@json_option
@click.pass_context
def verify(ctx: click.Context, run: str, since_text: str, jaeger: str, store: str, as_json: bool) -> None:
    """Compare what Jaeger holds of RUN, or of every run, with what the ledger says."""

    async def work(office: Office) -> tuple[list[TracesReport], list[str]]:
        settings, held = ExportSettings.from_environment(), office.store
        earliest = since(since_text, held.clock.now()) if since_text else 0
        chosen = await held.read(lambda tx: [whole_id(tx, "run", run)] if run else runs_since(tx, earliest))
        async with Jaeger(jaeger) as there:
            reports = [await verify_traces(held, there, one) for one in filter(settings.samples, chosen)]
        return reports, [one for one in chosen if not settings.samples(one)]

    reports, left_out = at_office(store, work)
    agrees = all(report.agrees for report in reports)
    if as_json:
        say_json({"agrees": agrees, "runs": [_document(one) for one in reports], "left_out": left_out})
    else:
        say(*(text for report in reports for text in _lines(report, store)), _summary(reports, len(left_out)))
    ctx.exit(DONE if agrees else DIFFERS)


def _document(report: TracesReport) -> dict[str, Any]:
    return {
        "run": report.run,
        "agrees": report.agrees,
        "expected": report.expected,
        "held": report.held,
        "waiting": report.waiting,
        **{kind: [finding._asdict() for finding in getattr(report, kind)] for kind in _KINDS},
        "foreign": [
            {"service": service, "library": library, "spans": count}
            for (service, library), count in sorted(report.foreign.items())
        ],
        "forgotten": report.forgotten,
    }


def _lines(report: TracesReport, store: str) -> list[Text]:
    counts = [f"{report.held} of {report.expected} spans held"]
    counts += [f"{report.waiting} on their way"] if report.waiting else []
    counts += [f"{len(getattr(report, kind))} {kind}" for kind in _KINDS if getattr(report, kind)]
    lines = [Text(f"{report.run}  {', '.join(counts)}", "" if report.agrees else "red")]
    for kind in _KINDS:
        if kind != "missing" or not report.forgotten:
            lines += _findings(kind, getattr(report, kind))
    foreign = ", ".join(f"{count} of {plain(service)}" for (service, _), count in sorted(report.foreign.items()))
    lines += [Text(f"  beside them, spans of others: {foreign}", "dim")] if foreign else []
    if report.forgotten:
        lines.append(
            Text(f"  Jaeger holds nothing of {' and '.join(report.forgotten)}: it never came, or is forgotten")
        )
    if report.missing or report.rejected:
        lines.append(Text(f"  → {command_line('traces', 'resend', report.run, store=store)}", "cyan"))
    return lines


def _findings(kind: str, findings: Sequence[Finding]) -> list[Text]:
    lines = [
        Text(f"  {kind}: {plain(one.name)} ({plain(one.service)}) {one.span}  {plain(one.what)}".rstrip())
        for one in findings[:_SHOWN]
    ]
    if len(findings) > _SHOWN:
        lines.append(Text(f"  … and {len(findings) - _SHOWN} more {kind}"))
    return lines


def _summary(reports: Sequence[TracesReport], left_out: int) -> Text:
    differ = sum(not report.agrees for report in reports)
    held = sum(report.held for report in reports)
    text = f"{plural(len(reports), 'run')}, {plural(held, 'span')} held as the ledger says"
    text += f"; {plural(left_out, 'run is', 'runs are')} left out by OTEL_TRACES_SAMPLER" if left_out else ""
    return Text(
        f"{text}; {plural(differ, 'run differs', 'runs differ')}" if differ else text, "red" if differ else "green"
    )
