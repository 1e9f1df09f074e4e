"""Resending: spans once more, from the ledger, with the same bytes as before.

A collector that has them already drops them or shows them once; one that has forgotten them has them again. Other
libraries' spans are not in the ledger: of those only what a collector rejected can be sent again.
"""

from __future__ import annotations

from answerable.tracing.export.outbox import outgoing, put_again
from answerable.tracing.ledger.placed import placed_of
from answerable.tracing.ledger.sequencer import sequence_all
from answerable.tracing.spans.projection import project_all
from answerable.tracing.storage.store import Store


async def resend(store: Store, run: str) -> int:
    """Project a run again from the ledger and put all of its spans into the outbox; how many. Raises: StoreError."""
    await sequence_all(store)
    now = store.clock.now()
    return await store.write(lambda tx: put_again(tx, run, lambda: outgoing(project_all(placed_of(tx, run))), at=now))
