"""Metrics: every number that is exported beside the spans, with what it means and how it is read from the store.

1. A metric that is not here is not exported. The guide's table is `table()`.
2. All of them are about the store, whoever works on it: two processes that export the same store say the same. Take the
   largest over processes, not the sum.
3. Names and units follow OpenTelemetry: no unit in a name, `.count` for how many there are now, a plural for what only
   grows, `{thing}` for the unit of what is counted. Attributes are those of spans.
4. Each is read from an index or a tally, and never from the records.

Source: opentelemetry.io/docs/specs/semconv/general/metrics (names, units, instruments)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import func, select

from answerable.tracing.clock import Micros
from answerable.tracing.export import tallies
from answerable.tracing.export.outbox import oldest
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.export.status import lag
from answerable.tracing.spans import attributes
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import requests
from answerable.tracing.storage.tables.runs import EFFECT_STATES, effects, runs
from answerable.tracing.storage.tables.stops import freezes

Instrument = Literal["counter", "updowncounter", "gauge"]
Values = Sequence[tuple[Mapping[str, str], int | float]]
"""A value for each set of attributes."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a metric is read from: a transaction, the time, and the settings of this process."""

    tx: Tx
    now: Micros
    settings: ExportSettings


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric: its name, instrument and unit, the attributes of its values, what it means, how it is read."""

    name: str
    instrument: Instrument
    unit: str
    meaning: str
    read: Callable[[Reading], Values]
    on: tuple[str, ...] = ()


_registry: dict[str, Metric] = {}


def _metric(
    name: str, instrument: Instrument, unit: str, meaning: str, read: Callable[[Reading], Values], *on: str
) -> str:
    assert name not in _registry, name
    _registry[name] = Metric(name=name, instrument=instrument, unit=unit, meaning=meaning, read=read, on=on)
    return name


STORE: Final = "accountability.store.id"  # on the resource: which store they are about
RUN_STATES: Final = ("running", "waiting", "frozen", "done", "denied", "stuck", "failed", "cancelled")
STEP_OUTCOMES: Final = ("done", "failed", "refused")

_RUNS = Statement(select(runs.c.status, func.count()).group_by(runs.c.status))
_EFFECTS = Statement(select(effects.c.state, func.count()).group_by(effects.c.state))
_IN_DOUBT = Statement(select(func.count()).where(effects.c.state == "in-doubt"))
_OPEN = Statement(select(func.count(), func.min(requests.c.made_at)).where(requests.c.state == "open"))
_FREEZES = Statement(select(func.count()).where(freezes.c.state != "lifted"))


def _by(key: str, known: Sequence[str], counted: Mapping[str, int]) -> Values:
    """One value for each of the known words, 0 where there are none: an alert never waits for a series to appear."""
    return [({key: word}, counted.get(word, 0)) for word in {**dict.fromkeys(known), **counted}]


def _tally(name: str) -> Callable[[Reading], Values]:
    return lambda reading: [({}, tallies.value(reading.tx, name))]


def _steps(reading: Reading) -> Values:
    counted = tallies.all_values(reading.tx)
    found = {name.removeprefix(tallies.STEPS): n for name, n in counted.items() if name.startswith(tallies.STEPS)}
    return _by(attributes.OUTCOME, STEP_OUTCOMES, found)


def _age(reading: Reading, since: Micros | None) -> Values:
    return [({}, 0.0 if since is None else max(0, reading.now - since) / 1e6)]


def _open(reading: Reading) -> tuple[int, Micros | None]:
    count, first = reading.tx.one(_OPEN) or (0, None)
    return int(count), first


def _count(reading: Reading, statement: Statement) -> Values:
    row = reading.tx.one(statement)
    return [({}, 0 if row is None else int(row[0]))]


RUNS: Final = _metric(
    "answerable.run.count",
    "updowncounter",
    "{run}",
    "runs, by how they stand",
    lambda reading: _by(attributes.RUN_STATUS, RUN_STATES, dict(reading.tx.all(_RUNS))),
    attributes.RUN_STATUS,
)
STEPS: Final = _metric(
    "answerable.steps",
    "counter",
    "{step}",
    "steps that ended, by outcome; counted as their records are projected",
    _steps,
    attributes.OUTCOME,
)
EFFECTS: Final = _metric(
    "answerable.effect.count",
    "updowncounter",
    "{effect}",
    "calls to the world outside, by state",
    lambda reading: _by(attributes.EFFECT_STATE, EFFECT_STATES, dict(reading.tx.all(_EFFECTS))),
    attributes.EFFECT_STATE,
)
IN_DOUBT: Final = _metric(
    "answerable.effect.in_doubt.count",
    "updowncounter",
    "{effect}",
    "calls of which nobody knows whether they happened: a person has to ask the receiver",
    lambda reading: _count(reading, _IN_DOUBT),
)
REQUESTS: Final = _metric(
    "answerable.request.open.count",
    "updowncounter",
    "{request}",
    "requests that wait for a person",
    lambda reading: [({}, _open(reading)[0])],
)
OLDEST_REQUEST: Final = _metric(
    "answerable.request.oldest_age",
    "gauge",
    "s",
    "how long the oldest open request has waited; 0 if there is none",
    lambda reading: _age(reading, _open(reading)[1]),
)
FREEZES: Final = _metric(
    "answerable.freeze.count",
    "updowncounter",
    "{freeze}",
    "freezes that stand: committed or quiesced, and not lifted",
    lambda reading: _count(reading, _FREEZES),
)
LAG: Final = _metric(
    "answerable.projection.lag",
    "gauge",
    "{record}",
    "records that were not projected yet",
    lambda reading: [({}, lag(reading.tx))],
)
OUTBOX_SPANS: Final = _metric(
    "answerable.outbox.span.count", "updowncounter", "{span}", "spans that wait in the outbox", _tally(tallies.WAITING)
)
OUTBOX_USAGE: Final = _metric(
    "answerable.outbox.usage",
    "updowncounter",
    "By",
    "bytes of the spans in the outbox, and of what was rejected and is kept",
    _tally(tallies.BYTES),
)
OUTBOX_LIMIT: Final = _metric(
    "answerable.outbox.limit",
    "gauge",
    "By",
    "the bound of the outbox: `ANSWERABLE_OUTBOX_BYTES`; from nine tenths of it on nothing is projected",
    lambda reading: [({}, reading.settings.most_bytes)],
)
OLDEST_SPAN: Final = _metric(
    "answerable.outbox.oldest_age",
    "gauge",
    "s",
    "how long the oldest span has waited in the outbox; 0 if there is none",
    lambda reading: _age(reading, oldest(reading.tx)),
)
ACCEPTED: Final = _metric(
    "answerable.outbox.accepted", "counter", "{span}", "spans that the collector accepted", _tally(tallies.ACCEPTED)
)
REJECTED: Final = _metric(
    "answerable.outbox.rejected", "counter", "{span}", "spans that the collector rejected", _tally(tallies.REJECTED)
)
DROPPED: Final = _metric(
    "answerable.outbox.dropped",
    "counter",
    "{span}",
    "spans of other libraries that were dropped, because there was no room for them",
    _tally(tallies.DROPPED),
)

REGISTRY: Final[Mapping[str, Metric]] = _registry


def table() -> str:
    """All metrics as a Markdown table, for the guide."""
    lines = ["| metric | instrument | unit | attribute | meaning |", "|---|---|---|---|---|"]
    for one in REGISTRY.values():
        keys = ", ".join(f"`{key}`" for key in one.on)
        lines.append(f"| `{one.name}` | {one.instrument} | {one.unit} | {keys} | {one.meaning} |")
    return "\n".join(lines) + "\n"
