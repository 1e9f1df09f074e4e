"""Verifying the traces of a run: look at the ledger, ask Jaeger, and look again if anything happened meanwhile.

A run may go on while it is verified: what Jaeger holds of it then, and the first look at the ledger did not see, is
looked up once more before it is said to be unknown.
"""

from __future__ import annotations

from answerable.tracing.export.comparison import Expected, TracesReport, compare, expected_of
from answerable.tracing.export.jaeger import Jaeger
from answerable.tracing.ledger.sequencer import sequence_all
from answerable.tracing.storage.store import Store


async def verify_traces(store: Store, jaeger: Jaeger, run: str) -> TracesReport:
    """What Jaeger holds of a run, against what the ledger says. Raises: JaegerUnavailable, StoreError."""
    expected = await _look(store, run)
    held = {trace: await jaeger.spans_of(trace) for trace in expected.traces}
    report = compare(expected, held)
    if report.unknown:
        report = compare(expected.and_then(await _look(store, run)), held)
    return report


async def _look(store: Store, run: str) -> Expected:
    await sequence_all(store)
    return await store.read(lambda tx: expected_of(tx, run))
