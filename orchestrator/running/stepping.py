"""Steps of agents: call the user's function, record what came of it.

1. A step is tried as often as its agent's `retry` says. Each attempt is recorded when it begins, so one that dies with
   its process is known; dying with the process does not use up a try.
2. What the function raises, returning the wrong type and running too long are failures of the step: recorded, never
   raised.
3. What the function returned is written, and what goes on is read from those bytes: it keeps nothing of it.
4. While the function runs, the span that the step will have is current, and undeclared connections are noticed.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, TypeAlias

from answerable.agents.context import Step
from answerable.agents.messages import Message
from answerable.agents.nodes import Agent
from answerable.agents.texts import shortened
from answerable.errors import AnswerableError, InvalidMessage
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.running.crossing import Outflow, Written, message_id, outflow, written
from answerable.orchestrator.running.egress import Egress, watch_egress
from answerable.orchestrator.running.ending import Ending, Inward
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.journal import Guard
from answerable.orchestrator.running.view import Ready
from answerable.tracing.ledger.records.steps import UndeclaredEgress
from answerable.tracing.spans.context import step_context
from answerable.tracing.storage.store import Tx

OUTPUT = "out"
LONGEST_ERROR = 500  # characters


Following: TypeAlias = Callable[[Execution, Ready, Outflow], Awaitable[Inward | None]]
"""Says what the end of a step takes along (`inward.py`)."""


async def run_agent(execution: Execution, agent: Agent[Any, Any], ready: Ready, following: Following) -> set[str]:
    """Run one step of an agent; the nodes that have something to do now.

    Raises: LeaseLost, StoreError: the framework's own reasons to stop.
    """
    tries, error_before = 0, ""
    egress: list[Egress] = []  # of all tries
    while True:
        arguments = await execution.arguments(ready)  # anew for each try, which may have changed its own
        attempt = await execution.begin(ready, after=error_before)
        if attempt == 0:
            return set()
        tries += 1
        clock = execution.worker.store.clock
        started_at = clock.now()
        try:
            with _span_of(execution, ready, attempt), watch_egress(egress):
                returned = await _call(execution, agent, ready, attempt, arguments)
            out, produced = _leaves(execution, agent, ready, returned, now=clock.now())
        except asyncio.CancelledError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's function
            error_before = describe(error, agent.options.timeout)
            if tries < agent.options.retry.attempts:
                await asyncio.sleep(agent.options.retry.pause_after(tries))
                continue
            ending, inward = Ending(error=error_before), None
        else:
            ending, inward = Ending(produced=produced, out=out), await following(execution, ready, out)
        ended = _with_egress(execution, ready, ending, egress)
        return await execution.finish(ready, ended, attempt=attempt, started_at=started_at, inward=inward)


def _span_of(execution: Execution, ready: Ready, attempt: int) -> AbstractContextManager[None]:
    run = execution.run
    sampled = execution.worker.sampled(run.id)
    where = {"node": ready.node, "system": run.system}
    return step_context(run.id, ready.step, attempt, segment=execution.segment, **where, sampled=sampled)


async def _call(execution: Execution, agent: Agent[Any, Any], ready: Ready, attempt: int, given: dict[str, Any]) -> Any:
    positional: list[Any] = []
    if agent.context:
        worker, run = execution.worker, execution.run
        emit = functools.partial(_emit, worker.progress, run.id, ready.node)
        positional.append(
            Step(
                deps=worker.deps,
                system=run.system,
                run=run.id,
                node=ready.node,
                step=ready.step,
                attempt=attempt,
                started_by=execution.starter,
                _emit=emit,
            )
        )
    return await call_user(agent.fn, *positional, within=agent.options.timeout, **given)


async def call_user(fn: Callable[..., Any], /, *args: Any, within: float | None, **kwargs: Any) -> Any:
    """Call a user's function, async or plain (that in a thread, as in Starlette), for at most `within` seconds.

    A plain function that is too slow is given up, not stopped: its thread ends when it returns.
    """
    if inspect.iscoroutinefunction(fn):
        if within is None:
            return await fn(*args, **kwargs)
        async with asyncio.timeout(within):
            return await fn(*args, **kwargs)
    call = functools.partial(contextvars.copy_context().run, fn, *args, **kwargs)
    return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(None, call), within)


def _leaves(
    execution: Execution, agent: Agent[Any, Any], ready: Ready, returned: Any, *, now: int
) -> tuple[Outflow, Sequence[Written]]:
    if returned is None and agent.optional:
        return Outflow(), ()
    if not isinstance(returned, agent.outputs):
        declared = " | ".join(kind.__name__ for kind in agent.outputs)
        raise TypeError(f"{agent.name} returned {type(returned).__name__}, and declares {declared}")
    check_known(execution.worker.types, returned)
    sent = read_back(written(message_id(ready.step, OUTPUT), returned))
    out = outflow(
        execution.graph,
        execution.run.id,
        agent.name,
        "",
        step=ready.step,
        slot=OUTPUT,
        scope=ready.scope,
        sent=sent,
        now=now,
    )
    out.check()
    return out, (sent,)


def check_known(known: Mapping[str, type[Message]], message: Message) -> None:
    """Raises: InvalidMessage if the app does not know this very type, so that nobody could read it again."""
    kind = type(message)
    if known.get(kind.__name__) is not kind:
        raise InvalidMessage(
            f"the app does not know {kind.__name__}, and could not read it again", hint="give a type that it declares"
        )


def read_back(sent: Written) -> Written:
    """`sent` with its message as its bytes say it, which is nobody else's.

    Raises: InvalidMessage if they say none: `model_construct` and `model_copy` skip validation.
    """
    return replace(sent, message=type(sent.message).from_bytes(sent.payload))


def describe(error: BaseException, timeout: float | None) -> str:
    """One line about a failure, for records: the type and the first line of the text."""
    if isinstance(error, TimeoutError) and timeout is not None and not str(error):
        return f"it ran longer than its limit of {timeout:g} s"
    text = error.message if isinstance(error, AnswerableError) else str(error)
    first = text.strip().splitlines()[0] if text.strip() else ""
    return shortened(f"{type(error).__name__}: {first}", LONGEST_ERROR) if first else type(error).__name__


def _with_egress(
    execution: Execution, ready: Ready, ending: Ending, egress: Sequence[Egress]
) -> Ending | Callable[[Tx, Guard], Ending]:
    if not egress:
        return ending

    def settle(_tx: Tx, guard: Guard) -> Ending:
        stamp = execution.stamp(guard)
        alarms = [
            UndeclaredEgress(**stamp, step=ready.step, node=ready.node, event=seen.event, to=seen.to) for seen in egress
        ]
        return replace(ending, records=alarms)

    return settle


def _emit(progress: Callable[[Progress], None], run: str, node: str, value: Any) -> None:
    progress(Progress(run, node, "emitted", value=value))
