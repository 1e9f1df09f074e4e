"""The span of a checkpoint: a trace of its own, without a parent, so that it draws no edge between services.

Its ids are derived from the ledger and its size, and its bytes from the checkpoint alone: sent twice, it is one span.
"""

from __future__ import annotations

from typing import Final

from answerable.tracing import ids
from answerable.tracing.clock import Micros
from answerable.tracing.ledger.checkpoints import Checkpoint
from answerable.tracing.spans import attributes as key
from answerable.tracing.spans.span import INTERNAL, Origin, SpanData

SERVICE: Final = "ledger"
NAME: Final = "ledger checkpoint"


def checkpoint_span(checkpoint: Checkpoint, at: Micros) -> SpanData:
    """A checkpoint that was signed at that time, as a span without duration."""
    what = f"{checkpoint.origin} {checkpoint.head.size}"
    return SpanData(
        origin=Origin(system=checkpoint.origin, service=SERVICE, host=""),
        run="",
        trace=ids.trace_id(what),
        span=ids.span_id(what, "checkpoint"),
        parent=0,
        name=NAME,
        shows="checkpoint",
        kind=INTERNAL,
        start=at,
        end=at,
        pairs=[
            (key.LEDGER, checkpoint.origin),
            (key.LEDGER_SIZE, checkpoint.head.size),
            (key.LEDGER_CHECKPOINT, checkpoint.text),
        ],
    )
