"""Anchors: checkpoints outside the store; one that fails is kept, shown, tried again, and holds up nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from answerable.errors import InvalidInput
from answerable.testing import FakeClock
from answerable.tracing.clock import Micros
from answerable.tracing.export.anchor import open_otlp_anchor
from answerable.tracing.ledger.anchor_file import FileAnchor, anchor_file, read_checkpoints
from answerable.tracing.ledger.anchors import Anchoring, Place, anchored, open_anchors
from answerable.tracing.ledger.checkpoints import Checkpoint, sign_head
from answerable.tracing.ledger.merkle import Head
from answerable.tracing.spans.checkpoints import checkpoint_span
from answerable.tracing.spans.span import encode
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, open_store
from answerable.tracing.storage.tables.export import outbox
from tests.tracing.ledger.signers import ORIGIN, signer

pytestmark = pytest.mark.anyio


SPANS = Statement(select(outbox.c.data))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = open_store(store_url, clock=FakeClock())
    yield opened
    opened.close()


def at(size: int) -> Checkpoint:
    return sign_head(Head(size=size, root=size.to_bytes(32, "big")), signer())


class Shelf:
    """An anchor that keeps what it is given, unless it is closed."""

    def __init__(self) -> None:
        self.kept: list[Checkpoint] = []
        self.closed = False

    async def keep(self, checkpoint: Checkpoint, at: Micros) -> str:
        if self.closed:
            raise OSError(f"closed at {at}")
        self.kept.append(checkpoint)
        return "the shelf"


async def test_one_that_fails_is_shown_and_tried_again(store: Store) -> None:
    clock = store.clock
    assert isinstance(clock, FakeClock)
    good, bad = Shelf(), Shelf()
    bad.closed = True
    anchoring = Anchoring(store, {"good": good, "bad": bad})
    assert not await anchoring.keep(at(3), 1)
    one, other = await store.read(anchored)
    assert (one.name, one.size, one.tries, one.error) == ("bad", 0, 1, "OSError: closed at 1")
    assert (other.name, other.size, other.receipt, other.error) == ("good", 3, "the shelf", "")
    bad.closed = False
    assert not await anchoring.keep(at(4), 1)  # too early for another try
    clock.advance(1)
    assert await anchoring.keep(at(5), 1)
    assert good.kept == [at(3), at(4), at(5)] and bad.kept == [at(5)]
    assert await anchoring.keep(at(5), 1)
    assert bad.kept == [at(5)] and [one.error for one in await store.read(anchored)] == ["", ""]


async def test_when_a_process_ends_it_is_tried_at_once(store: Store) -> None:
    shelf = Shelf()
    shelf.closed = True
    anchoring = Anchoring(store, {"shelf": shelf})
    assert not await anchoring.keep(at(3), 1)
    shelf.closed = False
    assert not await anchoring.keep(at(3), 1)
    assert await anchoring.keep(at(3), 1, again=True)


async def test_a_file_is_only_added_to(store: Store, tmp_path: Path) -> None:
    path = anchor_file(ORIGIN, {"ANSWERABLE_ANCHOR_FOLDER": str(tmp_path / "there")})
    anchor = FileAnchor(path)
    for size in (1, 2, 3):
        before = path.read_text() if path.exists() else ""
        assert await anchor.keep(at(size), 1) == str(path)
        assert path.read_text().startswith(before)
    assert read_checkpoints(path.read_text()) == ([at(1), at(2), at(3)], 0)


async def test_a_half_written_checkpoint_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints"
    anchor = FileAnchor(path)
    await anchor.keep(at(1), 1)
    whole = path.read_text()
    for cut in range(1, len(whole)):
        path.write_text(whole + whole[:cut])
        await anchor.keep(at(2), 1)
        found, torn = read_checkpoints(path.read_text())
        assert found in ([at(1), at(2)], [at(1), at(1), at(2)])
        assert (torn > 0) == (len(found) == 2)
    for cut in range(len(whole) - 2):
        with pytest.raises(InvalidInput):
            read_checkpoints(whole[:cut])


async def test_a_checkpoint_leaves_as_a_span_of_its_own(store: Store) -> None:
    place = Place(store=store, origin=ORIGIN, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
    anchor = open_otlp_anchor(place)
    assert anchor is not None
    assert await anchor.keep(at(3), 7) == "http://127.0.0.1:4318/v1/traces"
    span = checkpoint_span(at(3), 7)
    assert await store.read(lambda tx: tx.all(SPANS)) == [(encode(span),)]
    assert span.parent == 0 and not span.links
    assert checkpoint_span(at(4), 7).trace != span.trace
    secret = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://nils:geheim@127.0.0.1:4318"}
    other = open_otlp_anchor(Place(store=store, origin=ORIGIN, environment=secret))
    assert other is not None
    assert await other.keep(at(4), 7) == "http://127.0.0.1:4318/v1/traces"


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({}, ["file"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, ["file", "otlp"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_SAMPLER": "always_off"}, ["file"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "ANSWERABLE_ANCHORS": "otlp"}, ["otlp"]),
        ({"ANSWERABLE_ANCHORS": "none"}, []),
    ],
)
async def test_which_anchors_are_used(store: Store, said: dict[str, str], names: list[str]) -> None:
    assert list(open_anchors(Place(store=store, origin=ORIGIN, environment=said))) == names


async def test_an_anchor_that_nobody_has(store: Store) -> None:
    with pytest.raises(InvalidInput, match="floppy"):
        open_anchors(Place(store=store, origin=ORIGIN, environment={"ANSWERABLE_ANCHORS": "file, floppy"}))
