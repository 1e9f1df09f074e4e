"""Readings: recorded before they are shown, by whom, and what happens where nothing can be written."""

from __future__ import annotations

import pytest

from answerable.errors import InvalidInput
from answerable.tracing.evidence.handing.readings import record_reading
from answerable.tracing.ledger.entries import records_of
from answerable.tracing.ledger.records.every import AnyRecord
from answerable.tracing.ledger.records.kept import EvidenceRead
from answerable.tracing.ledger.records.people import PersonAdded
from answerable.tracing.people import find_person
from answerable.tracing.storage.store import Store, open_store


def _readings(records: list[AnyRecord]) -> list[EvidenceRead]:
    return [record for record in records if isinstance(record, EvidenceRead)]


async def _records(store: Store) -> list[AnyRecord]:
    return await store.read(lambda tx: [entry.record for entry in records_of(tx, "")])


@pytest.mark.anyio
async def test_a_reading_is_a_record_of_a_person(store_url: str) -> None:
    store = open_store(store_url)
    try:
        for form in ("terminal", "json"):
            assert await record_reading(store, by="erin", what="why", about=["run-1", "run-1", "eff-2"], form=form)
        records = await _records(store)
        person = await store.read(lambda tx: find_person(tx, "erin"))
        assert person is not None and person.roles == ()
        assert [one.person for one in records if isinstance(one, PersonAdded)] == [person.id]  # once
        first, second = _readings(records)
        assert (first.by, first.assurance, first.what, first.about) == (
            person.id,
            "asserted-local",
            "why",
            ("run-1", "eff-2"),
        )
        assert (first.form, second.form) == ("terminal", "json")
        assert "erin" not in first.model_dump_json()
    finally:
        store.close()


@pytest.mark.anyio
async def test_nobody_reads_under_a_name_that_is_none(store_url: str) -> None:
    store = open_store(store_url)
    try:
        with pytest.raises(InvalidInput):
            await record_reading(store, by="two words", what="why", about=[], form="json")
        assert await _records(store) == []
    finally:
        store.close()
