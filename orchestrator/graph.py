"""The graph of an app: nodes, edges and loops, as data that was checked and never changes.

1. `System.build` makes a graph; nothing else does. Whoever holds one may rely on every rule in `checks.py`.
2. Whatever the runtime needs to know about an edge's effect on scopes was computed then and lies on the edge.
3. An edge's id is made of its own declaration alone, so neither order nor other edges change it:
   `forecast→allocate.forecast`, `sign-off.denied→report.ended`, `sign-off→dispatch.order[dispatches]` (taken apart),
   `review→draft.task:Feedback` (declared with `carries=`), `review→draft.task~END.result` (the way out of a loop
   whose budget is used up, instead of its back edge).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from answerable.agents.hints import Input
from answerable.agents.messages import Message
from answerable.agents.nodes import Node
from answerable.agents.outcomes import Failed
from answerable.agents.prioritization import Demand
from answerable.approvals.node import Approval
from answerable.approvals.rules.contexts import Place

START_NAME = "START"
END_NAME = "END"
RESULT = "result"

Condition: TypeAlias = Callable[[Any], bool]
Demands: TypeAlias = Callable[[Any], Mapping[str, Demand]]


@dataclass(frozen=True, kw_only=True)
class Loop:
    """A part of the graph that may repeat: its `nodes`, the `header` that every round begins with, and its budget.

    At most `at_most` rounds for each message that enters; what would begin one more goes to the node `then` instead.
    """

    name: str
    nodes: frozenset[str]
    header: str
    at_most: int
    then: str


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A declared channel from output `port` of `source` ("" is the ordinary one) to the input `input` of `target`.

    `carries` has the types of the source's messages that go on it. With `each`, every one of them is taken apart: the
    messages of type `item` in that attribute cross instead. With `gather`, the messages of one scatter cross together,
    as one `list[Ended[T]]`. `when` judges each message (with `each`: each item) before it crosses or is gathered.

    An `implicit` edge was not declared by `edge()`: it is the way out of a loop, crossed only where the back edge that
    names it as its `exit` is over budget.

    What crossing does to a scope, in this order (see `scopes.py`): a gather pops `leaves_inside` loop frames and its
    scatter's; `leaves` loop frames are popped; the frame of the loop `back` is incremented; `each` pushes a scatter
    frame; each loop of `enters`, outermost first, pushes iteration 0.
    """

    id: str
    source: str
    port: str
    target: str
    input: str
    carries: tuple[type[Message], ...]
    purpose: str
    when: Condition | None = None
    each: str | None = None
    item: type[Message] | None = None
    gather: bool = False
    implicit: bool = False
    leaves_inside: int = 0
    leaves: int = 0
    back: Loop | None = None
    enters: tuple[str, ...] = ()
    exit: str | None = None

    @property
    def crossing_types(self) -> tuple[type[Message], ...]:
        """The types that cross one by one: the items with `each`, else what it carries."""
        return (self.item,) if self.item is not None else self.carries

    @property
    def condition(self) -> str | None:
        """The name of `when`."""
        return None if self.when is None else self.when.__name__

    def __str__(self) -> str:
        return self.id


class ScatterShape(NamedTuple):
    """Statically: a frame of one of these scattering edges."""

    edges: frozenset[str]


class LoopShape(NamedTuple):
    """Statically: a frame of this loop."""

    loop: str


Shape: TypeAlias = tuple[ScatterShape | LoopShape, ...]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A checked graph.

    `nodes` has agents, approvals and effects by name, in the order of declaration (START and END are not among them);
    `order` has their names so that sources come before targets, back edges aside; `shapes` has, for each
    (node, input), what the scopes of all its crossings look like. `places` is filled by `places.py`.
    """

    system: str
    responsible: str
    tiers: tuple[str, ...]
    segment_after: float | None  # seconds
    demands: Demands | None
    nodes: Mapping[str, Node[Any, Any]]
    edges: tuple[Edge, ...]
    loops: tuple[Loop, ...]
    input_type: type[Message]
    output_type: type[Message]
    order: tuple[str, ...]
    shapes: Mapping[tuple[str, str], Shape]
    _by_id: dict[str, Edge] = field(init=False, repr=False, compare=False, default_factory=dict)
    _outgoing: dict[tuple[str, str], tuple[Edge, ...]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    _incoming: dict[tuple[str, str], tuple[Edge, ...]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    _reaches: dict[str, frozenset[str]] = field(init=False, repr=False, compare=False, default_factory=dict)
    places: dict[str, Place] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for edge in self.edges:
            self._by_id[edge.id] = edge
            into = (edge.target, edge.input)
            self._incoming[into] = (*self._incoming.get(into, ()), edge)
            if not edge.implicit:
                out = (edge.source, edge.port)
                self._outgoing[out] = (*self._outgoing.get(out, ()), edge)
        self._reaches.update(reachable(self.edges, [START_NAME, *self.nodes, END_NAME]))

    def edge(self, id: str) -> Edge:
        """The edge with this id.

        Raises: KeyError if there is none.
        """
        return self._by_id[id]

    def outgoing(self, node: str, port: str = "") -> tuple[Edge, ...]:
        """The edges that a message from this output may cross. Implicit ones are not among them: see `Edge.exit`."""
        return self._outgoing.get((node, port), ())

    def incoming(self, node: str, input: str) -> tuple[Edge, ...]:
        """The edges into this input, implicit ones included."""
        return self._incoming.get((node, input), ())

    def inputs(self, node: str) -> tuple[Input, ...]:
        """The inputs of a node; END has one, `result`."""
        if node == END_NAME:
            return (Input(name=RESULT, types=(self.output_type,)),)
        return self.nodes[node].inputs if node != START_NAME else ()

    def message_types(self) -> tuple[type[Message], ...]:
        """Every type that a message of a run may have, the run's input and result among them, each once."""
        kinds: list[type[Message]] = [self.input_type, self.output_type]
        for node in self.nodes.values():
            kinds.extend(
                kind
                for entry in node.inputs
                for kind in (*entry.types, *([] if entry.gathers is None else [entry.gathers]))
            )
            kinds.extend(node.outputs)
            if isinstance(node, Approval):
                kinds.extend((*node.denied.outputs, *node.response.outputs))
        kinds.extend(kind for edge in self.edges for kind in edge.crossing_types)
        return tuple(dict.fromkeys((*kinds, Failed)))

    def depth(self, node: str, input: str) -> int:
        """How many frames the scope of every crossing on this input has."""
        return len(self.shapes[node, input])

    def reaches(self, node: str) -> frozenset[str]:
        """The nodes that a message from `node` can lead to (itself only by way of a loop)."""
        return self._reaches[node]


def reachable(edges: Sequence[Edge], nodes: Sequence[str]) -> dict[str, frozenset[str]]:
    """For each node, the nodes that its edges lead to, directly or by way of others."""
    targets: dict[str, set[str]] = {node: set() for node in nodes}
    for edge in edges:
        targets[edge.source].add(edge.target)
    closure: dict[str, frozenset[str]] = {}
    for node in nodes:
        found: set[str] = set()
        waiting = list(targets[node])
        while waiting:
            target = waiting.pop()
            if target not in found:
                found.add(target)
                waiting.extend(targets[target])
        closure[node] = frozenset(found)
    return closure
