"""Ours beside the instrumentations of httpx and, twice, of LangChain: one program with all of them on.

What theirs make of LangGraph's own nodes is theirs; what belongs to a step is in our trace, and ours is as ever.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from answerable.tracing import ids
from answerable.tracing.export.outbox import outgoing
from answerable.tracing.ledger.placed import placed_of
from answerable.tracing.ledger.records.steps import StepStarted
from answerable.tracing.spans.projection import project_all
from answerable.tracing.storage.store import Tx, open_store
from tests.support.otlp_receiver import Journal, Received, http_receiver
from tests.support.receiver import receiving

_ROOT = Path(__file__).parents[3]
RUN = "run_" + "7" * 32
TRACE = f"{ids.trace_id(RUN):032x}"


@dataclass(frozen=True, kw_only=True)
class Told:
    """What came to the collector, what the ledger calls for, the step's span, what theirs made, the effect's header."""

    came: list[Received]
    called_for: dict[str, bytes]
    step: str
    theirs: list[dict[str, str]]
    traceparent: str

    def others(self, name: str) -> list[Received]:
        """Spans of other libraries that came, by their name's beginning."""
        return [
            span for span in self.came if span.name.startswith(name) and span.trace + span.span not in self.called_for
        ]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder, journal = tmp_path_factory.mktemp("coexisting"), Journal()
    url, file = f"sqlite:///{folder / 'letters.db'}", folder / "theirs"
    with http_receiver(journal) as endpoint, receiving(folder) as receiver:
        command = [
            sys.executable,
            "-m",
            "tests.tracing.export.coexisting",
            url,
            receiver.origin("honours-a"),
            str(file),
        ]
        environment = os.environ | {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint}
        done = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        (arrival,) = receiver.arrivals("honours-a")
    store = open_store(url)

    def read(tx: Tx) -> tuple[dict[str, bytes], str]:
        placed = placed_of(tx, RUN)
        (step,) = {
            one.record.step for one in placed if isinstance(one.record, StepStarted) and one.record.node == "plan"
        }
        return {one.key: one.data for one in outgoing(project_all(placed))}, f"{ids.span_id(RUN, step):016x}"

    called_for, step = asyncio.run(store.read(read))
    store.close()
    return Told(
        came=journal.spans,
        called_for=called_for,
        step=step,
        theirs=[json.loads(line) for line in file.read_text().splitlines()],
        traceparent=arrival.headers["traceparent"],
    )


def test_ours_come_once_each_as_the_ledger_says(told: Told) -> None:
    ours = [(span.trace + span.span, span.data) for span in told.came if span.trace + span.span in told.called_for]
    assert sorted(ours) == sorted(told.called_for.items())


def test_an_http_client_in_a_step_nests_in_it(told: Told) -> None:
    (asked,) = told.others("GET")
    assert (asked.trace, asked.parent, asked.service) == (TRACE, told.step, "plan")
    assert asked.attributes["accountability.run.id"] == RUN


def test_a_model_that_is_asked_in_a_step_nests_in_it_once_for_each_instrumentation(told: Told) -> None:
    """Although each of them has a trace of its own for the graph."""
    asked = told.others("FakeListChatModel")
    assert [(one.trace, one.parent, one.service) for one in asked] == [(TRACE, told.step, "plan")] * 2
    made = [one for one in told.theirs if one["name"].startswith("FakeListChatModel")]
    assert Counter(one.span for one in asked) == Counter(one["span"] for one in made)
    assert all(one["trace"] != TRACE for one in made)


def test_nothing_else_of_theirs_comes_by_our_outbox(told: Told) -> None:
    """LangGraph's nodes, which both of them trace, are no steps of ours; nor is a pause an error."""
    assert len(told.came) == len(told.called_for) + 3
    nodes = [one for one in told.theirs if one["name"] in ("plan", "execute_task plan")]
    assert len(nodes) == 2, "they do trace the nodes"
    assert not any(told.others(one["name"]) for one in nodes)
    assert any(one["name"] == "execute_task _rest" and one["status"] == "ERROR" for one in told.theirs), (
        "one of them marks the pause as an error; if no more, the guide has to say so"
    )


def test_an_effect_is_sent_under_our_own_span(told: Told) -> None:
    """An instrumented client would write its own header over ours, and make a span beside ours."""
    (call,) = (span for span in told.came if span.name == "POST")
    assert told.traceparent == f"00-{TRACE}-{call.span}-01"
    assert [one["name"] for one in told.theirs if one["scope"].endswith("httpx")] == ["GET"]
