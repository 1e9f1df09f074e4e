"""The reference interpreter: what a run of a declared system has to come to, worked out by brute force.

It was written from the rules of the dataflow, numbered here as there, and shares nothing with the product but the
declaration: no ids, no store, no scheduler, no time. It starts from nothing at each call, tries every combination again
after every step, and closes a gather only when all else is at rest. What it finds is therefore free of any order, and
the product has to find the same whatever the order was.

Everything has a *name*, a digest of what it came from (rule 1): a step of its node and of what it consumed, a crossing
of its step, edge and item. Two runs have the same dataflow exactly if the same names occur in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal, TypeAlias

from answerable.agents.messages import Message
from answerable.agents.nodes import Agent, Effect
from answerable.agents.outcomes import Ended, Expired, Failed, Rejected, Response
from answerable.approvals.node import AS_PROPOSED, DENIED, RESPONSE, Approval
from answerable.orchestrator.graph import END_NAME, START_NAME, Edge, Graph
from tests.reference.frames import Channels, Item, Scope, agree, may_equal

Status = Literal["waiting", "done", "denied", "failed", "stuck"]
Function: TypeAlias = Callable[..., Message | None]


class Trouble(Exception):
    """What an agent's function raises that fails on its input, and a receiver that refuses a call."""


class TooLarge(Exception):
    """A run has more steps than it may."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request: the step that made it, its approval, what is to be approved, and how often that was edited."""

    step: str
    approval: str
    message: Message
    edits: int = 0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a person (or, for "expire", nobody) says to a request."""

    kind: Literal["approve", "edit", "reject", "respond", "expire"]
    option: str = AS_PROPOSED
    text: str = ""
    edited: Message | None = None


Script: TypeAlias = Callable[[Asked], Answer | None]


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """One message on one edge; `index` is its place in the list if the edge takes messages apart."""

    name: str
    edge: str
    step: str
    index: int | None
    scope: Scope
    message: Message


@dataclass(frozen=True, kw_only=True)
class Step:
    """One execution of a node. `consumed` maps its inputs to names of crossings and gathers."""

    name: str
    node: str
    scope: Scope
    consumed: Mapping[str, str]
    state: Literal["done", "failed", "waiting"]
    denial: Message | None = None  # what an approval's no was


@dataclass(frozen=True, kw_only=True)
class Gather:
    """One scatter's results: for each way that one of its items took, the item's index and the name of a crossing, or
    "" and what the way ended as instead."""

    name: str
    edge: str
    scatter: tuple[str, str]  # edge, step
    size: int
    items: tuple[tuple[int, str, Message], ...]

    @property
    def absent(self) -> int:
        """How many items are not listed at all."""
        return self.size - len({index for index, _, _ in self.items})


@dataclass(frozen=True, kw_only=True)
class Account:
    """What a run came to. `steps`, `crossings` and `gathers` are by name."""

    status: Status
    steps: Mapping[str, Step]
    crossings: Mapping[str, Crossing]
    gathers: Mapping[str, Gather]
    requests: tuple[Asked, ...]  # those that are open
    results: tuple[Message, ...]
    leftovers: frozenset[str]


def interpret(
    graph: Graph,
    run_input: Message,
    *,
    functions: Mapping[str, Function],
    answers: Script = lambda _asked: None,
    effects: Function | None = None,
    accepted: frozenset[str] = frozenset(),
    most_steps: int = 1000,
) -> Account:
    """What a run of `graph` with this input has come to when it rests.

    `functions` are those of the agents, by name: plain, deterministic, and raising nothing but `Trouble`. `answers`
    says what each request is answered, or None while it waits. `effects` is given the name and the message of each
    effect that is let go, and returns what its receiver answers, or raises `Trouble`. `accepted` names the approvals
    whose exemption the Responsible Individual accepted.

    Raises: TooLarge if there are more than `most_steps` steps.
    """
    return _Run(graph, run_input, functions, answers, effects, accepted, most_steps).account()


def name_of(*parts: object) -> str:
    """A short digest of what something came from."""
    return sha256(repr(parts).encode()).hexdigest()[:20]


def step_name(node: str, consumed: Mapping[str, str]) -> str:
    """Rule 1: a step is its node and what it consumed, input by input."""
    return name_of("step", node, *(f"{input}={consumed[input]}" for input in sorted(consumed)))


def crossing_name(step: str, edge: str, index: int | None) -> str:
    """Rule 1: a crossing is a message on an edge; a step sends one on an edge, or one for each item of a list."""
    return name_of("crossing", step, edge, index)


def gather_name(edge: str, scatter: tuple[str, str]) -> str:
    """Rule 6: a gather belongs to one scatter."""
    return name_of("gather", edge, *scatter)


@dataclass(frozen=True)
class _Arrival:
    name: str
    scope: Scope
    value: Any  # a message, or the list of a gather


@dataclass(kw_only=True)
class _OpenGather:
    edge: Edge
    scatter: tuple[str, str]
    size: int
    around: Scope
    arrived: list[Crossing] = field(default_factory=list)

    @property
    def name(self) -> str:
        return gather_name(self.edge.id, self.scatter)

    def scope(self, index: int | None) -> Scope:
        return (*self.around, Item(*self.scatter, index))


class _Run:
    def __init__(
        self,
        graph: Graph,
        run_input: Message,
        functions: Mapping[str, Function],
        answers: Script,
        effects: Function | None,
        accepted: frozenset[str],
        most_steps: int,
    ) -> None:
        self.graph = graph
        self.input = run_input
        self.functions = functions
        self.answers = answers
        self.effects = effects
        self.accepted = accepted
        self.most_steps = most_steps
        self.channels = Channels(graph)
        self.arrivals: dict[tuple[str, str], list[_Arrival]] = {
            (node, input.name): [] for node in (*graph.nodes, END_NAME) for input in graph.inputs(node)
        }
        self.steps: dict[str, Step] = {}
        self.crossings: dict[str, Crossing] = {}
        self.open: dict[str, _OpenGather] = {}
        self.closed: dict[str, Gather] = {}
        self.waiting: list[Asked] = []

    def account(self) -> Account:
        """Run to rest (rule 11)."""
        self.send(START_NAME, "", "", (), self.input)
        while self.take_steps() or self.close_a_gather():
            pass
        results = tuple(arrival.value for arrival in self.ended())
        return Account(
            status=self.status(any_result=bool(results)),
            steps=self.steps,
            crossings=self.crossings,
            gathers=self.closed,
            requests=tuple(self.waiting),
            results=results,
            leftovers=self.leftovers(),
        )

    # rules 4, 5 and 10: combinations

    def take_steps(self) -> bool:
        """Run every combination that was not run yet; whether there was one."""
        before = len(self.steps)
        for node in self.graph.nodes:
            for consumed in self.combinations(node):
                name = step_name(node, {input: arrival.name for input, arrival in consumed.items()})
                if name not in self.steps:
                    self.run(name, node, consumed)
                if len(self.steps) > self.most_steps:
                    raise TooLarge
        return len(self.steps) > before

    def combinations(self, node: str) -> list[dict[str, _Arrival]]:
        """Every choice of one arrival for each input, all of whose scopes agree."""
        found: list[dict[str, _Arrival]] = [{}]
        for input in self.graph.inputs(node):
            found = [
                {**chosen, input.name: arrival}
                for chosen in found
                for arrival in self.arrivals[node, input.name]
                if all(agree(arrival.scope, other.scope) for other in chosen.values())
            ]
        return found

    def run(self, name: str, node: str, consumed: Mapping[str, _Arrival]) -> None:
        """Run one step and send what it gives (rule 2: its scope is the longest)."""
        scope = max((arrival.scope for arrival in consumed.values()), key=len)
        state: Literal["done", "failed", "waiting"] = "done"
        port, message, denial = "", None, None
        declared = self.graph.nodes[node]
        values = {input: arrival.value for input, arrival in consumed.items()}
        try:
            if isinstance(declared, Approval):
                port, message = self.ask(declared, name, *values.values())
                state = "waiting" if message is None else "done"
                denial = message if port == DENIED else None
            elif isinstance(declared, Effect):
                assert self.effects is not None, f"nobody answers the effect {node}"
                message = self.effects(node, *values.values())
            else:
                assert isinstance(declared, Agent)
                message = self.functions[node](**values)
        except Trouble:
            state = "failed"
        self.steps[name] = Step(
            name=name,
            node=node,
            scope=scope,
            consumed={input: arrival.name for input, arrival in consumed.items()},
            state=state,
            denial=denial,
        )
        if message is not None:
            self.send(node, port, name, scope, message)

    def ask(self, approval: Approval[Any], step: str, message: Message) -> tuple[str, Message | None]:
        """The port by which an approval lets something out, and what; nothing while it waits."""
        if approval.exempt is not None and approval.name in self.accepted and approval.exempt(message, self.input):
            return "", message
        edits = 0
        while True:
            asked = Asked(step=step, approval=approval.name, message=message, edits=edits)
            answer = self.answers(asked)
            if answer is None:
                self.waiting.append(asked)
                return "", None
            if answer.kind != "edit":
                return self.answered(approval, asked, answer)
            assert answer.edited is not None
            message, edits = answer.edited, edits + 1

    def answered(self, approval: Approval[Any], asked: Asked, answer: Answer) -> tuple[str, Message]:
        """What an answer lets out. Ids and times, which the product puts in, are left open."""
        if answer.kind == "approve":
            offered = {} if approval.options is None else approval.options(asked.message, self.input)
            return "", {**offered, AS_PROPOSED: asked.message}[answer.option]
        if answer.kind == "respond":
            return RESPONSE, Response(approval=approval.name, request="", by="", text=answer.text)
        if answer.kind == "expire":
            return DENIED, Expired(approval=approval.name, request="", waited_seconds=0)
        return DENIED, Rejected(approval=approval.name, request="", by="", reason=answer.text)

    # rules 2, 3, 7 and 8: crossings

    def send(self, node: str, port: str, step: str, scope: Scope, message: Message) -> None:
        """Let what a step gives cross every edge that carries it."""
        for edge in self.graph.edges:
            if (edge.source, edge.port) != (node, port) or edge.implicit or not isinstance(message, edge.carries):
                continue
            if edge.each is None:
                self.send_one(edge, step, scope, None, message)
                continue
            parts = list(getattr(message, edge.each))
            self.scatter(edge, step, scope, len(parts))
            for index, part in enumerate(parts):
                self.send_one(edge, step, scope, index, part)

    def send_one(self, edge: Edge, step: str, scope: Scope, index: int | None, message: Message) -> None:
        """Let one message (one item, with `each`) cross one edge, if the condition says yes."""
        if edge.when is not None and not edge.when(message):
            return
        if edge.gather:
            crossing = self.cross(edge, step, None, scope, message)
            of, _ = self.channels.around(edge, scope)
            assert of.edge is not None and of.step is not None
            self.open[gather_name(edge.id, (of.edge, of.step))].arrived.append(crossing)
            return
        item = None if index is None else Item(edge.id, step, index)
        ((taken, landed),) = self.channels.cross(edge, scope, item)
        crossing = self.cross(taken, step, index, landed, message)
        self.arrivals[taken.target, taken.input].append(_Arrival(crossing.name, landed, message))

    def cross(self, edge: Edge, step: str, index: int | None, scope: Scope, message: Message) -> Crossing:
        name = crossing_name(step, edge.id, index)
        assert name not in self.crossings, (edge, step, index)
        crossing = Crossing(name=name, edge=edge.id, step=step, index=index, scope=scope, message=message)
        self.crossings[name] = crossing
        return crossing

    # rules 6 and 7: gathers

    def scatter(self, edge: Edge, step: str, scope: Scope, size: int) -> None:
        """A list is taken apart: every gather that its items may reach is open from now on."""
        ((_, landed),) = self.channels.cross(edge, scope, Item(edge.id, step, None))
        place = landed.index(Item(edge.id, step, None))
        around = landed[:place]
        possible = self.channels.possible(edge.target, landed)
        for gathering, item, outer in self.channels.gathers_reached(edge.target, possible):
            if (item.edge, item.step) == (edge.id, step):
                assert may_equal(outer, around), (outer, around)
                opened = _OpenGather(edge=gathering, scatter=(edge.id, step), size=size, around=around)
                self.open[opened.name] = opened

    def close_a_gather(self) -> bool:
        """At rest: close one gather that nothing live can reach any more."""
        for gather in self.open.values():
            others = [other for other in self.open.values() if other is not gather]
            if not any(self.is_reached(gather, *place) for place in self.live(others)):
                self.close(gather)
                return True
        return False

    def live(self, gathers: list[_OpenGather]) -> Iterator[tuple[str, Scope]]:
        """Where something may still come from: unanswered requests, and gathers that are open."""
        for step in self.steps.values():
            if step.state == "waiting":
                yield step.node, step.scope
        for gather in gathers:
            for taken, landed in self.channels.cross(gather.edge, gather.around):
                if taken.target != END_NAME:
                    yield taken.target, self.channels.possible(taken.target, landed)

    def is_reached(self, gather: _OpenGather, node: str, scope: Scope) -> bool:
        """Whether what a step of `node` with this scope sends may come to `gather`, with a scope that agrees."""
        return any(
            edge is gather.edge and may_equal((*outer, item), gather.scope(None))
            for edge, item, outer in self.channels.gathers_reached(node, scope)
        )

    def close(self, gather: _OpenGather) -> None:
        """Bring one scatter's results together, and let the list cross."""
        del self.open[gather.name]
        items: list[tuple[int, str, Message]] = []
        for index in range(gather.size):
            arrived = [
                (index, crossing.name, crossing.message)
                for crossing in gather.arrived
                if self.channels.around(gather.edge, crossing.scope)[0].place == index
            ]
            items += arrived + self.endings(gather, index)
        self.closed[gather.name] = Gather(
            name=gather.name, edge=gather.edge.id, scatter=gather.scatter, size=gather.size, items=tuple(items)
        )
        ended = [Ended[Any](index=index, outcome=message) for index, _, message in items]
        ((taken, landed),) = self.channels.cross(gather.edge, gather.around)
        self.arrivals[taken.target, taken.input].append(_Arrival(gather.name, landed, ended))

    def endings(self, gather: _OpenGather, index: int) -> list[tuple[int, str, Message]]:
        """The ways of an item that ended without a result: failures, and each no that nothing takes up.

        Only those directly in this item: what ended in a scatter inside of it is told by the gather of that one.
        """
        return [
            (index, "", step.denial or Failed(node=step.node, error=""))
            for step in self.steps.values()
            if (step.state == "failed" or (step.denial is not None and not self.graph.outgoing(step.node, DENIED)))
            and [frame for frame in step.scope if isinstance(frame, Item)][-1:] == [Item(*gather.scatter, index)]
            and any(
                edge is gather.edge and (*outer, item) == gather.scope(index)
                for edge, item, outer in self.channels.gathers_reached(step.node, step.scope)
            )
        ]

    # rule 11: the end

    def ended(self) -> list[_Arrival]:
        """What reached END."""
        return [arrival for (node, _), found in self.arrivals.items() if node == END_NAME for arrival in found]

    def status(self, *, any_result: bool) -> Status:
        """How a run ends: by what it gave, or else by the gravest reason why it gave nothing."""
        if self.waiting:
            return "waiting"
        if any_result:
            return "done"
        if any(step.state == "failed" for step in self.steps.values()):
            return "failed"
        if any(step.denial is not None for step in self.steps.values()):
            return "denied"
        return "stuck"

    def leftovers(self) -> frozenset[str]:
        """Crossings that no step took, no gather listed, and that are no result."""
        taken = {name for step in self.steps.values() for name in step.consumed.values()}
        taken |= {name for gather in self.closed.values() for _, name, _ in gather.items}
        taken |= {arrival.name for arrival in self.ended()}
        return frozenset(set(self.crossings) - taken)
