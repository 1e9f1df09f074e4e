"""Rest: what happens when every branch has come to rest.

In this order: wake what is ready; escalate and deny what is due; ask anew about what was revoked; route what was
decided; close the gathers that can close; finish if nothing is left to wait for; else say what is waited for. Finishing
looks for *unrouted* requests in its own transaction, not for undecided ones: a decision that is committed in between is
then routed and not lost. A decision that was not made by this system, or is not about what is stored now, releases
nothing: the attempt is a record, and the run waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from answerable.agents.outcomes import Expired, Rejected
from answerable.agents.texts import shortened
from answerable.approvals.asking.requests import RequestRow, get_request, unsettled_requests
from answerable.approvals.deciding.deciding import expire
from answerable.approvals.deciding.decisions import Decision, decision_on, distrust
from answerable.approvals.deciding.escalating import escalate
from answerable.approvals.gate import get_effect, refuse, refuse_unprepared
from answerable.approvals.node import DENIED
from answerable.approvals.sealing.keys import Key
from answerable.errors import LeaseLost
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.running import journal
from answerable.orchestrator.running.anew import ask_anew, revoked_and_standing
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.gathering import Gathering, Live, Lost, failure, outcome_of
from answerable.orchestrator.running.journal import GatherRow, Guard
from answerable.orchestrator.running.routing import route
from answerable.orchestrator.runs import set_resting, set_status
from answerable.tracing.failpoints import failpoint
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.record import MessageRef
from answerable.tracing.ledger.records.runs import ENDS, RunEnded, RunRested
from answerable.tracing.ledger.records.steps import GatherClosed
from answerable.tracing.storage.store import Tx
from answerable.tracing.waking import wake_at

LONGEST_DETAIL: Final = 2000  # characters of why a run ended
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
    if any(asked.revoked for asked in known) and await ask_anew(execution):
        return execution.view.ready_nodes() or await at_rest(execution, gathering)
    for asked in known:
        if asked.decision is not None and not asked.request.routed:
            woken |= await route(execution, asked.request, asked.decision)
    if woken or any(asked.decision is not None and not asked.request.routed for asked in known):
        return sorted(woken) or await at_rest(execution, gathering)
    live = [Live(node, scope) for node, scope in view.live()]
    waiting = [asked.request for asked in known if asked.waits]
    live += [Live(request.approval, view.steps[request.step].scope) for request in waiting]
    gathers = gathering.closable(view, live, _lost(execution, known), now=execution.worker.store.clock.now())
    if gathers:
        woken = {node for gather in gathers if (node := await _close(execution, gather))}
        return sorted(woken) or await at_rest(execution, gathering)
    if waiting or view.in_doubt or view.blocked:
        return await _rest(execution, waiting)
    return None if await _finish(execution, known) else await at_rest(execution, gathering)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with its decision. One that may not be acted on counts as none; `distrust` says why."""

    request: RequestRow
    decision: Decision | None
    distrust: str = ""

    @property
    def revoked(self) -> bool:
        return self.decision is not None and self.decision.revoked != ""

    @property
    def waits(self) -> bool:
        return self.decision is None and (self.request.state == "open" or self.distrust != "")


async def _requests(execution: Execution) -> list[Asked]:
    """The requests of the run, those of superseded steps aside; those that are overdue are denied first."""
    clock, key, run = execution.worker.store.clock, execution.worker.key, execution.run.id
    steps = execution.view.steps

    def read(tx: Tx) -> list[Asked]:
        found = unsettled_requests(tx, run)
        if any(request.step not in steps for request in found):  # a read is not guarded
            raise LeaseLost(f"another worker has taken {run} over", hint="it goes on there")
        return [_asked(tx, key, request) for request in found if not steps[request.step].superseded]

    found = await execution.worker.store.read(read)
    now = clock.now()
    due = [one for one in found if one.request.state == "open" and (one.request.escalates_at or now + 1) <= now]
    if due:

        def escalating(tx: Tx, _guard: Guard) -> None:
            for one in due:
                escalate(tx, key, get_request(tx, one.request.id), at=now)

        await execution.write(escalating, durable=True)
    overdue = [one.request.id for one in found if one.request.state == "open" and one.request.expires_at <= now]
    if overdue:

        def deny(tx: Tx, _guard: Guard) -> None:
            for request in overdue:
                expire(tx, key, request, at=now)

        await execution.write(deny, durable=True)
    if due or overdue:
        found = await execution.worker.store.read(read)
    distrusted = [one for one in found if one.distrust]
    if distrusted:
        await execution.write(lambda tx, guard: _refuse(tx, execution, guard, distrusted))
    return found


def _asked(tx: Tx, key: Key, request: RequestRow) -> Asked:
    decision = decision_on(tx, request.id)
    why = "" if decision is None or request.routed else distrust(tx, key, request, decision)
    return Asked(request, None if why else decision, why)


def _refuse(tx: Tx, execution: Execution, guard: Guard, distrusted: list[Asked]) -> None:
    """Record that a decision was not acted on: for each call that its request could have released, or once."""
    now, host, run = execution.worker.store.clock.now(), execution.host, execution.run
    for asked in distrusted:
        calls = [call["effect"] for option in asked.request.body["options"] for call in option["calls"]]
        for effect in filter(None, (get_effect(tx, call) for call in calls)):
            refuse(tx, effect, asked.distrust, responsible=guard.responsible, now=now, host=host)
        if not calls:
            refuse_unprepared(
                tx,
                system=run.system,
                run=run.id,
                name=asked.request.approval,
                responsible=guard.responsible,
                now=now,
                host=host,
                reason=asked.distrust,
            )


def _lost(execution: Execution, known: list[Asked]) -> Iterator[Lost]:
    """The ways that ended without a result: failed steps, and denials that no edge takes."""
    view = execution.view
    for step in view.steps.values():
        if step.state == "failed":
            yield Lost(step.node, step.scope, failure(step.id, step.node, step.error))
    for asked in known:
        request, decision = asked.request, asked.decision
        if decision is None or execution.graph.outgoing(request.approval, DENIED):
            continue
        scope = view.steps[request.step].scope
        if decision.outcome == "rejected":
            no = Rejected(approval=request.approval, request=request.id, by=decision.by, reason=decision.reason)
            yield Lost(request.approval, scope, outcome_of(decision.id, no))
        elif decision.outcome == "expired":
            late = Expired(
                approval=request.approval, request=request.id, waited_seconds=(decision.at - request.made_at) / 1e6
            )
            yield Lost(request.approval, scope, outcome_of(decision.id, late))


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
                scatter_edge=scatter.edge,
                scatter_step=scatter.step,
                lost=tuple(outcome["of"] for _, _, outcome in gather.items if outcome),
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
    waits = rest.requests or rest.in_doubt or execution.view.again_at is not None
    status = "waiting" if waits else "frozen"

    def work(tx: Tx, guard: Guard) -> None:
        if guard.status in ENDS:  # cancelled meanwhile
            return
        asked = [get_request(tx, request.id) for request in waiting if request.state == "open"]
        undecided = [request for request in asked if decision_on(tx, request.id) is None]
        clocks = [one for one in undecided if not guard.holds(f"agent:{one.approval}")]  # a freeze suspends
        clocked = [time for one in clocks for time in (one.expires_at, one.escalates_at) if time is not None]
        now = execution.worker.store.clock.now()
        again = [] if execution.view.again_at is None else [execution.view.again_at]
        set_resting(tx, execution.run.id, status, now=now, wake_at=min([*clocked, *again], default=None))
        since = any(request.state != "open" for request in asked)  # decided since it was looked for
        if since or revoked_and_standing(tx, execution):
            wake_at(tx, execution.run.id, now)
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


async def _finish(execution: Execution, known: list[Asked]) -> bool:
    """End the run, unless something came to be unrouted since; whether it is over."""
    view = execution.view
    results = view.results()
    failed = sorted(f"{step.node}: {step.error}" for step in view.steps.values() if step.state == "failed")
    decisions = [asked.decision for asked in known if asked.decision is not None]
    denied = [decision for decision in decisions if decision.outcome in ("rejected", "expired")]
    status: Status = "done" if results else "failed" if failed else "denied" if denied else "stuck"
    detail = "; ".join(failed) or ("nothing reached END" if status == "stuck" else "")
    if status == "denied":
        detail = "; ".join(filter(None, (decision.reason or decision.outcome for decision in denied)))
    # A person's words lie beside the ledger, not in it.
    recorded = detail if status != "denied" else "; ".join(sorted({decision.outcome for decision in denied}))
    leftovers = tuple(view.leftovers())
    result = results[0].message if results else ""
    commitment: MessageRef | None = None
    if results:
        stored = await execution.worker.store.read(lambda tx: journal.read_ref(tx, execution.run.id, result))
        commitment = stored

    def work(tx: Tx, guard: Guard) -> bool:
        if guard.status in ENDS:  # cancelled meanwhile
            return True
        asked = unsettled_requests(tx, execution.run.id)
        if any(is_unrouted(tx, request) for request in asked) or (asked and revoked_and_standing(tx, execution)):
            return False
        ended_at = execution.worker.store.clock.now()
        set_status(
            tx, execution.run.id, status, detail=shortened(detail, LONGEST_DETAIL), result=result, ended_at=ended_at
        )
        append(
            tx,
            RunEnded(
                **(execution.stamp(guard) | {"at": ended_at}),  # as its row says
                status=status,
                detail=shortened(recorded, LONGEST_DETAIL),
                result=commitment,
                leftovers=leftovers,
            ),
        )
        failpoint("end:before-commit")
        return True

    ended = await execution.write(work)
    failpoint("end:after-commit")
    if ended:
        execution.worker.progress(Progress(execution.run.id, "END", "done" if status == "done" else "failed", status))
    return ended


def is_unrouted(tx: Tx, request: RequestRow) -> bool:
    """Whether a request still has something to say: it is open, or decided and not routed onward."""
    if request.state == "open":
        return decision_on(tx, request.id) is None
    return request.state in ("decided", "expired") and not request.routed
