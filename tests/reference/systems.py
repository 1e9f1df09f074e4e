"""Systems for the reference interpreter: few and generic messages, and agents that are made instead of written.

An agent is made of plain data: its inputs with their types, what it may return, and a pure function. What is declared
is an async function around that one, with real annotations, which lets others go first for as long as its `Pace` says.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Protocol

from pydantic import BaseModel

from answerable.agents.calls import POST, Call
from answerable.agents.messages import Message
from answerable.agents.nodes import END, START, Agent, Effect, Receiver
from answerable.agents.options import HOUR
from answerable.agents.outcomes import Ended, Expired, Failed, Rejected, Response
from answerable.agents.people import role
from answerable.approvals.node import RESPONSE, Approval
from answerable.orchestrator.system import System

RESPONSIBLE = "alice"
OWNER = "makers"
DECIDERS = role("deciders")
WITHIN_SECONDS = HOUR
RECEIVER = Receiver("receiver", keeps_keys_for=24 * HOUR)


class Item(Message):
    """The smallest thing that is worked on."""

    value: int


class Batch(Message):
    """Several items, to be taken apart."""

    items: list[Item]


class Again(Message):
    """What begins another round of a loop."""

    value: int


class Pace(Protocol):
    """How many turns of the event loop a step of `node` waits; asked once for each attempt."""

    def __call__(self, node: str, /) -> int: ...


def at_once(_node: str) -> int:
    """Nobody waits."""
    return 0


class Sketch:
    """A system in the making. `pure` has each agent's plain function, by name; it and `pace` may be set at any time."""

    def __init__(self, name: str = "sketch") -> None:
        self.system = System(name, responsible=RESPONSIBLE)
        self.pure: dict[str, Callable[..., Message | None]] = {}
        self.approvals: dict[str, Approval[Any]] = {}
        self.responded: set[str] = set()  # the approvals whose responses go somewhere
        self.pace: Pace = at_once
        self.calls: list[str] = []  # the agents that were called, attempt by attempt

    def agent(
        self, name: str, inputs: Mapping[str, Any], output: Any, pure: Callable[..., Message | None], **options: Any
    ) -> Agent[Any, Any]:
        """Declare an agent that takes `inputs` (name → type) and does what `pure` does with them."""

        async def function(**values: Any) -> Message | None:
            self.calls.append(name)
            for _ in range(self.pace(name)):
                await asyncio.sleep(0)
            return self.pure[name](**values)

        self.pure[name] = pure
        node: Agent[Any, Any] = self.system.agent(owner=OWNER, name=name, **options)(
            annotated(function, inputs, output)
        )
        return node

    def approval(self, name: str, of: type[Message] = Item, **options: Any) -> Approval[Any]:
        """Declare an approval that asks the deciders."""
        node: Approval[Any] = self.system.approval(name, of=of, by=DECIDERS, within=WITHIN_SECONDS, **options)
        self.approvals[name] = node
        return node

    def effect(self, name: str, of: type[Message] = Item, **options: Any) -> Effect[Any, Any]:
        """Declare an effect: its message goes to the receiver, which answers with an item."""

        def function(message: Any) -> Call[Item]:
            response = yield POST(f"/{name}", json=message)
            return Item.model_validate(response.json())

        declare: Any = self.system.effect(name, to=RECEIVER, guarantee="idempotent", **options)
        node: Effect[Any, Any] = declare(annotated(function, {"message": of}, Call[Item]))
        return node

    def edge(self, source: Any, target: Any, **how: Any) -> None:
        """Declare an edge; the type checker does not look at it."""
        declare: Any = self.system.edge
        if source.port == RESPONSE:
            self.responded.add(source.node)
        declare(source, target, **{"purpose": "reference", **how})


def annotated(function: Any, inputs: Mapping[str, Any], output: Any) -> Any:
    """`function` with this signature, as if it had been written so."""
    function.__annotations__ = {**inputs, "return": output}
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind, annotation=hint) for name, hint in inputs.items()]
    function.__signature__ = inspect.Signature(parameters, return_annotation=output)
    return function


def face(value: Any) -> Any:
    """What a message says, without the ids and times that differ from run to run; a gathered list without its order.

    Ways of one item are ordered by the ids of their crossings, which differ too.
    """
    if isinstance(value, list):
        return sorted((ended.index, face(ended.outcome)) for ended in value)
    if isinstance(value, Rejected):
        return ("Rejected", value.approval, value.reason)
    if isinstance(value, Expired):
        return ("Expired", value.approval)
    if isinstance(value, Failed):
        return ("Failed", value.node)
    if isinstance(value, Response):
        return ("Response", value.approval, value.text)
    assert isinstance(value, BaseModel), value
    return (type(value).__name__, value.model_dump_json())


def draw(*parts: object) -> int:
    """A number that looks random and follows from `parts` alone."""
    return int.from_bytes(sha256(repr(parts).encode()).digest()[:8])


def entered_twice() -> Sketch:
    """A loop that two messages enter in one scope; what it scatters is joined with what a person let pass."""

    def shifted(number: int) -> Any:
        return lambda task: Item(value=task.value + number)

    sketch = Sketch()
    one = sketch.agent("one", {"item": Item}, Item, lambda item: Item(value=item.value + 1))
    two = sketch.agent("two", {"item": Item}, Item, lambda item: Item(value=item.value + 2))
    head = sketch.agent("head", {"task": Item | Again}, Item, shifted(0))
    ask = sketch.approval("ask")
    unpack = sketch.agent("unpack", {"item": Item}, Batch, lambda item: Batch(items=[item]))
    work = sketch.agent("work", {"a": Item, "b": Item}, Item, lambda a, b: Item(value=a.value * 100 + b.value))
    judge = sketch.agent("judge", {"items": list[Ended[Item]]}, Item | Again, lambda items: Again(value=len(items)))
    give_up = sketch.agent("give-up", {"task": Again}, Item, shifted(100))
    for maker in (one, two):
        sketch.edge(START, maker)
        sketch.edge(maker, head)
    sketch.edge(head, ask)
    sketch.edge(ask, unpack)
    sketch.edge(unpack, work, each="items", to="a")
    sketch.edge(ask, work, to="b")
    sketch.edge(work, judge, gather=True)
    sketch.edge(judge, head, carries=Again)
    sketch.edge(judge, END, carries=Item)
    sketch.edge(give_up, END)
    sketch.system.loop(head, ask, unpack, work, judge, at_most=2, then=give_up)
    return sketch
