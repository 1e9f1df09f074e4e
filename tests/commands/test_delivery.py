"""`answerable traces status` and `resend`, with a collector that takes spans, refuses them, or is not there."""

from __future__ import annotations

import re

import anyio

from answerable.tracing.export.outbox import Outgoing, put
from answerable.tracing.storage.store import open_store
from tests.commands.conftest import Desk
from tests.support.otlp_receiver import Journal, http_receiver


def resend(desk: Desk, to: str, *words: str) -> str:
    """`answerable traces resend` where the collector is at this address; what it prints."""
    return desk("traces", "resend", *words, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=to).stdout


def test_what_waits_and_what_was_said_last(desk: Desk) -> None:
    desk.waiting()
    empty = desk.json("traces", "status")
    assert (empty["endpoint"], empty["waiting"], empty["oldest_at"], empty["last_error"]) == (None, 0, None, None)
    assert empty["records_not_projected"] > 0 and empty["room"] == "enough"
    assert "no endpoint is set here" in desk("traces", "status").stdout


def test_a_run_is_sent_again_with_the_same_bytes(desk: Desk) -> None:
    run, journal = desk.waiting(), Journal()
    with http_receiver(journal) as url:
        first = resend(desk, url, run.id[:12])
        (spans,) = re.findall(r"^(\d+) spans of 1 run were sent once more$", first.strip())
        sent = {span.data for span in journal.spans}
        assert len(sent) == int(spans) > 3
        resend(desk, url, "--since", "1h")
        assert {span.data for span in journal.spans} == sent
        desk("runs", "cancel", run.id, "--reason", "enough", "--as", "dora")
        assert "0 spans of 0 runs" in resend(desk, url, "--since", "2999-01-01")
    found = desk.json("traces", "status")
    assert (found["waiting"], found["rejected"], found["bytes"]) == (0, [], 0)
    assert found["last_accepted_at"] and found["accepted"] >= len(sent)


def test_without_an_endpoint_they_wait_in_the_outbox(desk: Desk) -> None:
    run = desk.waiting()
    said = desk("traces", "resend", run.id, "--json").stdout
    assert '"delivered": false' in said
    found = desk.json("traces", "status")
    assert found["waiting"] > 0 and found["oldest_at"] and found["bytes"] > 0
    desk("traces", "resend", run.id)
    assert desk.json("traces", "status")["waiting"] == found["waiting"], "none of them twice"


def test_what_was_rejected_is_listed_and_can_be_sent_again(desk: Desk) -> None:
    run, journal = desk.waiting(), Journal(status=400)
    with http_receiver(journal) as url:
        assert "the collector rejected" in resend(desk, url, run.id)
        found = desk.json("traces", "status")
        assert found["waiting"] == 0 and "400" in found["last_error"]
        assert {one["run"] for one in found["rejected"]} == {run.id}
        shown = desk("traces", "status").stdout
        assert run.id in shown and "answerable traces resend RUN" in shown and "last error, at" in shown
        journal.status = 200
        resend(desk, url, run.id)
    assert desk.json("traces", "status")["rejected"] == []
    assert len(journal.spans) > 3


def test_bad_input_is_said_clearly(desk: Desk) -> None:
    run = desk.waiting()
    assert "there is no run nobody" in desk("traces", "resend", "nobody", code=1).stderr
    assert "which runs?" in desk("traces", "resend", code=1).stderr
    assert "which runs?" in desk("traces", "resend", run.id, "--since", "2h", code=1).stderr
    assert "'soon' is no time" in desk("traces", "resend", "--since", "soon", code=1).stderr
    assert "ANSWERABLE_OUTBOX_BYTES" in desk("traces", "status", ANSWERABLE_OUTBOX_BYTES="much", code=1).stderr


def test_where_the_outbox_is_full_nothing_is_half_done(desk: Desk) -> None:
    desk.waiting()
    much = Outgoing("f" * 48, "", bytes(950_000), ours=False)
    store = open_store(desk.url)
    anyio.run(store.write, lambda tx: put(tx, [much], at=1))
    store.close()
    refused = desk("traces", "resend", "--since", "1d", code=1, ANSWERABLE_OUTBOX_BYTES="1000000").stderr
    assert "[outbox-full]" in refused and "0 of 1 runs are on their way" in refused
    assert desk.json("traces", "status")["waiting"] == 1
