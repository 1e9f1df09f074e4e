"""An execution: one run, in one worker, while that worker holds the run's lease.

1. It holds the view of the run and writes through the journal; each method that writes is one transaction.
2. What stops a worker (a lost lease, a full disk) is kept in `abort`: every node then starts nothing more, siblings
   that are in flight end in peace, and the caller raises it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from sqlalchemy import bindparam, select

from answerable.agents.copies import own
from answerable.agents.messages import Message
from answerable.agents.nodes import Agent, Effect, Node
from answerable.agents.outcomes import Ended, Expired, Failed, Rejected, Response
from answerable.agents.prioritization import Prioritization, Tally, tally, wrong_sums
from answerable.approvals.asking.quotas import source_of
from answerable.approvals.rules.judging import RuleBook
from answerable.approvals.sealing.keys import Key
from answerable.errors import Erased, InvalidMessage, LeaseLost, StoreCorrupt
from answerable.orchestrator.graph import Edge, Graph
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.running import journal
from answerable.orchestrator.running.accepted import Asking, AskingBook
from answerable.orchestrator.running.crossing import Crossing, Outflow, Written
from answerable.orchestrator.running.journal import Guard, StepRow
from answerable.orchestrator.running.view import Ready, RunView
from answerable.orchestrator.runs import ENDS, RunRow
from answerable.orchestrator.scopes import to_plain
from answerable.tracing import ids
from answerable.tracing.continuing import go_on
from answerable.tracing.failpoints import failpoint
from answerable.tracing.ledger.entries import append_all
from answerable.tracing.ledger.records.record import Record
from answerable.tracing.ledger.records.steps import Crossed, StepFinished, StepStarted
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, Tx
from answerable.tracing.storage.tables.runs import messages

T = TypeVar("T")

APPROVALS_SIDE_BY_SIDE = 16

_MESSAGE = Statement(
    select(messages.c.type, messages.c.version, messages.c.salt, messages.c.payload, messages.c.commitment).where(
        messages.c.run == bindparam("run"), messages.c.id == bindparam("message")
    )
)
OUTCOMES: Mapping[str, type[Message]] = {kind.__name__: kind for kind in (Rejected, Expired, Failed, Response)}


@dataclass(frozen=True, kw_only=True)
class Worker:
    """What all executions of a service share. `name` tells this process from others; `host` stands on records."""

    graph: Graph
    store: Store
    key: Key
    name: str
    host: str
    deps: Any
    origins: Mapping[str, str]
    types: Mapping[str, type[Message]]
    progress: Callable[[Progress], None]
    sampled: Callable[[str], bool]  # whether a run is projected to spans
    committed: Callable[[], None]  # told after each commit, so that what follows the ledger may go on
    rules: RuleBook = field(default_factory=RuleBook)
    asking: AskingBook = field(default_factory=AskingBook)

    async def asks(self, approval: str) -> Asking:
        """How an approval asks now, or did a moment ago. Raises: StoreError."""
        return await self.asking.get(self.graph, self.store, self.key, approval)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a step ended: what it produced, what left it, why it failed ("" if not), and other records of the fact.

    `waits_for` is the request that a person is to decide, or "".
    """

    produced: Sequence[Written] = ()
    out: Outflow = field(default_factory=Outflow)
    error: str = ""
    records: Sequence[Record] = ()
    waits_for: str = ""

    @property
    def state(self) -> Literal["done", "failed"]:
        return "failed" if self.error else "done"


@dataclass(frozen=True, kw_only=True)
class Inward:
    """An approval's step that may be taken in the transaction of the step before it (`inward.py`).

    `at` is when that ended and this began (microseconds), `ready` what it takes, `settle` writes what comes of it, and
    says None where that is left to a transaction of its own.
    """

    at: int
    ready: Ready
    settle: Callable[[Tx, Guard], Ending | None]


@dataclass(frozen=True, slots=True)
class StepEnd:
    """A step that a transaction ended, and with which attempt."""

    ready: Ready
    end: Ending
    attempt: int


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
                lambda tx: load_message(tx, self.worker, self.run.id, id)
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

    def count(self, message: Message, run_input: Message | None) -> Tally | None:
        """What a prioritization means, counted against the run's input; None for other messages."""
        if not isinstance(message, Prioritization) or self.graph.demands is None:
            return None
        return tally(message, self.graph.demands(run_input), self.graph.tiers)

    def check_sums(self, message: Message, run_input: Message | None) -> None:
        """Raises: InvalidMessage where a prioritization serves what cannot be, held against the run's input."""
        if isinstance(message, Prioritization) and self.graph.demands is not None:
            wrong = wrong_sums(message, self.graph.demands(run_input))
            if wrong:
                more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
                raise InvalidMessage(
                    f"this {type(message).__name__} does not add up: {'; '.join(wrong[:5])}{more}",
                    hint="correct these numbers and try again",
                )

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
            targets, parent = (*frozen_by(self.graph, ready, self.view), *also), self.parent(ready)
            failpoint("step:before-begin")
            attempt = await self.write(
                lambda tx, guard: self._begin(tx, guard, ready, targets, parent, effect=effect, after=after)
            )
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
        *,
        effect: str = "",
        after: str = "",
        at: int = 0,
    ) -> int:
        if guard.holds(*targets) or guard.status in ENDS:
            return 0
        now = at or self.worker.store.clock.now()
        if self.run.segment_after:
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
            record = StepStarted(
                **self.stamp(guard, at=at),
                step=ready.step,
                node=ready.node,
                attempt=attempt,
                parent=parent,
                effect=effect,
                after=after,
                host=self.host,
            )
            append_all(tx, [record])
        return attempt

    def _begin_next(self, tx: Tx, guard: Guard, sender: Ready, out: Outflow, inward: Inward | None) -> StepEnd | None:
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
        attempt = self._begun[ready.step] = self._begin(tx, guard, ready, targets, crossing.step, at=at)
        end = inward.settle(tx, guard) if inward and attempt else None
        if inward is None or end is None:
            return None
        self._write_end(tx, guard, ready, end, attempt=attempt, started_at=inward.at, parent=crossing.step)
        self._begin_next(tx, guard, ready, end.out, None)
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
        parent = self.parent(ready)

        def work(tx: Tx, guard: Guard) -> list[StepEnd]:
            end = ending(tx, guard) if callable(ending) else ending
            at = inward.at if inward else 0
            self._write_end(tx, guard, ready, end, attempt=attempt, started_at=started_at, parent=parent, at=at)
            taken = self._begin_next(tx, guard, ready, end.out, inward)
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
    ) -> None:
        if not journal.finish_step(tx, self.run.id, ready.step, state=end.state, error=end.error):
            raise LeaseLost(f"another worker has recorded {ready.step}", hint="it goes on there")
        journal.write_messages(tx, self.run.id, end.produced)
        journal.write_outflow(tx, self.run.id, end.out)
        stamp, run_input = self.stamp(guard, at=at), self.view.messages.get(self.run.input)
        crossed = [self.crossed(edge, crossing, one, stamp, run_input) for edge, crossing, one in end.out.crossings]
        finished = self._finished(ready, end, stamp, attempt, started_at, parent)
        append_all(tx, (*end.records, finished, *crossed))

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
            links=self.links(ready),
            produced=tuple(one.ref for one in end.produced),
            dropped=tuple(end.out.dropped),
            host=self.host,
        )

    def crossed(
        self, edge: Edge, crossing: Crossing, one: Written, stamp: Mapping[str, Any], run_input: Message | None
    ) -> Crossed:
        """The record of one crossing, with the tally of a prioritization."""
        counted = self.count(one.message, run_input)
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

    def parent(self, ready: Ready) -> str:
        """The step whose message completed a combination; "" for the run itself.

        If that was a gather of nothing: the newest other message, or, where there is none, the step that scattered.
        """
        last = ready.completed_by.id
        gather = self.view.gathers.get(last)
        if gather is None:
            return self.view.crossings[last].step
        arrived = [crossing for _, crossing, _ in gather.items if crossing] or self.links(ready)
        newest = max(map(self.view.crossings.__getitem__, arrived), key=lambda one: (one.sent, one.id), default=None)
        return newest.step if newest else gather.scatter[1]

    def links(self, ready: Ready) -> tuple[str, ...]:
        """Every crossing that a step takes, a gather's items included."""
        taken: list[str] = []
        for arrival in ready.combination.values():
            gather = self.view.gathers.get(arrival.id)
            taken += [arrival.id] if gather is None else [crossing for _, crossing, _ in gather.items if crossing]
        return tuple(taken)


def frozen_by(graph: Graph, ready: Ready, view: RunView) -> tuple[str, ...]:
    """The targets whose freeze stops a step: its node, and the edges that its messages crossed."""
    kind = "effect" if isinstance(graph.nodes[ready.node], Effect) else "agent"
    crossed = [
        view.crossings[arrival.id].edge for arrival in ready.combination.values() if arrival.id in view.crossings
    ]
    crossed += [view.gathers[arrival.id].edge for arrival in ready.combination.values() if arrival.id in view.gathers]
    return (f"{kind}:{ready.node}", *(f"edge:{edge}" for edge in crossed))


def tally_of(counted: Tally | None) -> dict[str, tuple[int, int]] | None:
    """A tally as records hold it: tier → (demand, served)."""
    return {line.tier: (line.demand, line.served) for line in counted.tiers} if counted else None


def load_message(tx: Tx, worker: Worker, run: str, id: str) -> Message:
    """A stored message, checked against its commitment. Raises: StoreCorrupt, Erased, InvalidMessage."""
    row = tx.one(_MESSAGE, run=run, message=id)
    if row is None:
        raise StoreCorrupt(f"message {id} is gone from the store", hint="`answerable ledger verify` tells what else is")
    name, version, salt, payload, promised = row
    if not payload:
        raise Erased(f"message {id} was erased", hint="a record of its run says by whom, and why")
    if ids.commitment(bytes(salt), bytes(payload)) != promised:
        raise StoreCorrupt(
            f"message {id} is not what was written", hint="`answerable ledger verify` tells what was changed"
        )
    kind = worker.types.get(name) or OUTCOMES.get(name)
    if kind is None:
        raise StoreCorrupt(f"message {id} is a {name}, which this app does not know", hint="use the app that wrote it")
    return kind.from_bytes(bytes(payload), version=version)
