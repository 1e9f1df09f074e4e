"""The runtime of a service: leases, executions, and `advance`.

`advance(run)` is the one verb of an engine: short, idempotent, never waiting for a person. It takes the run's lease,
lets the compiled graph do everything that can be done, and gives the lease back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from typing import Any
from weakref import WeakValueDictionary

from langgraph.errors import GraphRecursionError

from answerable.agents.nodes import Agent, Effect
from answerable.approvals.gate import refuse_unprepared
from answerable.approvals.node import Approval
from answerable.errors import LeaseLost, StoreError, VersionGone
from answerable.orchestrator.compilation import CompiledGraph, compile_graph
from answerable.orchestrator.running.asking import run_approval
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.gathering import Gathering
from answerable.orchestrator.running.http import Client
from answerable.orchestrator.running.inward import take_inward
from answerable.orchestrator.running.loading import read_view
from answerable.orchestrator.running.rest import Waiting, at_rest
from answerable.orchestrator.running.sending import run_effect
from answerable.orchestrator.running.stepping import run_agent
from answerable.orchestrator.running.view import Ready, RunView
from answerable.orchestrator.running.worker import Worker
from answerable.orchestrator.runs import LEASE_SECONDS, RunRow, acquire_lease, get_run, release_lease, renew_lease
from answerable.orchestrator.saver import StoreSaver
from answerable.tracing.failpoints import failpoint
from answerable.tracing.ledger.records.runs import ENDS
from answerable.tracing.people import person_by_id
from answerable.tracing.storage.store import Tx

RECURSION_LIMIT = 1000  # supersteps of one invocation; when they are used up, the graph is entered anew


class Runtime:
    """Executions of one app in this process."""

    def __init__(self, worker: Worker, version: str) -> None:
        self.worker = worker
        self.version = version
        self.client = Client()
        self.gathering = Gathering(worker.graph)
        self._executions: dict[str, Execution] = {}  # those that `advance` leads
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @cached_property
    def langgraph(self) -> CompiledGraph:
        """The graph as LangGraph runs it; compiled when it is first asked for, as who decides needs none."""
        return compile_graph(self.worker.graph, self, StoreSaver(self.worker.store))

    async def close(self) -> None:
        """Close what it opened."""
        await self.client.close()

    async def advance(self, run: str) -> None:
        """Do everything that can be done for a run now.

        Raises: RunBusy, LeaseLost, VersionGone, UnknownId, StoreError.
        """
        async with self._leading(run) as execution:
            if execution is None:
                return
            config: Any = {"configurable": {"thread_id": run}, "recursion_limit": RECURSION_LIMIT}
            self._executions[run] = execution
            execution.leads = True
            try:
                while True:
                    with suppress(GraphRecursionError):
                        await self.langgraph.ainvoke({"wakes": 0}, config, durability="exit")
                        break
            finally:
                del self._executions[run]
            if execution.abort is not None:
                raise execution.abort

    # -- what the compiled graph calls --------------------------------------------------------------------------------

    async def ready(self, run: str) -> list[str]:
        """The nodes that have something to do."""
        async with self._joined(run) as execution:
            return execution.view.ready_nodes() if execution and execution.abort is None else []

    async def work(self, run: str, node: str) -> list[str]:
        """Do what is ready at `node`; the nodes that have something to do after it.

        Within `advance`, everything that follows is done at once, in this superstep, so that no branch waits for a
        slower one. For a caller from outside, LangGraph goes from node to node.
        """
        led = self._executions.get(run)
        if led is not None:
            async with asyncio.TaskGroup() as branches:
                await self._follow(led, branches, await self._claim(led, node))
            return []
        async with self._joined(run) as execution:
            if execution is None or execution.abort is not None:
                return []
            pending = await self._claim(execution, node)
            woken = await asyncio.gather(*(self._step(execution, ready) for ready in pending))
            return sorted(set().union(*woken))

    async def _claim(self, execution: Execution, node: str) -> list[Ready]:
        """What is ready at a node and not begun by another branch; an effect called without anything is a record."""
        pending = execution.view.claim(node)
        if not pending and isinstance(execution.node(node), Effect) and not execution.view.knows(node):
            await self._refuse_call(execution, node)
        return pending

    async def _follow(self, execution: Execution, branches: asyncio.TaskGroup, pending: list[Ready]) -> None:
        """Run steps and what follows from them until nothing is left: the first here, the others beside it."""
        while pending and execution.abort is None:
            first, *others = pending
            for other in others:
                branches.create_task(self._follow(execution, branches, [other]))
            woken = await self._step(execution, first)
            pending = [ready for node in sorted(woken) for ready in execution.view.claim(node)]

    async def rest(self, run: str) -> list[str] | Waiting | None:
        """What follows when everything is at rest."""
        async with self._joined(run) as execution:
            if execution is None or execution.abort is not None:
                return None
            try:
                return await at_rest(execution, self.gathering)
            except Exception as error:  # noqa: BLE001 - `advance` raises it, when the siblings have ended
                execution.abort = error
                return None

    async def _step(self, execution: Execution, ready: Ready) -> set[str]:
        """One step. Errors of the framework itself stop this worker and are raised by `advance`."""
        node = execution.node(ready.node)
        async with execution.side_by_side(node):
            if execution.abort is not None:
                return set()
            try:
                if isinstance(node, Agent):
                    return await run_agent(execution, node, ready, take_inward)
                if isinstance(node, Approval):
                    return await run_approval(execution, node, ready)
                assert isinstance(node, Effect), node
                return await run_effect(execution, self.client, node, ready)
            except Exception as error:  # noqa: BLE001 - `advance` raises it, when the siblings have ended
                execution.abort = execution.abort or error
                return set()

    async def _refuse_call(self, execution: Execution, name: str) -> None:
        """Somebody called an effect's node for which nothing is prepared: nothing is sent, and that is a record."""
        run, worker = execution.run, execution.worker
        await execution.write(
            lambda tx, guard: refuse_unprepared(
                tx,
                system=run.system,
                run=run.id,
                name=name,
                responsible=guard.responsible,
                now=worker.store.clock.now(),
                host=worker.host,
            )
        )

    # -- leases -------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _joined(self, run: str) -> AsyncIterator[Execution | None]:
        """The execution that leads this run, or, for a call from outside of `advance`, one of its own."""
        known = self._executions.get(run)
        if known is not None:
            yield known
            return
        # LangGraph calls several nodes at once, and each of these calls takes the lease: one after the other.
        turn = self._turns.setdefault(run, asyncio.Lock())
        async with turn, self._leading(run) as execution:
            yield execution
            if execution is not None and execution.abort is not None:
                raise execution.abort

    @asynccontextmanager
    async def _leading(self, run: str) -> AsyncIterator[Execution | None]:
        """Hold a run's lease, and its view; None if the run is over."""
        worker = self.worker
        row = await worker.store.read(lambda tx: get_run(tx, run))
        self.check_version(row)
        if row.status in ENDS:
            yield None
            return

        def take(tx: Tx) -> RunRow:
            taken = acquire_lease(tx, run, owner=worker.name, now=worker.store.clock.now())
            failpoint("lease:before-commit")
            return taken

        row = await worker.store.write(take)
        failpoint("lease:after-commit")
        if row.status in ENDS:  # it ended in between, and nobody leads what is over
            yield None
            return
        keeper: asyncio.Task[None] | None = None
        try:
            execution = await self.load(row)
            keeper = asyncio.create_task(self._keep(execution))
            yield execution
        finally:
            if keeper is not None:
                keeper.cancel()
                with suppress(asyncio.CancelledError):
                    await keeper
            with suppress(StoreError):  # it runs out by itself
                failpoint("release:before-commit")
                await worker.store.write(lambda tx: release_lease(tx, run, fence=row.lease_fence))
                failpoint("release:after-commit")

    def check_version(self, row: RunRow) -> None:
        """Raises: VersionGone if the run was begun by another version of the app."""
        if row.version != self.version:
            raise VersionGone(
                f"{row.id} was begun by version {row.version[:12]} of {row.system!r}; this is {self.version[:12]}",
                hint=f"resume it with the program that began it, or move it: `answerable runs migrate {row.id}`",
            )

    async def load(self, row: RunRow) -> Execution:
        """An execution of a run as the store holds it now."""

        def read(tx: Tx) -> tuple[RunView, str]:
            starter = person_by_id(tx, row.started_by)
            return read_view(tx, self.worker.graph, row.id), starter.handle if starter else row.started_by

        view, starter = await self.worker.store.read(read)
        return Execution(worker=self.worker, run=row, fence=row.lease_fence, starter=starter, view=view)

    async def _keep(self, execution: Execution) -> None:
        """Renew the lease while it is held; stop the execution if it was lost."""
        clock, run, fence = self.worker.store.clock, execution.run.id, execution.fence
        renew: Callable[[Tx], bool] = lambda tx: renew_lease(tx, run, fence=fence, now=clock.now())  # noqa: E731 - one line
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            with suppress(StoreError):  # the next transaction of the execution will say it
                if not await self.worker.store.write(renew):
                    execution.abort = LeaseLost(f"another worker has taken {run} over")
                    return
