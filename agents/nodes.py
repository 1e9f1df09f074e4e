"""Nodes: what stands in a coordination graph, and the ports that its edges are tied to.

A node is a declaration and nothing else: it does not run itself. `Source[T]` is where an edge of `T` may begin,
`Target[T]` where it may end, so that a wrong edge is an error in the editor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

from answerable.agents.hints import Input
from answerable.agents.messages import Message
from answerable.agents.options import Retry

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)

Guarantee = Literal["transactional", "idempotent", "queryable", "at_most_once"]


class Source(Generic[Out]):
    """Where an edge may begin: output `port` of the node called `node`, which gives messages of `outputs`.

    An empty port is the node's ordinary output.
    """

    def __init__(self, node: str, outputs: tuple[type[Message], ...], port: str = "") -> None:
        self.node = node
        self.outputs = outputs
        self.port = port

    def __repr__(self) -> str:
        return f"{self.node}.{self.port}" if self.port else self.node


class Target(Generic[In]):
    """Where an edge may end: the node called `node`, which takes `inputs`."""

    def __init__(self, node: str, inputs: tuple[Input, ...]) -> None:
        self.node = node
        self.inputs = inputs

    def __repr__(self) -> str:
        return self.node


class Start(Source[Any]):
    """The run's input; its type is given to `System.build`."""


class End(Target[Any]):
    """The run's result; its type is given to `System.build`."""


START: Final = Start("START", ())
END: Final = End("END", ())


class Node(Source[Out], Target[In | None], Generic[In, Out]):
    """A node with a name, inputs and outputs. `owner` is the handle of the person or team that answers for its quality.

    It is a target of None too: an agent that may return nothing is joined to it like one that always returns something.
    """

    def __init__(self, name: str, inputs: tuple[Input, ...], outputs: tuple[type[Message], ...], owner: str) -> None:
        Source.__init__(self, name, outputs)
        Target.__init__(self, name, inputs)
        self.name = name
        self.owner = owner

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True)
class AgentOptions:
    """How an agent's steps run: tries, the time limit of one try in seconds, and how many run side by side."""

    retry: Retry = Retry()
    timeout: float | None = None
    limit: int = 16


class Agent(Node[In, Out]):
    """A typed function: messages in, messages out. `.fn` is the plain function, for unit tests.

    `.context` is whether its first parameter is the step's context, `.optional` whether it may return None; `.acts_for`
    is the handle of the person as whom it counts, or "".
    """

    def __init__(
        self,
        name: str,
        fn: Callable[..., Any],
        *,
        inputs: tuple[Input, ...],
        outputs: tuple[type[Message], ...],
        context: bool,
        optional: bool,
        owner: str,
        options: AgentOptions,
        acts_for: str = "",
    ) -> None:
        super().__init__(name, inputs, outputs, owner)
        self.acts_for = acts_for
        self.fn = fn
        self.context = context
        self.optional = optional
        self.options = options


class Receiver:
    """A system outside, which receives effects. `keeps_keys_for` is how many seconds it remembers an idempotency key.

    Its origin (scheme, host, port and path prefix) is given to `connect(origins=…)`.
    """

    def __init__(self, name: str, *, keeps_keys_for: float = 0.0) -> None:
        self.name = name
        self.keeps_keys_for = keeps_keys_for

    def __repr__(self) -> str:
        return self.name


class Effect(Node[In, Out]):
    """An outgoing call that changes the world. `.fn` describes one request and reads its response; it does no I/O.

    An *opaque* effect (`receiver` is None) is a function with I/O instead, bound to its message and not to bytes.
    `.guarantee` is what the receiver promises; `.gate` names the approval before it, None if its edges come from one.
    `.query` describes the call that asks a `queryable` receiver what became of a first one.
    """

    def __init__(
        self,
        name: str,
        fn: Callable[..., Any],
        *,
        input: Input,
        output: type[Message],
        receiver: Receiver | None,
        guarantee: Guarantee,
        gate: str | None,
        owner: str,
        options: AgentOptions,
        query: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(name, (input,), (output,), owner)
        self.fn = fn
        self.receiver = receiver
        self.guarantee = guarantee
        self.gate = gate
        self.options = options
        self.query = query

    @property
    def opaque(self) -> bool:
        """Whether it is bound to its message instead of bytes."""
        return self.receiver is None
