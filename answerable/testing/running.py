"""A whole run in one call: for tests of one's own system."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from answerable.agents.messages import Message
from answerable.agents.nodes import Node, Receiver
from answerable.orchestrator.app import App
from answerable.orchestrator.portal import Portal
from answerable.orchestrator.reports import Run
from answerable.testing.deciding import Approve, Approver, ScriptedApprover
from answerable.testing.scripts import overridden
from answerable.tracing.clock import Clock

In = TypeVar("In", bound=Message)
Out = TypeVar("Out", bound=Message)
P = ParamSpec("P")
T = TypeVar("T")


async def arun(
    app: App[In, Out],
    run_input: In,
    *,
    override: Mapping[Node[Any, Any], Callable[..., Any]] | None = None,
    approve: Approver = Approve(),  # noqa: B008 - a frozen value
    store: str | Path | None = None,
    origins: Mapping[Receiver, str] | None = None,
    deps: Callable[[], Any] | None = None,
    clock: Clock | None = None,
    by: str = "tester",
) -> Run[Out]:
    """Run an app from its input to its end, and return the run.

    `override` replaces functions of agents and effects (see `overridden`); `approve` is one answer for every request, a
    list of them, or a function of a request. `store` is a URL, or a folder for an SQLite file; without it the store is
    gone when this returns. The run waits still only if the approver left something open, or an effect is in doubt.

    Raises what `Service.arun` and the decisions raise.
    """
    approver = ScriptedApprover(approve)
    with ExitStack() as stack:
        if store is None:
            store = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{store / 'answerable.db'}" if isinstance(store, Path) else store
        played = overridden(app, override or {})
        async with played.connect(url, origins=origins, deps=deps, clock=clock) as service:
            run = await service.arun(run_input, by=by)
            while run.status == "waiting":
                answered = [await approver.answer(service, request) for request in run.waiting_for]
                if not any(answered):
                    break
                run = await service.aresume(run.id)
            return run


def _blocking(fn: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """The blocking form of an async function; it works wherever an event loop is running already, too."""

    @wraps(fn)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        portal = Portal()
        portal.start()
        try:
            return portal.call(fn, *args, **kwargs)
        finally:
            portal.stop()

    return call


run = _blocking(arun)
