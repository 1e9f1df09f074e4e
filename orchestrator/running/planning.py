"""Planning: the exact calls that a message would release if it passed an approval.

1. Between an approval and an effect stands only the framework, so the calls follow from the message alone: every edge
   of the approval to an effect, each item of an `each=`, each condition.
2. An effect's function is asked for its request and nothing is sent; asking it twice must give the same bytes.
3. Ids are those that the crossings and effects will have when the message really passes.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from answerable.agents.calls import Request
from answerable.agents.copies import own
from answerable.agents.messages import Message
from answerable.agents.nodes import Effect
from answerable.approvals.asking.requests import PlannedCall
from answerable.errors import DeclarationError, UnknownOrigin
from answerable.orchestrator.running.crossing import Crossing, Outflow, Written
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.worker import Worker
from answerable.tracing import ids


def plan_calls(execution: Execution, out: Outflow) -> list[PlannedCall]:
    """The calls that `out`, what would leave an approval, releases, in the order of its edges and items.

    Raises: DeclarationError if an effect's function is not pure, or its receiver has no origin.
    """
    calls: list[PlannedCall] = []
    for edge, crossing, one in out.crossings:
        node = execution.graph.nodes.get(edge.target)
        if isinstance(node, Effect):
            calls.append(plan_call(execution, node, crossing, one))
    return calls


def effect_id(run: str, name: str, crossing: str) -> str:
    """The id of the effect that a crossing leads to."""
    return ids.derive(ids.EFFECT, run, name, crossing)


def plan_call(execution: Execution, effect: Effect[Any, Any], crossing: Crossing, one: Written) -> PlannedCall:
    """The call that `effect` would make of the message `one`, which comes by `crossing`."""
    run = execution.run
    id = effect_id(run.id, effect.name, crossing.id)
    request = described(effect, one.message)
    return PlannedCall(
        effect=id,
        name=effect.name,
        receiver=effect.receiver.name if effect.receiver else "",
        guarantee=effect.guarantee,
        message=one.id,
        origin=origin_of(execution.worker, effect),
        method=request.method,
        path=request.path,
        content_type=request.content_type,
        body=request.body,
        # The same when the message is approved again: what was sent before in doubt is then recognised.
        idempotency_key=ids.derive("key", run.system, run.id, effect.name, one.id, crossing.edge).removeprefix("key_"),
    )


def described(effect: Effect[Any, Any], message: Message) -> Request:
    """The request that an effect describes; for an opaque one, its message's bytes.

    Raises: DeclarationError if the function yields no request, or not the same one twice.
    """
    if effect.opaque:
        return Request(method="", path="", body=message.to_bytes())
    first, second = (_first_request(effect, message) for _ in range(2))
    if first != second:
        raise DeclarationError(
            f"effect {effect.name!r} described two different requests for one message",
            hint="make it pure: no clock, no random numbers, no I/O; put such values into the message",
        )
    return first


def _first_request(effect: Effect[Any, Any], message: Message) -> Request:
    call: Generator[Any, Any, Any] = effect.fn(own(message))
    try:
        request = next(call)
    except StopIteration:
        request = None
    finally:
        call.close()
    if not isinstance(request, Request) or not request.method:
        raise DeclarationError(
            f"effect {effect.name!r} yielded {type(request).__name__} and not a request",
            hint="yield POST(…), PUT(…), PATCH(…), DELETE(…) or request(…) once",
        )
    return request


def origin_of(worker: Worker, effect: Effect[Any, Any]) -> str:
    """Where an effect's receiver is. Raises: UnknownOrigin if `connect()` was not told."""
    if effect.receiver is None:
        return ""
    origin = worker.origins.get(effect.receiver.name)
    if origin is None:
        raise UnknownOrigin(
            f"effect {effect.name!r} goes to {effect.receiver.name!r}, and nobody said where that is",
            hint=f"connect(…, origins={{{effect.receiver.name}: 'https://…'}})",
        )
    return origin
