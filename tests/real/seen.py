"""What a Jaeger shows of runs, compared with what their ledger says.

1. The System Architecture page is the coordination graph. Without edges of a service to itself, and without services
   that receivers have of their own, it has exactly the edges that were crossed; START and END are the system's service.
2. A span of ours that Jaeger holds is one that the records give, with a parent that is there, and without a warning.
3. Every run, edge, Responsible Individual and decision is found by a search for its id.
"""

from __future__ import annotations

from collections.abc import Iterable

from answerable.tracing.ledger.placed import Placed
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.steps import Crossed
from answerable.tracing.spans import attributes as key
from answerable.tracing.spans.projection import project_all
from answerable.tracing.spans.span import SpanData
from tests.real.jaeger_client import Jaeger, JaegerSpan


def crossed(records: Iterable[Placed]) -> set[tuple[str, str]]:
    """The edges that were crossed, as pairs of services."""
    found = set()
    for placed in records:
        record = placed.record
        if isinstance(record, Crossed):
            ends = [record.system if end in ("START", "END") else end for end in (record.source, record.target)]
            found.add((ends[0], ends[1]))
    return {pair for pair in found if pair[0] != pair[1]}


def shown(jaeger: Jaeger, systems: Iterable[str], nodes: Iterable[str]) -> set[tuple[str, str]]:
    """The edges of the System Architecture page between services of ours."""
    ours = {*systems, *nodes}
    return {(one, other) for one, other in jaeger.dependencies() if one != other and {one, other} <= ours}


def check_traces(jaeger: Jaeger, records: list[Placed]) -> list[SpanData]:
    """Rules 2 and 3 for the runs of these records, all of which were sent; the spans that the records give."""
    spans = project_all(records)
    held = {trace: jaeger.trace(trace) for trace in {span.trace for span in spans}}
    ours = {span.key: span for span in spans}
    seen = {f"{span.trace}{span.span}": span for one in held.values() for span in one}
    twice = [one for spans in held.values() for one in spans if seen[f"{one.trace}{one.span}"] != one]
    assert not twice, (
        f"Jaeger holds two spans of one id: {[(one, seen[f'{one.trace}{one.span}']) for one in twice[:1]]}"
    )
    assert set(ours) <= set(seen), f"Jaeger lacks {sorted(ours[one].name for one in set(ours) - set(seen))}"
    for one in seen.values():
        assert not one.warnings, (one.name, one.warnings)
        assert not one.parent or f"{one.trace}{one.parent}" in seen, f"{one.name} has a parent that is not there"
    check_searches(jaeger, spans, records)
    return spans


def check_searches(jaeger: Jaeger, spans: list[SpanData], records: list[Placed]) -> None:
    """Rule 3."""
    wanted: dict[tuple[str, str, str], set[str]] = {}
    for span in spans:
        for name, value in span.pairs:
            if name in (key.RUN, key.EDGE, key.RESPONSIBLE, key.DECISION) and isinstance(value, str):
                wanted.setdefault((span.origin.service, name, value), set()).add(f"{span.trace:032x}")
    for (service, name, value), traces in wanted.items():
        assert traces <= jaeger.search(service, {name: value}), f"a search for {name}={value} does not find its trace"
    said = {(name, value) for _, name, value in wanted}
    for placed in records:
        match placed.record:
            case Crossed() as record:
                assert (key.EDGE, record.edge) in said
            case Decided() as record:
                assert (key.DECISION, record.decision) in said
            case _:
                pass


def tree(spans: list[JaegerSpan]) -> str:
    """A trace as text, as Jaeger's page draws it; of an edge and what begins with it, the edge first."""
    below: dict[str, list[JaegerSpan]] = {}
    for span in spans:
        drawn = span.parent or next((linked for trace, linked in span.links if trace == span.trace), "")
        below.setdefault(drawn, []).append(span)
    lines: list[str] = []

    def order(span: JaegerSpan) -> tuple[int, bool, str]:
        return span.start, not span.name.startswith("edge "), span.name

    def draw(parent: str, depth: int) -> None:
        for span in sorted(below.get(parent, ()), key=order):
            mark = " !" if span.failed else ""
            lines.append(f"{'  ' * depth}{span.name}  [{span.service}]{mark}")
            draw(span.span, depth + 1)

    draw("", 0)
    return "\n".join(lines)
