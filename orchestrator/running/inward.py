"""Inward: an approval that is taken in the transaction of the step before it.

1. Where an agent's output makes one approval's step ready and nothing else, and what would be asked can be computed at
   once, that step is begun and ended in the transaction that ends the agent's, and, if the message passes by itself,
   the step after it is begun there, too. The records are the same, in the same order; only the commits are fewer.
2. It is computed by what an approval's own step computes it by, and judged by the same rules. Whatever is not plain (a
   source beyond its quota, rules that changed, a function that raises) is left to that step, which then begins anew.
3. At once means: by functions that are quick and pure, as conditions are. An approval that has a function for options,
   facts or value takes its time in a step of its own, so that the step before it is recorded first; so does one whose
   exemption does not answer within `QUICK_SECONDS`.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from answerable.agents.messages import Message
from answerable.approvals.asking.quotas import source_of
from answerable.approvals.node import Approval
from answerable.orchestrator.running.asked import causes_of
from answerable.orchestrator.running.asking import exempted, settling
from answerable.orchestrator.running.crossing import Outflow
from answerable.orchestrator.running.ending import Ending, Inward
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.flooding import QuotaReached
from answerable.orchestrator.running.journal import Guard
from answerable.orchestrator.running.requesting import prepare_request
from answerable.orchestrator.running.ruling import RulesChanged
from answerable.orchestrator.running.view import Ready
from answerable.tracing.storage.store import Tx

QUICK_SECONDS: Final = 0.1


async def take_inward(execution: Execution, sender: Ready, out: Outflow) -> Inward | None:
    """The approval's step that the end of `sender`, with what leaves it, can take along; None if there is none."""
    ready = execution.view.follower(out) if execution.leads else None
    approval = execution.node(ready.node) if ready else None
    if ready is None or not isinstance(approval, Approval) or ready.generation or not _is_quick(approval):
        return None
    at = execution.worker.store.clock.now()
    ((_, _, one),) = out.crossings
    source = source_of(sender.node, execution.run.started_by)
    try:
        asking = await execution.worker.asks(approval.name)
        approval = asking.approval
        causes = await causes_of(execution, sender, sent=True)
        asked = await prepare_request(execution, approval, ready.step, ready.scope, one, causes)
        exempt = await _exempted(execution, approval, one.message)
        settle = await settling(execution, asking, asked, source=source, exempt=exempt, ruled=not exempt)
    except Exception:  # noqa: BLE001 - whatever it is, the approval's own step finds it, and says so
        return None

    def settle_here(tx: Tx, guard: Guard) -> Ending | None:
        try:
            return settle(tx, guard)
        except (RulesChanged, QuotaReached):
            return None

    return Inward(at=at, ready=ready, settle=settle_here)


def _is_quick(approval: Approval[Any]) -> bool:
    return approval.options is None and approval.facts is None and approval.value is None


async def _exempted(execution: Execution, approval: Approval[Any], message: Message) -> str:
    if approval.exempt is None:
        return ""
    async with asyncio.timeout(QUICK_SECONDS):
        return await exempted(execution, approval, message)
