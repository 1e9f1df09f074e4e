"""The embedded engine: advances the runs of an app that want to be advanced, in this process.

An engine promises: *call `advance(run)` again, at least once, one at a time per run, also after this machine died, and
at this time*. Here that is a look at `runs.wake_at`: it is the present when somebody decided, settled or thawed, the
deadline of a request while a person is awaited, and the end of the lease while a worker is busy, so a dead worker's
runs are taken up by whichever process looks next.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from answerable.errors import AnswerableError, RunBusy
from answerable.tracing.clock import micros
from answerable.tracing.waking import due_runs, wake_at

if TYPE_CHECKING:
    from answerable.orchestrator.runtime import Runtime  # which loads LangGraph

_log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5  # other processes wake runs, too
AGAIN_SECONDS: Final = 5.0  # after a run could not be advanced
SIDE_BY_SIDE: Final = 8  # runs


async def advance_due(runtime: Runtime) -> int:
    """Advance every run that is due, several side by side; how many there were. Raises: StoreError."""
    store, graph = runtime.worker.store, runtime.worker.graph
    now = store.clock.now()
    due = await store.read(lambda tx: due_runs(tx, graph.system, runtime.version, now=now, most=SIDE_BY_SIDE))
    await asyncio.gather(*(_advance(runtime, run) for run in due))
    return len(due)


async def serve(runtime: Runtime) -> None:
    """Advance what is due until cancelled."""
    while True:
        try:
            busy = await advance_due(runtime)
        except AnswerableError as error:
            _log.warning("runs wait: %s", error)
            busy = 0
        if not busy:
            await asyncio.sleep(LOOK_SECONDS)


async def _advance(runtime: Runtime, run: str) -> None:
    """One run. What it cannot do now is tried again later; another worker's run is left to it."""
    store = runtime.worker.store
    try:
        await runtime.advance(run)
    except RunBusy:
        return
    except Exception as error:  # noqa: BLE001 - one run that cannot go on does not stop the others
        _log.warning("%s waits: %s", run, error)
        await store.write(lambda tx: wake_at(tx, run, store.clock.now() + micros(AGAIN_SECONDS)))
