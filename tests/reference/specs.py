"""Systems as plain data, so that they can be drawn, changed, printed and declared again, and what happens in them.

Everything that happens in a drawn world follows from its seed: what each agent returns or where it fails, what each
condition says, what each request is answered, and what the receiver makes of each call.
"""

from __future__ import annotations

import functools
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from answerable.agents.messages import Message
from answerable.agents.nodes import END, START
from answerable.agents.outcomes import Ended
from answerable.approvals.node import AS_PROPOSED, exemption
from answerable.orchestrator.app import App
from answerable.orchestrator.declaring.checks import GraphWarning
from answerable.orchestrator.graph import END_NAME, START_NAME
from tests.reference.interpreter import Account, Answer, Asked, Trouble, interpret
from tests.reference.systems import Batch, Item, Sketch, annotated, draw, face

Kinds: TypeAlias = tuple[type[Message], ...]


@dataclass(frozen=True, kw_only=True)
class Takes:
    """One input of an agent: the types that it takes one by one, and the type of the list that it takes, if it does."""

    kinds: Kinds = ()
    gathers: type[Message] | None = None

    @property
    def hint(self) -> Any:
        """The annotation that says so."""
        hints: list[Any] = [*self.kinds, *([] if self.gathers is None else [list[Ended[self.gathers]]])]  # type: ignore[name-defined]  # a type that is only known here
        return functools.reduce(operator.or_, hints)

    def __str__(self) -> str:
        return _told(self.kinds) + ("" if self.gathers is None else f"list of {self.gathers.__name__}")


@dataclass(frozen=True, kw_only=True)
class AgentSpec:
    """An agent that fails on `fails` of 16 inputs; `optional` says that it may return nothing."""

    name: str
    inputs: Mapping[str, Takes]
    outputs: Kinds
    optional: bool = False
    fails: int = 0

    def __str__(self) -> str:
        inputs = ", ".join(f"{name}: {takes}" for name, takes in self.inputs.items())
        fails = f", fails on {self.fails} of 16" if self.fails else ""
        return f"{self.name}({inputs}) -> {_told(self.outputs)}{' or nothing' if self.optional else ''}{fails}"


@dataclass(frozen=True, kw_only=True)
class ApprovalSpec:
    """An approval; with an alternative to choose, and with an exemption that the Responsible Individual accepted."""

    name: str
    of: type[Message]
    options: bool = False
    exempt: bool = False

    def __str__(self) -> str:
        more = (" with options" if self.options else "") + (" with an exemption" if self.exempt else "")
        return f"{self.name} of {self.of.__name__}{more}"


@dataclass(frozen=True, kw_only=True)
class EffectSpec:
    """An effect, and the approval that it names as its gate."""

    name: str
    of: type[Message]
    gate: str = ""

    def __str__(self) -> str:
        return f"{self.name} of {self.of.__name__}" + (f", gate {self.gate}" if self.gate else "")


@dataclass(frozen=True, kw_only=True)
class EdgeSpec:
    """One `edge()`; `when` says that it has a condition."""

    source: str
    target: str
    to: str | None = None
    port: str = ""
    carries: Kinds | None = None
    each: str | None = None
    gather: bool = False
    when: bool = False
    crossing: Kinds = (Item,)  # what the condition takes

    def __str__(self) -> str:
        source, target = f"{self.source}.{self.port}".rstrip("."), f"{self.target}.{self.to or ''}".rstrip(".")
        how = [f"carries {_told(self.carries)}"] if self.carries is not None else []
        how += [word for word, said in (("each", self.each), ("gather", self.gather), ("when", self.when)) if said]
        return f"{source} → {target} ({', '.join(how)})"


@dataclass(frozen=True, kw_only=True)
class LoopSpec:
    """One `loop()`."""

    nodes: tuple[str, ...]
    at_most: int
    then: str

    def __str__(self) -> str:
        return f"loop {' '.join(self.nodes)}, at most {self.at_most}, then {self.then}"


@dataclass(frozen=True, kw_only=True, repr=False)
class World:
    """A system and all that will happen in a run of it, printed as a listing for whoever reads a failed example."""

    seed: int
    input: type[Message]
    nodes: tuple[AgentSpec | ApprovalSpec | EffectSpec, ...]
    edges: tuple[EdgeSpec, ...]
    loops: tuple[LoopSpec, ...] = ()
    system: str = "sketch"

    def __repr__(self) -> str:
        lines = [f"World seed {self.seed}, begins with {self.input.__name__}", *map(str, (*self.nodes, *self.edges))]
        return "\n  ".join((*lines, *map(str, self.loops)))

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """How hypothesis prints it."""
        printer.text(repr(self))

    def declare(self) -> Sketch:
        """The system of this world.

        Raises: DeclarationError where it cannot be.
        """
        sketch = Sketch(self.system)
        known: dict[str, Any] = {START_NAME: START, END_NAME: END}
        for node in self.nodes:
            known[node.name] = _declare_node(sketch, self.seed, node, known)
        for edge in self.edges:
            source = known[edge.source]
            sketch.edge(
                getattr(source, edge.port) if edge.port else source,
                known[edge.target],
                to=edge.to,
                carries=edge.carries,
                each=edge.each,
                gather=edge.gather,
                when=condition(self.seed, edge) if edge.when else None,
            )
        for loop in self.loops:
            sketch.system.loop(*(known[name] for name in loop.nodes), at_most=loop.at_most, then=known[loop.then])
        return sketch

    def called(self, system: str) -> World:
        """The same system under another name, which the names of its nodes begin with."""
        names = {node.name: f"{system}.{node.name}" for node in self.nodes}
        nodes = [replace(node, name=names[node.name]) for node in self.nodes]
        return replace(
            self,
            system=system,
            nodes=tuple(
                replace(node, gate=names.get(node.gate, "")) if isinstance(node, EffectSpec) else node for node in nodes
            ),
            edges=tuple(
                replace(edge, source=names.get(edge.source, edge.source), target=names.get(edge.target, edge.target))
                for edge in self.edges
            ),
            loops=tuple(
                replace(loop, nodes=tuple(names[name] for name in loop.nodes), then=names[loop.then])
                for loop in self.loops
            ),
        )

    def case(self) -> Case:
        """What a run of this world begins with, and what happens in it.

        Raises: DeclarationError, GraphError.
        """
        sketch = self.declare()
        return Case(
            sketch=sketch,
            app=build(sketch, self.input),
            run_input=make(self.input, draw(self.seed, "input")),
            answer=functools.partial(_answer, self.seed, sketch),
            receive=functools.partial(_receive, self.seed),
            accepted=frozenset(node.name for node in self.nodes if isinstance(node, ApprovalSpec) and node.exempt),
        )


@dataclass(frozen=True, kw_only=True)
class Case:
    """A system with an input, and what its run is answered: by people, sooner or later, and by its receiver.

    `account` raises TooLarge if the run has more than `most_steps` steps.
    """

    sketch: Sketch
    app: App[Any, Item]
    run_input: Message
    answer: Callable[[Asked], Answer]
    receive: Callable[[str, Message], Item]
    accepted: frozenset[str] = frozenset()
    most_steps: int = 70  # larger runs find nothing that smaller ones do not

    def account(self, decided: Callable[[Asked], bool] = lambda _asked: True) -> Account:
        """What the run comes to, if those requests are answered that are `decided`."""
        return interpret(
            self.app.graph,
            self.run_input,
            functions=self.sketch.pure,
            answers=lambda asked: self.answer(asked) if decided(asked) else None,
            effects=self.receive,
            accepted=self.accepted,
            most_steps=self.most_steps,
        )


def build(sketch: Sketch, kind: type[Message]) -> App[Any, Item]:
    """The app of a sketch that goes from `kind` to an item. Raises: GraphError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GraphWarning)  # duplicates are a part of what is tested
        return sketch.system.build(kind, Item)


def _answer(seed: int, sketch: Sketch, asked: Asked) -> Answer:
    """What is answered to a request, sooner or later."""
    number = draw(seed, "answer", asked.step, asked.edits, face(asked.message))
    approval = sketch.approvals[asked.approval]
    choice, text = number % 16, f"reason {number % 5}"
    if choice < 2:
        return Answer(kind="reject", text=text)
    if choice < 3:
        return Answer(kind="expire")
    if choice < 5 and asked.edits < 2:
        return Answer(kind="edit", edited=make(approval.of, number >> 4))
    if choice < 9 and asked.approval in sketch.responded:
        return Answer(kind="respond", text=text)
    option = "other" if approval.options is not None and number & 16 else AS_PROPOSED
    return Answer(kind="approve", option=option)


def _receive(seed: int, effect: str, message: Message) -> Item:
    """What the receiver answers to the call of an effect. Raises: Trouble where it refuses."""
    number = draw(seed, "receiver", effect, face(message))
    if number % 8 == 0:
        raise Trouble
    return Item(value=number % 50)


def _told(kinds: Kinds) -> str:
    return "|".join(kind.__name__ for kind in kinds)


def make(kind: type[Message], number: int) -> Message:
    """A message of a type that follows from a number: values below 50, up to three items."""
    if kind is Batch:
        return Batch(items=[Item(value=draw(number, place) % 50) for place in range(number % 4)])
    return kind(value=number % 50)  # type: ignore[call-arg]  # Item and Again have a value


def condition(seed: int, edge: EdgeSpec) -> Callable[[Any], bool]:
    """A condition that says yes to three messages of four."""

    def sometimes(message: Any) -> bool:
        return draw(seed, "when", edge.source, edge.target, edge.to, face(message)) % 4 != 0

    made: Callable[[Any], bool] = annotated(sometimes, {"message": functools.reduce(operator.or_, edge.crossing)}, bool)
    return made


def behaviour(seed: int, agent: AgentSpec) -> Callable[..., Message | None]:
    """What an agent does with its inputs."""
    kinds: tuple[type[Message] | None, ...] = (*agent.outputs, *((None,) if agent.optional else ()))

    def act(**values: Any) -> Message | None:
        number = draw(seed, agent.name, sorted((name, face(value)) for name, value in values.items()))
        if number % 16 < agent.fails:
            raise Trouble
        kind = kinds[(number >> 4) % len(kinds)]
        return None if kind is None else make(kind, number >> 8)

    return act


def _declare_node(
    sketch: Sketch, seed: int, node: AgentSpec | ApprovalSpec | EffectSpec, known: Mapping[str, Any]
) -> Any:
    if isinstance(node, AgentSpec):
        inputs = {name: takes.hint for name, takes in node.inputs.items()}
        returned: list[Any] = [*node.outputs, *([None] if node.optional else [])]
        output = functools.reduce(operator.or_, returned) if len(returned) > 1 else returned[0]
        return sketch.agent(node.name, inputs, output, behaviour(seed, node))
    if isinstance(node, EffectSpec):
        return sketch.effect(node.name, node.of, gate=known[node.gate] if node.gate else None)
    return sketch.approval(
        node.name,
        node.of,
        options=_options(seed, node) if node.options else None,
        exempt=_exemption(seed, node) if node.exempt else None,
    )


def _options(seed: int, node: ApprovalSpec) -> Any:
    def options(message: Any, _run_input: Any) -> Any:
        return {"other": make(node.of, draw(seed, "option", node.name, face(message)))}

    return annotated(options, {"message": node.of, "_run_input": Message}, dict[str, node.of])  # type: ignore[name-defined]  # a type that is only known here


def _exemption(seed: int, node: ApprovalSpec) -> Any:
    def harmless(message: Any, run_input: Any) -> bool:
        return draw(seed, "exempt", node.name, face(message), face(run_input)) % 2 == 0

    return exemption(version=1)(annotated(harmless, {"message": node.of, "run_input": Message}, bool))
