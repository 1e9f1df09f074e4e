"""The view of a run: what one worker knows of it while it holds its lease.

1. It is loaded from rows and kept up with each committed transaction; nothing in it is true that is not in the
   database.
2. A combination is *ready* until its step is recorded. That is all that "unprocessed" means; it is derived, never
   stored.
3. Everything here is pure bookkeeping: no I/O, no time, no user code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from answerable.agents.messages import Message
from answerable.agents.nodes import Effect
from answerable.orchestrator.graph import END_NAME, Graph
from answerable.orchestrator.running.crossing import Crossing, Outflow, Scattered
from answerable.orchestrator.running.journal import GatherRow, StepRow
from answerable.orchestrator.running.matching import Arrival, Combination, Matcher
from answerable.orchestrator.scopes import Scope, gathered, land, longest
from answerable.tracing import ids


@dataclass(frozen=True, slots=True)
class Ready:
    """A combination whose step is not recorded yet. `consumed` maps inputs to crossing or gather ids."""

    step: str
    node: str
    generation: int
    scope: Scope
    combination: Combination

    @property
    def consumed(self) -> dict[str, str]:
        return {name: arrival.id for name, arrival in self.combination.items()}

    @property
    def completed_by(self) -> Arrival:
        """The arrival that came last, and so let the step begin."""
        return max(self.combination.values(), key=lambda arrival: (arrival.sent, arrival.id))


class RunView:
    """The state of one run, as its worker sees it."""

    def __init__(self, graph: Graph, run: str) -> None:
        self.graph = graph
        self.run = run
        self.steps: dict[str, StepRow] = {}
        self.crossings: dict[str, Crossing] = {}
        self.messages: dict[str, Message] = {}
        self.scatters: dict[tuple[str, str], Scattered] = {}
        self.closed: dict[tuple[str, str, str], GatherRow] = {}  # gathering edge, scattering edge, scattering step
        self.gathers: dict[str, GatherRow] = {}
        self.waiting_to_gather: dict[tuple[str, str, str], list[Crossing]] = defaultdict(list)
        self.in_doubt: dict[str, str] = {}  # step → effect
        self.blocked: set[str] = (
            set()
        )  # steps that something holds back (a freeze, a handover), for the rest of this execution
        self.again_at: int | None = None  # when what could not be known is to be tried again (microseconds)
        self._claimed: set[str] = set()  # steps that this worker has begun
        self._ready: dict[str, dict[str, Ready]] = defaultdict(dict)
        self._matchers = {
            node: Matcher({input.name: graph.depth(node, input.name) for input in graph.inputs(node)})
            for node in graph.nodes
        }

    # -- what is known ------------------------------------------------------------------------------------------------

    def load(
        self,
        steps: Iterable[StepRow],
        crossings: Iterable[Crossing],
        scatters: Iterable[Scattered],
        gathers: Iterable[GatherRow],
    ) -> None:
        """Take what the database holds. Steps first: they tell which combinations are recorded."""
        for step in steps:
            self.steps[step.id] = step
        for scatter in scatters:
            self.add_scatter(scatter)
        for crossing in sorted(crossings, key=lambda crossing: (crossing.sent, crossing.id)):
            self.add_crossing(crossing)
        for gather in gathers:
            self.add_gather(gather)

    def add_step(self, step: StepRow) -> None:
        """A step was begun, or ended."""
        self.steps[step.id] = step
        if step.state != "running":
            self._ready[step.node].pop(step.id, None)

    def add_outflow(self, out: Outflow) -> set[str]:
        """A step's output was committed; the nodes that have something to do for it."""
        for scatter in out.scatters:
            self.add_scatter(scatter)
        for one in out.messages:
            self.messages[one.id] = one.message
        return {crossing.target for _, crossing, _ in out.crossings if self.add_crossing(crossing)}

    def follower(self, out: Outflow) -> Ready | None:
        """What `out` will make ready when it is committed, if that is one step which needs nothing else."""
        if len(out.crossings) != 1:
            return None
        ((edge, crossing, _),) = out.crossings
        if edge.gather or edge.target == END_NAME or len(self.graph.inputs(edge.target)) > 1:
            return None
        return self._ready_step(edge.target, {edge.input: Arrival(crossing.id, crossing.scope, crossing.sent)})

    def add_scatter(self, scatter: Scattered) -> None:
        """A list was taken apart."""
        self.scatters[scatter.edge, scatter.step] = scatter

    def add_crossing(self, crossing: Crossing) -> bool:
        """A message crossed an edge; whether its target has something new to do."""
        if crossing.id in self.crossings:
            return False
        self.crossings[crossing.id] = crossing
        edge = self.graph.edge(crossing.edge)
        if edge.gather:
            scatter, _ = gathered(crossing.scope, edge)
            self.waiting_to_gather[edge.id, scatter.edge, scatter.step].append(crossing)
            return False
        return self._arrive(crossing.target, crossing.input, Arrival(crossing.id, crossing.scope, crossing.sent))

    def add_gather(self, gather: GatherRow) -> str:
        """A gather was closed; its target, if that has something new to do, else ""."""
        self.closed[gather.edge, *gather.scatter] = gather
        self.gathers[gather.id] = gather
        around = self.scatters[gather.scatter].scope
        edge, scope = land(around, self.graph.edge(gather.edge), self.graph, step="")
        found = self._arrive(edge.target, edge.input, Arrival(gather.id, scope, gather.sent))
        return edge.target if found else ""

    def _arrive(self, node: str, input: str, arrival: Arrival) -> bool:
        if node == END_NAME:
            return False
        found = False
        for combination in self._matchers[node].add(input, arrival):
            ready = self._ready_step(node, combination)
            if ready is not None:
                self._ready[node][ready.step] = ready
                found = True
        return found

    def _ready_step(self, node: str, combination: Combination) -> Ready | None:
        scope = longest(arrival.scope for arrival in combination.values())
        generation = 0
        while True:
            step = step_id(self.run, node, combination, generation)
            known = self.steps.get(step)
            if known is None or known.state == "running":
                return Ready(step, node, generation, scope, combination)
            if known.state != "superseded":
                return None
            generation += 1

    # -- what follows from it -----------------------------------------------------------------------------------------

    def ready(self, node: str) -> list[Ready]:
        """What this node has to do, in a stable order. Steps that wait to be settled are not among it."""
        found = self._ready.get(node)
        if not found:
            return []
        return [found[step] for step in sorted(found) if step not in self.in_doubt and step not in self.blocked]

    def claim(self, node: str) -> list[Ready]:
        """What this node has to do and nobody here has begun; whoever calls this begins it."""
        unclaimed = [ready for ready in self.ready(node) if ready.step not in self._claimed]
        self._claimed.update(ready.step for ready in unclaimed)
        return unclaimed

    def knows(self, node: str) -> bool:
        """Whether this node has, or had, anything to do."""
        return bool(self._ready.get(node)) or any(step.node == node for step in self.steps.values())

    def ready_nodes(self) -> list[str]:
        """The nodes that have something to do."""
        return [node for node in self.graph.order if self._ready.get(node) and self.ready(node)]

    def results(self) -> list[Crossing]:
        """What crossed an edge to END, in an order that does not depend on time."""
        found = [crossing for crossing in self.crossings.values() if crossing.target == END_NAME]
        return sorted(found, key=lambda crossing: crossing.id)

    def leftovers(self) -> list[str]:
        """Crossings that no step took and no gather listed, by id."""
        taken = {id for step in self.steps.values() if step.state != "superseded" for id in step.consumed.values()}
        taken |= {item[1] for gather in self.gathers.values() for item in gather.items}
        taken |= {crossing.id for crossing in self.results()}
        return sorted(id for id in self.crossings if id not in taken)

    def live(self) -> Iterator[tuple[str, Scope]]:
        """Where something is still going on, as (node, scope): ready or running combinations, also those in doubt."""
        for node, combinations in self._ready.items():
            for ready in combinations.values():
                yield node, ready.scope

    # -- what a step takes --------------------------------------------------------------------------------------------

    def links(self, ready: Ready) -> tuple[str, ...]:
        """Every crossing that a step takes, a gather's items included."""
        taken: list[str] = []
        for arrival in ready.combination.values():
            gather = self.gathers.get(arrival.id)
            taken += [arrival.id] if gather is None else [crossing for _, crossing, _ in gather.items if crossing]
        return tuple(taken)

    def parent(self, ready: Ready) -> str:
        """The step whose message completed a combination; "" for the run itself.

        If that was a gather of nothing: the newest other message, or, where there is none, the step that scattered.
        """
        last = ready.completed_by.id
        gather = self.gathers.get(last)
        if gather is None:
            return self.crossings[last].step
        arrived = [crossing for _, crossing, _ in gather.items if crossing] or self.links(ready)
        newest = max(map(self.crossings.__getitem__, arrived), key=lambda one: (one.sent, one.id), default=None)
        return newest.step if newest else gather.scatter[1]

    def targets(self, ready: Ready) -> tuple[str, ...]:
        """The targets whose freeze stops a step: its node, and the edges that its messages crossed."""
        kind = "effect" if isinstance(self.graph.nodes[ready.node], Effect) else "agent"
        taken = [arrival.id for arrival in ready.combination.values()]
        crossed = [self.crossings[id].edge for id in taken if id in self.crossings]
        crossed += [self.gathers[id].edge for id in taken if id in self.gathers]
        return (f"{kind}:{ready.node}", *(f"edge:{edge}" for edge in crossed))


def step_id(run: str, node: str, combination: Combination, generation: int) -> str:
    """The id of the step that `node` runs with this combination: the same in every process and every attempt."""
    consumed = [f"{name}={arrival.id}" for name, arrival in combination.items()]
    return ids.derive(ids.STEP, run, node, *consumed, str(generation))
