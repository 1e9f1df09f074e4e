"""Sampling and switches thin what is seen. The ledger is whole, and what it says of a call is the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from opentelemetry import context
from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context

from answerable.tracing import ids
from answerable.tracing.export.outbox import outgoing
from answerable.tracing.ledger.placed import placed_of
from answerable.tracing.spans.projection import project_all
from answerable.tracing.storage.store import open_store
from tests.commands.conftest import Desk
from tests.support.otlp_receiver import Journal, http_receiver


@contextmanager
def nothing() -> Iterator[None]:
    yield


@contextmanager
def unsampled_caller() -> Iterator[None]:
    """As a web framework does with a request whose `traceparent` says 00."""
    caller = SpanContext(trace_id=7 << 64, span_id=7, is_remote=True)
    token = context.attach(set_span_in_context(NonRecordingSpan(caller)))
    try:
        yield
    finally:
        context.detach(token)


SWITCHES: dict[str, tuple[dict[str, str], Any, bool]] = {  # environment, what is around the caller, whether spans come
    "none": ({}, nothing, True),
    "always_off": ({"OTEL_TRACES_SAMPLER": "always_off"}, nothing, False),
    "parentbased_always_on": ({"OTEL_TRACES_SAMPLER": "parentbased_always_on"}, unsampled_caller, True),
    "unsampled caller": ({}, unsampled_caller, True),
    "disabled": ({"OTEL_SDK_DISABLED": "true"}, nothing, False),
}
RECORDS = ["run.started", "step.started", "step.finished", "request.made", "decided", "effect.sent", "effect.answered"]


@pytest.mark.parametrize("switch", SWITCHES)
def test_the_ledger_is_whole_and_why_answers(switch: str, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    environment, around, comes = SWITCHES[switch]
    journal = Journal()
    with http_receiver(journal) as endpoint:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with around():
            run = desk.waiting()
            desk("approve", run.waiting_for[0].id, "--option", "as-proposed", "--as", "dora")
            shown = desk.json("runs", "resume", run.id)
        assert shown["status"] == "done"
    (effect,) = (one for one in shown["effects"] if one["state"] == "done")
    assert desk.json("ledger", "verify")["sound"]
    assert "dora" in desk("why", effect["id"]).stdout
    store = open_store(desk.url)
    placed = anyio.run(store.read, lambda tx: placed_of(tx, run.id))
    store.close()
    assert set(RECORDS) <= {one.record.kind for one in placed}
    called_for = {span.key: span.data for span in outgoing(project_all(placed))}
    assert {key[:32] for key in called_for} == {f"{ids.trace_id(run.id):032x}"}
    assert {span.trace + span.span: span.data for span in journal.spans} == (called_for if comes else {})
