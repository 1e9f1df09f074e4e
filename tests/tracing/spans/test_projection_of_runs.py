"""Real runs: what they record, what a collector gets of it, and what the terminal shows."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from answerable.orchestrator.service import Service
from answerable.tracing.export.resending import resend
from answerable.tracing.ledger.entries import Entry, records_of
from answerable.tracing.ledger.placed import as_placed
from answerable.tracing.ledger.records.effects import EffectSent
from answerable.tracing.ledger.records.every import AnyRecord
from answerable.tracing.ledger.records.steps import Crossed
from answerable.tracing.spans import attributes as key
from answerable.tracing.spans.projection import span_count
from answerable.tracing.spans.tree import run_tree
from tests.support.otlp_receiver import Journal, Received, http_receiver
from tests.support.parcels import APPS, LEAD, ORDER, ROLE, STARTER, Order, Report, post
from tests.support.receiver import Receiver, receiving

pytestmark = pytest.mark.anyio

app = APPS["idempotent"]


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with receiving(tmp_path_factory.mktemp("receiver")) as running:
        yield running


@contextmanager
def collecting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    journal = Journal()
    with http_receiver(journal) as endpoint:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint)
        yield journal


async def begin(service: Service[Order, Report]) -> str:
    await service.people.aadd(LEAD, roles=[ROLE])
    run = await service.arun(ORDER, by=STARTER)
    assert run.status == "waiting"
    return run.id


async def approve(service: Service[Order, Report], run: str) -> None:
    (request,) = await service.arequests()
    await service.aapprove(request.id, option="as-proposed", by=LEAD)
    assert (await service.aresume(run)).status == "done"


def crossed(records: list[AnyRecord]) -> Counter[str]:
    return Counter(record.crossing for record in records if isinstance(record, Crossed))


def edges(spans: list[Received]) -> Counter[str]:
    return Counter(span.attributes[key.CROSSING] for span in spans if span.name.startswith("edge "))


async def test_a_run_in_two_processes_is_one_whole_trace(
    store_url: str, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one has a collector, the one in which it is decided has none, and the last one has it again."""
    monkeypatch.setenv("ANSWERABLE_KEY_FILE", str(tmp_path / "key"))
    origins = {post: receiver.origin(f"honours-{tmp_path.name}")}
    with collecting(monkeypatch) as journal:
        async with app.connect(store_url, origins=origins) as service:
            run = await begin(service)
        first = len(journal.spans)
        assert first > 0
        monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        async with app.connect(store_url, origins=origins) as service:
            await approve(service, run)
        assert len(journal.spans) == first
    with collecting(monkeypatch) as rest:
        async with app.connect(store_url, origins=origins) as service:
            entries: list[Entry] = await service.store.read(lambda tx: records_of(tx, run))
    spans = [*journal.spans, *rest.spans]
    assert len(spans) == span_count(as_placed(entries))
    assert edges(spans) == crossed([entry.record for entry in entries])  # invariant 1
    assert len({span.trace for span in spans}) == 1
    ids = {span.span for span in spans}
    assert len(ids) == len(spans)
    assert [span.name for span in spans if span.parent not in ids] == ["invoke_workflow parcels"]

    sent = [entry.record for entry in entries if isinstance(entry.record, EffectSent)]
    calls = {span.span: span for span in spans if span.name == "POST"}
    headers = [arrival.headers for arrival in receiver.arrivals(f"honours-{tmp_path.name}")]
    parents = Counter({name.lower(): value for name, value in one.items()}["traceparent"] for one in headers)
    assert parents == Counter(f"00-{spans[0].trace}-{span}-01" for span in calls)
    assert Counter(span.attributes[key.EFFECT] for span in calls.values()) == Counter(one.effect for one in sent)
    below = {span.span: span.name for span in spans}
    assert {below[span.parent] for span in calls.values()} == {"effect post.send"}
    assert all(span.attributes[key.DECIDED_BY].startswith("prs_") for span in calls.values())

    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(run_tree(entries, {}))
    printed = console.file
    assert isinstance(printed, io.StringIO)
    text = printed.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("post.send") == 3 + 1  # three that were sent; the two of the other option read the same
    assert "post.send  withdrawn  × 2" in text
    assert "approved (as-proposed)" in text


async def test_a_decided_run_looks_the_same_in_another_collector(
    sqlite_url: str, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins = {post: receiver.origin(f"honours-{tmp_path.name}")}
    with collecting(monkeypatch) as journal:
        async with app.connect(sqlite_url, origins=origins) as service:
            run = await begin(service)
            await approve(service, run)
    with collecting(monkeypatch) as other:
        async with app.connect(sqlite_url, origins=origins) as service:
            assert await resend(service.store, run) == len(journal.spans)
    assert [span.data for span in other.spans] == [span.data for span in journal.spans]  # invariant 7
