"""The anchor `otlp`: checkpoints leave with the spans, to a collector that keeps them elsewhere.

It is on where spans are exported. A checkpoint goes through the same outbox as every span, so none is lost; that it was
handed over means that it will leave, not that somebody has it already.
"""

from __future__ import annotations

from answerable.errors import StoreFull
from answerable.tracing.clock import Micros
from answerable.tracing.export import tallies
from answerable.tracing.export.outbox import Outgoing, put
from answerable.tracing.export.room import room
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.ledger.anchors import Place
from answerable.tracing.ledger.checkpoints import Checkpoint
from answerable.tracing.spans.checkpoints import checkpoint_span
from answerable.tracing.spans.span import encode
from answerable.tracing.storage.store import Store, Tx


class OtlpAnchor:
    """Puts checkpoints into the outbox, as spans."""

    def __init__(self, store: Store, settings: ExportSettings) -> None:
        self._store = store
        self._settings = settings

    async def keep(self, checkpoint: Checkpoint, at: Micros) -> str:
        """Put a checkpoint into the outbox; where it will be sent. Raises: StoreFull if the outbox is full."""
        span = checkpoint_span(checkpoint, at)
        one = Outgoing(span.key, "", encode(span), ours=False)  # no run has it, so no run's resending makes it again

        def work(tx: Tx) -> None:
            if room(tallies.value(tx, tallies.BYTES), self._settings) == "full":
                raise StoreFull("the outbox is full", hint="`answerable traces status` tells why")
            put(tx, [one], at=self._store.clock.now())

        await self._store.write(work)
        return self._settings.shown


def open_otlp_anchor(place: Place) -> OtlpAnchor | None:
    """The anchor `otlp`; None where no spans are exported. Raises: InvalidInput for settings that are none."""
    settings = ExportSettings.from_environment(place.environment)
    return OtlpAnchor(place.store, settings) if settings.endpoint and settings.ratio > 0 else None
