"""Checkpoints leave with the spans, without being asked for, and stand apart from them."""

from __future__ import annotations

import pytest

from answerable.tracing.ledger.checkpoints import KeyChain, read_checkpoint
from answerable.tracing.ledger.notes import read_key
from answerable.tracing.spans.attributes import LEDGER_CHECKPOINT
from tests.commands.conftest import Desk
from tests.support.otlp_receiver import Journal, http_receiver


def test_a_collector_is_given_checkpoints(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANSWERABLE_ANCHORS")
    journal = Journal()
    with http_receiver(journal) as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url)
        desk.waiting()
        said = desk.json("ledger", "status")
    assert {one["name"]: one["tail"] for one in said["anchors"]} == {"file": 0, "otlp": 0}
    sent = [one for one in journal.spans if one.name == "ledger checkpoint"]
    others = {one.trace for one in journal.spans if one not in sent}
    assert len({one.trace for one in sent} - others) == len(sent)  # each in a trace of its own
    assert {(one.parent, one.service) for one in sent} == {("", "ledger")}
    checkpoints = [read_checkpoint(one.attributes[LEDGER_CHECKPOINT]) for one in sent]
    assert max(one.head.size for one in checkpoints) == said["records"]
    chain = KeyChain([read_key(said["public_key"])])
    assert {chain.check(one) for one in checkpoints} == {read_key(said["public_key"])}
