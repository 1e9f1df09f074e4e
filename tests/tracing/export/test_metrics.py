"""What metrics say of a store, and that they keep to the conventions."""

from __future__ import annotations

import re
from functools import partial

import pytest

from answerable.tracing.export import metrics
from answerable.tracing.export.flow import Flow
from answerable.tracing.export.metrics import REGISTRY, Reading
from answerable.tracing.export.outbox import OVERHEAD, outgoing
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.ledger.entries import append_all
from answerable.tracing.ledger.records.runs import ENDS
from answerable.tracing.spans import attributes
from answerable.tracing.spans.projection import project_all
from answerable.tracing.storage.store import Store, open_store
from tests.support.story import whole_run

pytestmark = pytest.mark.anyio

NOWHERE = ExportSettings(endpoint="http://127.0.0.1:9/v1/traces", first_wait_seconds=60)


async def reading(store: Store, name: str, *, ahead_seconds: float = 0.0) -> dict[str, float]:
    now = store.clock.now() + round(ahead_seconds * 1e6)
    values = await store.read(lambda tx: REGISTRY[name].read(Reading(tx=tx, now=now, settings=NOWHERE)))
    return {" ".join(attributes.values()): value for attributes, value in values}


async def test_an_empty_store_has_a_value_for_everything(store_url: str) -> None:
    store = open_store(store_url)
    for name in REGISTRY:
        values = await reading(store, name)
        assert values and (name == metrics.OUTBOX_LIMIT or set(values.values()) == {0}), name
    store.close()


async def test_they_say_what_there_is(store_url: str) -> None:
    store = open_store(store_url)
    story = whole_run()
    await store.write(partial(append_all, many=story.records))
    assert await reading(store, metrics.LAG) == {"": len(story.records)}
    flow = Flow(store, NOWHERE)
    while await flow._advance():
        pass
    spans = outgoing(project_all(story.placed()))
    assert await reading(store, metrics.LAG) == {"": 0}
    assert await reading(store, metrics.OUTBOX_SPANS) == {"": len(spans)}
    assert await reading(store, metrics.OUTBOX_USAGE) == {"": sum(len(span.data) + OVERHEAD for span in spans)}
    (age,) = (await reading(store, metrics.OLDEST_SPAN, ahead_seconds=60)).values()
    assert age >= 60
    finished = [record.outcome for record in story.records if record.kind == "step.finished"]  # type: ignore[attr-defined]
    assert (await reading(store, metrics.STEPS))["done"] == finished.count("done") > 0
    store.close()


def test_names_and_units_follow_the_conventions() -> None:
    for one in REGISTRY.values():
        assert re.fullmatch(r"answerable(\.[a-z][a-z_]*)+", one.name)
        assert re.fullmatch(r"\{[a-z]+\}|s|By", one.unit)
        assert (one.instrument == "updowncounter" and one.unit.startswith("{")) <= one.name.endswith(".count")
        assert set(one.on) <= set(attributes.REGISTRY)
        assert not any(other.startswith(f"{one.name}.") for other in REGISTRY), "a name is no other one's beginning"


def test_every_state_has_a_value_from_the_beginning() -> None:
    assert set(metrics.RUN_STATES) == {"running", "waiting", "frozen", *ENDS}
