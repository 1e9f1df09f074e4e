"""Floods: what an approval does not ask people, because it is too large or too much.

1. What is shown for one request has a most. A larger one is a failure of its step: it reaches nobody, and stops
   nothing.
2. A source beyond its quota is frozen in a transaction of its own, with the numbers as its reason. Its further messages
   wait at the approval; those of every other source go on.
"""

from __future__ import annotations

from typing import Any, Final

from answerable.agents.nodes import START
from answerable.approvals.asking.quotas import exceeded, source_of
from answerable.approvals.node import Approval
from answerable.errors import InvalidMessage
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.view import Ready
from answerable.tracing.failpoints import failpoint
from answerable.tracing.freezes import freeze_source, hold_targets
from answerable.tracing.storage.store import Tx

MOST_SHOWN_BYTES: Final = 1024 * 1024  # of a message, and of all that is shown for one request


class QuotaReached(Exception):
    """A source may not ask now."""


def check_size(approval: Approval[Any], what: str, size: int) -> None:
    """Raises: InvalidMessage if so many bytes are more than one person is shown at once."""
    if size > MOST_SHOWN_BYTES:
        raise InvalidMessage(
            f"{what} for {approval.name} has {size:,} bytes, and a person is shown at most {MOST_SHOWN_BYTES:,}: nobody"
            " was asked. Let it say less, or take it apart with each="
        )


def source_of_step(execution: Execution, ready: Ready) -> str:
    """Whose quota the request of an approval's step counts for."""
    (arrival,) = ready.combination.values()
    sender = execution.view.crossings[arrival.id].step
    return source_of(execution.view.steps[sender].node if sender else START.node, execution.run.started_by)


def check_quota(tx: Tx, execution: Execution, approval: Approval[Any], source: str, *, at: int) -> None:
    """Raises: QuotaReached if this source has asked as much as it may."""
    if exceeded(tx, execution.run.system, source, approval.quota, at=at):
        raise QuotaReached


async def stop_source(execution: Execution, approval: Approval[Any], source: str) -> bool:
    """Freeze a source that asked as much as it may; False if that is not so any more, since somebody decided."""
    worker, system = execution.worker, execution.run.system

    def stop(tx: Tx) -> str:
        if source in hold_targets(tx, system):  # locked in the order in which whoever asks locks, too
            return "another worker froze it"
        now = worker.store.clock.now()
        why = exceeded(tx, system, source, approval.quota, at=now)
        if why:
            freeze_source(tx, system, source, reason=f"{approval.name}: {why}", at=now)
        failpoint("flood:before-commit")
        return why

    why = await worker.store.write(stop, durable=True)
    worker.committed()
    if why:
        worker.progress(Progress(execution.run.id, approval.name, "frozen", detail=why))
    return bool(why)
