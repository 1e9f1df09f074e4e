"""Rest: what happens when every branch has come to rest.

In this order: deny what is overdue; wake what is ready; route what was decided; close the gathers that can close;
finish if nothing is left to wait for; else say what is waited for. Finishing looks for *unrouted* requests in its own
transaction, not for undecided ones: a decision that is committed in between is then routed and not lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from answerable.agents.outcomes import Expired, Rejected
from answerable.approvals.decisions import Decision, decision_on, expire
from answerable.approvals.node import DENIED
from answerable.approvals.requests import RequestRow, requests_of
from answerable.errors import StoreCorrupt
from answerable.orchestrator import journal
from answerable.orchestrator.asking import route
from answerable.orchestrator.execution import Execution
from answerable.orchestrator.gathering import Gathering, Live, Lost, failure, outcome_of
from answerable.orchestrator.journal import GatherRow, Guard
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.runs import set_resting, set_status
from answerable.tracing.failpoints import failpoint
from answerable.tracing.ledger import append
from answerable.tracing.records import GatherClosed, MessageRef, RunEnded, RunRested
from answerable.tracing.store import Tx
from answerable.tracing.waking import wake_at

Status = Literal["done", "denied", "stuck", "failed"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a run at rest waits for: requests, effects in doubt, and whether a freeze or handover holds steps back."""

    requests: tuple[str, ...]
    in_doubt: tuple[str, ...]
    blocked: bool

    def payload(self) -> dict[str, object]:
        """What LangGraph's interrupt shows."""
        return {"requests": list(self.requests), "in_doubt": list(self.in_doubt), "frozen": self.blocked}


async def at_rest(execution: Execution, gathering: Gathering) -> list[str] | Waiting | None:
    """One round: the nodes to go to; or what is waited for; or None when the run has ended.

    Raises: LeaseLost, StoreError.
    """
    view = execution.view
    woken = set(view.ready_nodes())
    if woken:
        return sorted(woken)
    known = await _requests(execution)
    for request, decision in known:
        if decision is not None and not request.routed:
            if not decision.genuine(execution.worker.key):
                raise StoreCorrupt(
                    f"the decision on {request.id} was not made by this system: its MAC is wrong",
                    hint="nothing was sent; `answerable ledger verify` tells what was changed",
                )
            woken |= await route(execution, request, decision)
    if woken or any(decision is not None and not request.routed for request, decision in known):
        return sorted(woken) or await at_rest(execution, gathering)
    live = [Live(node, scope) for node, scope in view.live()]
    waiting = [request for request, decision in known if decision is None and request.state == "open"]
    live += [Live(request.approval, view.steps[request.step].scope) for request in waiting]
    gathers = gathering.closable(view, live, _lost(execution, known), now=execution.worker.store.clock.now())
    if gathers:
        woken = {node for gather in gathers if (node := await _close(execution, gather))}
        return sorted(woken) or await at_rest(execution, gathering)
    if waiting or view.in_doubt or view.blocked:
        return await _rest(execution, waiting)
    return None if await _finish(execution, known) else await at_rest(execution, gathering)


async def _requests(execution: Execution) -> list[tuple[RequestRow, Decision | None]]:
    """All requests of the run with their decisions; those that are overdue are denied first."""
    clock, key, run = execution.worker.store.clock, execution.worker.key, execution.run.id

    def read(tx: Tx) -> list[tuple[RequestRow, Decision | None]]:
        return [(request, decision_on(tx, request.id)) for request in requests_of(tx, run)]

    found = await execution.worker.store.read(read)
    now = clock.now()
    overdue = [request.id for request, _ in found if request.state == "open" and request.expires_at <= now]
    if not overdue:
        return found

    def deny(tx: Tx, _guard: Guard) -> None:
        for request in overdue:
            expire(tx, key, request, at=now)

    await execution.write(deny, durable=True)
    return await execution.worker.store.read(read)


def _lost(execution: Execution, known: list[tuple[RequestRow, Decision | None]]) -> Iterator[Lost]:
    """The ways that ended without a result: failed steps, and denials that no edge takes."""
    view = execution.view
    for step in view.steps.values():
        if step.state == "failed":
            yield Lost(step.node, step.scope, failure(step.node, step.error))
    for request, decision in known:
        if decision is None or execution.graph.outgoing(request.approval, DENIED):
            continue
        scope = view.steps[request.step].scope
        if decision.outcome == "rejected":
            no = Rejected(approval=request.approval, request=request.id, by=decision.by, reason=decision.reason)
            yield Lost(request.approval, scope, outcome_of(no))
        elif decision.outcome == "expired":
            late = Expired(
                approval=request.approval, request=request.id, waited_seconds=(decision.at - request.made_at) / 1e6
            )
            yield Lost(request.approval, scope, outcome_of(late))


async def _close(execution: Execution, gather: GatherRow) -> str:
    scatter = execution.view.scatters[gather.scatter]

    def work(tx: Tx, guard: Guard) -> None:
        journal.write_gather(tx, execution.run.id, gather)
        append(
            tx,
            GatherClosed(
                **execution.stamp(guard),
                gather=gather.id,
                edge=gather.edge,
                size=scatter.size,
                items=tuple(
                    (index, crossing, outcome["type"] if outcome else "") for index, crossing, outcome in gather.items
                ),
                absent=scatter.size - len({index for index, _, _ in gather.items}),
            ),
        )
        failpoint("gather:before-commit")

    await execution.write(work)
    failpoint("gather:after-commit")
    return execution.view.add_gather(gather)


async def _rest(execution: Execution, waiting: list[RequestRow]) -> Waiting:
    rest = Waiting(
        requests=tuple(request.id for request in waiting),
        in_doubt=tuple(sorted(execution.view.in_doubt.values())),
        blocked=bool(execution.view.blocked),
    )
    status = "waiting" if rest.requests or rest.in_doubt else "frozen"

    def work(tx: Tx, guard: Guard) -> None:
        deadline = min((request.expires_at for request in waiting), default=None)
        set_resting(tx, execution.run.id, status, wake_at=None if rest.blocked else deadline)
        if any(decision_on(tx, request.id) is not None for request in waiting):  # decided since it was looked for
            wake_at(tx, execution.run.id, execution.worker.store.clock.now())
        append(
            tx,
            RunRested(
                **execution.stamp(guard),
                requests=rest.requests,
                in_doubt=rest.in_doubt,
                frozen=tuple(sorted(guard.frozen)),
            ),
        )
        failpoint("rest:before-commit")

    await execution.write(work)
    failpoint("rest:after-commit")
    return rest


async def _finish(execution: Execution, known: list[tuple[RequestRow, Decision | None]]) -> bool:
    """End the run, unless something came to be unrouted since; whether it ended."""
    view = execution.view
    results = view.results()
    failed = sorted(f"{step.node}: {step.error}" for step in view.steps.values() if step.state == "failed")
    denied = [decision for _, decision in known if decision and decision.outcome in ("rejected", "expired")]
    status: Status = "done" if results else "failed" if failed else "denied" if denied else "stuck"
    detail = "; ".join(failed) or ("nothing reached END" if status == "stuck" else "")
    if status == "denied":
        detail = "; ".join(filter(None, (decision.reason or decision.outcome for decision in denied)))
    leftovers = tuple(view.leftovers())
    result = results[0].message if results else ""
    commitment: MessageRef | None = None
    if results:
        stored = await execution.worker.store.read(lambda tx: journal.read_ref(tx, execution.run.id, result))
        commitment = stored

    def work(tx: Tx, guard: Guard) -> bool:
        if any(is_unrouted(request) for request in requests_of(tx, execution.run.id)):
            return False
        ended_at = execution.worker.store.clock.now()
        set_status(tx, execution.run.id, status, detail=detail[:2000], result=result, ended_at=ended_at)
        append(
            tx,
            RunEnded(
                **execution.stamp(guard), status=status, detail=detail[:2000], result=commitment, leftovers=leftovers
            ),
        )
        failpoint("end:before-commit")
        return True

    ended = await execution.write(work, durable=True)
    failpoint("end:after-commit")
    if ended:
        execution.worker.progress(Progress(execution.run.id, "END", "done" if status == "done" else "failed", status))
    return ended


def is_unrouted(request: RequestRow) -> bool:
    """Whether a request still has something to say: it is open, or decided and not routed onward."""
    return request.state == "open" or (request.state in ("decided", "expired") and not request.routed)
