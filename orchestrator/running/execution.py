"""An execution: one run, in one worker, while that worker holds the run's lease.

1. It holds the view of the run and writes through the journal; each method that writes is one transaction.
2. What stops a worker (a lost lease, a full disk) is kept in `abort`: every node then starts nothing more, siblings
   that are in flight end in peace, and the caller raises it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from answerable.agents.copies import own
from answerable.agents.messages import Message
from answerable.agents.nodes import Agent, Effect, Node
from answerable.agents.outcomes import Ended
from answerable.approvals.asking.quotas import source_of
from answerable.errors import LeaseLost
from answerable.orchestrator.graph import Edge, Graph
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.running import journal
from answerable.orchestrator.running.crossing import Crossing, Outflow, Written
from answerable.orchestrator.running.ending import Ending, Inward, StepEnd
from answerable.orchestrator.running.journal import Guard, StepRow
from answerable.orchestrator.running.loading import OUTCOMES, load_message
from answerable.orchestrator.running.sums import count, tally_of
from answerable.orchestrator.running.view import Ready, RunView
from answerable.orchestrator.running.worker import Worker
from answerable.orchestrator.runs import RunRow
from answerable.orchestrator.scopes import to_plain
from answerable.tracing.continuing import go_on
from answerable.tracing.failpoints import failpoint
from answerable.tracing.ledger.entries import append_all
from answerable.tracing.ledger.records.record import Record
from answerable.tracing.ledger.records.runs import ENDS
from answerable.tracing.ledger.records.steps import Crossed, StepFinished, StepStarted
from answerable.tracing.storage.store import Tx

T = TypeVar("T")

APPROVALS_SIDE_BY_SIDE = 16


@dataclass(kw_only=True)
class Execution:
    """One run in this worker. `fence` is the lease's number."""

    worker: Worker
    run: RunRow
    fence: int
    starter: str  # handle
    view: RunView
    leads: bool = False  # whether what becomes ready is run at once, by the task that made it ready
    abort: BaseException | None = None
    segment: int = field(init=False)  # which of the run's traces it works in
    given_up: set[str] = field(default_factory=set)  # revoked decisions that nobody is asked about anew
    facts_stood: set[str] = field(default_factory=set)  # decisions whose facts were read again and had not moved
    facts_turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _begun: dict[str, int] = field(default_factory=dict)  # step → its attempt, begun with the end of the step before
    _bounds: dict[str, asyncio.Semaphore] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.segment = self.run.segment

    @property
    def graph(self) -> Graph:
        return self.worker.graph

    def node(self, name: str) -> Node[Any, Any]:
        """The declared node of this name."""
        return self.graph.nodes[name]

    def side_by_side(self, node: Node[Any, Any]) -> asyncio.Semaphore:
        """What bounds how many steps of a node run at once in this worker."""
        found = self._bounds.get(node.name)
        if found is None:
            limit = node.options.limit if isinstance(node, Agent | Effect) else APPROVALS_SIDE_BY_SIDE
            found = self._bounds[node.name] = asyncio.Semaphore(limit)
        return found

    # -- messages -----------------------------------------------------------------------------------------------------

    async def message(self, id: str) -> Message:
        """A message of this run, from the view or the store. Raises: StoreCorrupt, InvalidMessage."""
        known = self.view.messages.get(id)
        if known is None:
            known = self.view.messages[id] = await self.worker.store.read(
                lambda tx: load_message(tx, self.worker.types, self.run.id, id)
            )
        return known

    async def run_input(self) -> Any:
        """The message that the run began with."""
        return await self.message(self.run.input)

    async def arguments(self, ready: Ready) -> dict[str, Any]:
        """What a step's function is given, its own, by input name: a message, or the list of a gather."""
        values: dict[str, Any] = {}
        for name, arrival in ready.combination.items():
            gather = self.view.gathers.get(arrival.id)
            if gather is None:
                values[name] = own(await self.message(self.view.crossings[arrival.id].message))
                continue
            ended: list[Ended[Any]] = []
            for index, crossing, outcome in gather.items:
                if outcome is None:
                    result = own(await self.message(self.view.crossings[crossing].message))
                else:
                    result = OUTCOMES[outcome["type"]].model_validate(outcome["fields"])
                ended.append(Ended.model_construct(index=index, outcome=result))
            values[name] = ended
        return values

    # -- writing ------------------------------------------------------------------------------------------------------

    async def write(self, work: Callable[[Tx, Guard], T], *, durable: bool = False) -> T:
        """One guarded transaction of this execution. Raises: LeaseLost, StoreError."""

        def guarded(tx: Tx) -> T:
            return work(tx, journal.guard(tx, self.run.id, self.fence))

        result = await self.worker.store.write(guarded, durable=durable)
        self.worker.committed()
        return result

    def stamp(self, guard: Guard, *through: str, at: int = 0) -> dict[str, Any]:
        """What every record of this run says: when (now, or `at`), where, who answers, how authority came to them."""
        return {
            "at": at or self.worker.store.clock.now(),
            "system": self.run.system,
            "run": self.run.id,
            "responsible": guard.responsible,
            "chain": (*through, guard.responsible),
        }

    async def begin(self, ready: Ready, *, effect: str = "", after: str = "", also: Sequence[str] = ()) -> int:
        """Record that a step begins an attempt, and return its number; 0 if the step is not to be run now.

        `effect` is the id of what it carries out; `after` is the error that ended the attempt before it. It is not to
        be run if it, its node's edge, the system or one of `also` is frozen, or if it is recorded already.
        """
        attempt = self._begun.pop(ready.step, 0)
        if attempt == 0:
            targets, parent = (*self.view.targets(ready), *also), self.view.parent(ready)
            failpoint("step:before-begin")

            def work(tx: Tx, guard: Guard) -> int:
                records: list[Record] = []
                begun = self._begin(tx, guard, ready, targets, parent, records, effect=effect, after=after)
                append_all(tx, records)
                return begun

            attempt = await self.write(work)
            failpoint("step:after-begin")
        if attempt == 0:
            self.view.blocked.add(ready.step)
        else:
            self.worker.progress(Progress(self.run.id, ready.node, "working"))
        return attempt

    def _begin(
        self,
        tx: Tx,
        guard: Guard,
        ready: Ready,
        targets: Sequence[str],
        parent: str,
        records: list[Record],
        *,
        effect: str = "",
        after: str = "",
        at: int = 0,
    ) -> int:
        """Begin a step; its record comes to `records`, all of which the transaction appends in one statement."""
        if guard.holds(*targets) or guard.status in ENDS:
            return 0
        now = at or self.worker.store.clock.now()
        if self.run.segment_after:
            append_all(tx, records)  # what they tell was before the run went on
            records.clear()
            self.segment = go_on(tx, self.run.id, at=now, works=True)
        attempt = journal.begin_step(
            tx,
            self.run.id,
            ready.step,
            node=ready.node,
            generation=ready.generation,
            scope=ready.scope,
            consumed=ready.consumed,
            now=now,
        )
        if attempt:
            what: dict[str, Any] = {
                "step": ready.step,
                "node": ready.node,
                "parent": parent,
                "effect": effect,
                "after": after,
            }
            records.append(StepStarted(**self.stamp(guard, at=at), **what, attempt=attempt, host=self.host))
        return attempt

    def _begin_next(
        self, tx: Tx, guard: Guard, sender: Ready, out: Outflow, inward: Inward | None, records: list[Record]
    ) -> StepEnd | None:
        """Begin the step that follows at once, if one alone does, in the transaction that makes it ready.

        An approval's that is `inward` ends there, too, unless it is held back; so it is returned.
        """
        ready = inward.ready if inward else self.view.follower(out) if self.leads else None
        if ready is None:
            return None
        node = self.node(ready.node)
        if isinstance(node, Effect) or self.side_by_side(node).locked():
            return None
        ((edge, crossing, _),) = out.crossings
        targets = [f"agent:{ready.node}", f"edge:{edge.id}"]
        if not isinstance(node, Agent):
            targets.append(source_of(sender.node, self.run.started_by))
        at = inward.at if inward else 0
        attempt = self._begun[ready.step] = self._begin(tx, guard, ready, targets, crossing.step, records, at=at)
        end = inward.settle(tx, guard) if inward and attempt else None
        if inward is None or end is None:
            return None
        records += self._write_end(tx, guard, ready, end, attempt=attempt, started_at=inward.at, parent=crossing.step)
        self._begin_next(tx, guard, ready, end.out, None, records)
        return StepEnd(ready, end, attempt)

    async def finish(
        self,
        ready: Ready,
        ending: Ending | Callable[[Tx, Guard], Ending],
        *,
        attempt: int,
        started_at: int,
        durable: bool = False,
        inward: Inward | None = None,
    ) -> set[str]:
        """Record a step's end with everything that follows from it; the nodes that have something to do now.

        An `ending` that is a function is computed in the transaction. If another worker recorded the step first,
        nothing is written. Raises: LeaseLost, StoreError, and what the function raises.
        """
        if self.graph.demands is not None:
            await self.run_input()  # so that it is known in the transaction
        parent = self.view.parent(ready)

        def work(tx: Tx, guard: Guard) -> list[StepEnd]:
            end = ending(tx, guard) if callable(ending) else ending
            at = inward.at if inward else 0
            how: dict[str, Any] = {"attempt": attempt, "started_at": started_at, "parent": parent}
            records = self._write_end(tx, guard, ready, end, at=at, **how)
            taken = self._begin_next(tx, guard, ready, end.out, inward, records)
            append_all(tx, records)
            failpoint("step:before-finish")
            return [StepEnd(ready, end, attempt), *([taken] if taken else [])]

        first, *taken = await self.write(work, durable=durable)
        failpoint("step:after-finish")
        woken = self._know(first)
        for one in taken:
            self.worker.progress(Progress(self.run.id, one.ready.node, "working"))
            woken = self._know(one)
        return woken

    def _write_end(
        self,
        tx: Tx,
        guard: Guard,
        ready: Ready,
        end: Ending,
        *,
        attempt: int,
        started_at: int,
        parent: str,
        at: int = 0,
    ) -> list[Record]:
        """Write a step's end; the records of it."""
        if not journal.finish_step(tx, self.run.id, ready.step, state=end.state, error=end.error):
            raise LeaseLost(f"another worker has recorded {ready.step}", hint="it goes on there")
        journal.write_messages(tx, self.run.id, end.produced)
        journal.write_outflow(tx, self.run.id, end.out)
        stamp, run_input = self.stamp(guard, at=at), self.view.messages.get(self.run.input)
        crossed = [self.crossed(edge, crossing, one, stamp, run_input) for edge, crossing, one in end.out.crossings]
        return [*end.records, self._finished(ready, end, stamp, attempt, started_at, parent), *crossed]

    def _know(self, one: StepEnd) -> set[str]:
        """Take a step's end into the view, now that it is committed; the nodes that have something to do for it."""
        ready, end = one.ready, one.end
        self._begun.pop(ready.step, None)
        for produced in end.produced:
            self.view.messages[produced.id] = produced.message
        fields = (ready.step, ready.node, ready.generation, one.attempt, end.state, ready.scope, ready.consumed)
        self.view.add_step(StepRow(*fields, end.error))
        woken = self.view.add_outflow(end.out)
        self.worker.progress(Progress(self.run.id, ready.node, end.state, detail=end.error))
        if end.waits_for:
            self.worker.progress(Progress(self.run.id, ready.node, "waiting", detail=end.waits_for))
        return woken

    def _finished(
        self, ready: Ready, end: Ending, stamp: Mapping[str, Any], attempt: int, started_at: int, parent: str
    ) -> StepFinished:
        node = self.node(ready.node)
        return StepFinished(
            **stamp,
            step=ready.step,
            node=ready.node,
            role="agent" if isinstance(node, Agent) else "effect" if isinstance(node, Effect) else "approval",
            owner=node.owner,
            generation=ready.generation,
            attempt=attempt,
            started_at=started_at,
            outcome=end.state,
            error=end.error,
            parent=parent,
            consumed=ready.consumed,
            links=self.view.links(ready),
            produced=tuple(one.ref for one in end.produced),
            dropped=tuple(end.out.dropped),
            host=self.host,
        )

    def crossed(
        self, edge: Edge, crossing: Crossing, one: Written, stamp: Mapping[str, Any], run_input: Message | None
    ) -> Crossed:
        """The record of one crossing, with the tally of a prioritization."""
        counted = count(self.graph, one.message, run_input)
        return Crossed(
            **stamp,
            crossing=crossing.id,
            edge=edge.id,
            source=edge.source,
            target=edge.target,
            port=edge.port,
            input=edge.input,
            step=crossing.step,
            purpose=edge.purpose,
            condition=edge.condition or "",
            message=one.ref,
            scope=tuple(tuple(frame) for frame in to_plain(crossing.scope)),
            tally=tally_of(counted),
            inversions=counted.inversions if counted else None,
            host=self.host,
        )

    @property
    def host(self) -> str:
        return self.worker.host
