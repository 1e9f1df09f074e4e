"""`answerable decisions`: what was decided, as a list that can be handed to somebody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import click

from answerable.commands.options import reader_option, store_option
from answerable.commands.reaching import read_evidence
from answerable.commands.saying import say
from answerable.errors import InvalidInput
from answerable.tracing.clock import micros
from answerable.tracing.evidence.handing.decided import as_csv, decisions_between
from answerable.tracing.evidence.handing.handing import refuse_written, write_whole
from answerable.tracing.evidence.telling.words import plural
from answerable.tracing.storage.store import Tx


class _Day(click.ParamType[datetime]):
    """A day in UTC: 2026-01-31."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            self.fail(f"{value!r} is no day: write one as 2026-01-31", param, ctx)


_DAY = _Day()


@click.group()
def decisions() -> None:
    """What was decided."""


@decisions.command()
@click.option("--from", "first", type=_DAY, required=True, metavar="DATE", help="The first day, in UTC: 2026-01-31.")
@click.option("--to", "last", type=_DAY, required=True, metavar="DATE", help="The last day, in UTC.")
@click.option("--system", default="", metavar="NAME", help="Of this system only.")
@click.option("--names", is_flag=True, help="With the handles and names of persons, from the registry.")
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Where to."
)
@click.option("--replace", is_flag=True, help="Write over FILE if it is there.")
@reader_option
@store_option
def export(
    first: datetime, last: datetime, system: str, names: bool, output: Path, replace: bool, by: str, store: str
) -> None:
    """Write the decisions of a period as CSV, each with its record's number and digest."""
    end = last + timedelta(days=1)
    if last < first:
        raise InvalidInput(f"{last:%Y-%m-%d} is before {first:%Y-%m-%d}", hint="--from is the earlier day")
    refuse_written(output, replace=replace)  # before it is recorded that somebody read them

    def work(tx: Tx) -> tuple[tuple[str, int], list[str]]:
        rows = decisions_between(tx, micros(first.timestamp()), micros(end.timestamp()), system=system, names=names)
        text = as_csv(rows, names=names)
        about = [f"{first:%Y-%m-%d}/{last:%Y-%m-%d}", system, "names" if names else ""]
        return (text, len(rows)), [*filter(None, about), f"sha256:{sha256(text.encode()).hexdigest()}"]

    text, count = read_evidence(store, work, by=by, what="decisions export", form="csv")
    write_whole(output, text.encode(), replace=replace)
    say(f"{plural(count, 'decision')}, in {output}")
