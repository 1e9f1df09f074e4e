"""Crossing: from a message that a step produced to the crossings that it makes.

1. A message crosses every edge of its port that carries its type and whose condition, if it has one, says yes. One
   that raises is `broken`, and the message does not cross: the step that sent it fails, if it has not ended yet.
2. `each` takes it apart: every item crosses as a message of its own, and the scatter is recorded with its size, 0
   included.
3. A back edge that is over its loop's budget is not crossed; the message takes the loop's way out instead.
4. Ids are derived from the step (an approval sends on what it was given, so its crossings name the step, too), so the
   same step always makes the same crossings. Everything here is pure but for salts.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from answerable.agents.messages import Message
from answerable.agents.texts import shortened
from answerable.orchestrator.graph import Condition, Edge, Graph
from answerable.orchestrator.scopes import OverBudget, ScatterFrame, Scope, cross, land
from answerable.tracing import ids
from answerable.tracing.ledger.records.record import MessageRef

_LONGEST = 300  # characters of an error
SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Written:
    """A message as it is stored: its bytes, and what records say of it."""

    id: str
    message: Message
    payload: bytes
    salt: bytes
    commitment: str

    @property
    def ref(self) -> MessageRef:
        return MessageRef(id=self.id, type=type(self.message).__name__, commitment=self.commitment)


@dataclass(frozen=True, slots=True)
class Crossing:
    """One message on one edge. `step` sent it ("" for START); `sent` in microseconds."""

    id: str
    edge: str
    target: str
    input: str
    message: str
    step: str
    scope: Scope
    sent: int


@dataclass(frozen=True, slots=True)
class Scattered:
    """A list that was taken apart: the edge, the step, how many items, and the scope around it."""

    edge: str
    step: str
    size: int
    scope: Scope


@dataclass(slots=True)
class Outflow:
    """What one output of one step sends on: new `messages`, what crosses, and the edges that said no (`dropped`)."""

    messages: list[Written] = field(default_factory=list)
    crossings: list[tuple[Edge, Crossing, Written]] = field(default_factory=list)
    scatters: list[Scattered] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raises: BrokenCondition if a condition did."""
        if self.broken:
            raise BrokenCondition(self.broken[0])


class BrokenCondition(Exception):
    """A condition raised instead of answering; the text names it and its edge."""


def written(id: str, message: Message) -> Written:
    """`message` as it will be stored, with a fresh salt."""
    payload = message.to_bytes()
    salt = secrets.token_bytes(SALT_BYTES)
    return Written(id, message, payload, salt, ids.commitment(salt, payload))


def message_id(step: str, slot: str, item: int | None = None) -> str:
    """The id of the message that a step put into an output slot, or of one item of it."""
    return ids.derive(ids.MESSAGE, step, slot) if item is None else ids.derive(ids.MESSAGE, step, slot, str(item))


def outflow(
    graph: Graph, run: str, source: str, port: str, *, step: str, slot: str, scope: Scope, sent: Written, now: int
) -> Outflow:
    """What follows from the message `sent` leaving `source` by `port` in the step `step` with `scope`."""
    out = Outflow()
    items: dict[str, list[Written]] = {}
    for edge in graph.outgoing(source, port):
        if not isinstance(sent.message, edge.carries):
            continue
        if edge.each is None:
            _send(out, graph, run, edge, step, scope, [sent], now)
            continue
        if edge.each not in items:
            items[edge.each] = [
                written(message_id(step, f"{slot}.{edge.each}", place), item)
                for place, item in enumerate(getattr(sent.message, edge.each))
            ]
            out.messages += items[edge.each]
        out.scatters.append(Scattered(edge.id, step, len(items[edge.each]), _around(scope, edge, step)))
        _send(out, graph, run, edge, step, scope, items[edge.each], now)
    return out


def _send(
    out: Outflow, graph: Graph, run: str, edge: Edge, step: str, scope: Scope, many: Sequence[Written], now: int
) -> None:
    for place, one in enumerate(many):
        if edge.when is not None and not _says_yes(edge, edge.when, one.message, out):
            out.dropped.append(edge.id)
            continue
        if edge.gather:  # the list crosses when the gather closes; until then each message keeps its own scope
            taken, landed = edge, scope
        else:
            taken, landed = land(scope, edge, graph, step=step, index=place if edge.each is not None else None)
        id = ids.derive(ids.CROSSING, run, one.id, taken.id, step)
        crossing = Crossing(id, taken.id, taken.target, taken.input, one.id, step, landed, now)
        out.crossings.append((taken, crossing, one))


def _says_yes(edge: Edge, condition: Condition, message: Message, out: Outflow) -> bool:
    try:
        return bool(condition(message))
    except Exception as error:  # noqa: BLE001 - the user's function
        said = f"the condition {edge.condition} of {edge.id} raised {type(error).__name__}: {error}"
        out.broken.append(shortened(said, _LONGEST))
        return False


def _around(scope: Scope, edge: Edge, step: str) -> Scope:
    """The scope around the scatter that `edge` opens. A scatter never lies on a back edge (`build()` refuses it)."""
    inside = cross(scope, edge, step=step, index=0)
    assert not isinstance(inside, OverBudget), edge.id
    place = max(at for at, frame in enumerate(inside) if isinstance(frame, ScatterFrame) and frame.step == step)
    return inside[:place]
