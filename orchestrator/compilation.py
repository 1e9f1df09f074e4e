"""Compilation to LangGraph: one node per agent, approval and effect, and one deferred node, `_rest`.

1. LangGraph schedules and never remembers: its state is a counter, and routing is decided in the wrapper, which
   returns `Command(goto=…)`. Whoever calls a node through LangGraph's own handles finds what the records say is ready,
   or nothing.
2. START goes to every node that has something ready, so a lost checkpoint is harmless.
3. `_rest` is deferred: a branch that woke nothing goes there, and it runs when every other one has come to rest too.
   It interrupts the graph while a person is awaited; what it is resumed with is only a wake-up, since decisions are
   read from the store.
4. Wrappers never raise an agent's error: an exception in one node would cancel its siblings, an effect in flight
   included.
"""

from __future__ import annotations

import operator
from collections.abc import Awaitable
from typing import Annotated, Any, Protocol, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, interrupt

from answerable.orchestrator.graph import END_NAME, Graph
from answerable.orchestrator.running.rest import Waiting

REST = "_rest"
CompiledGraph = CompiledStateGraph[Any, Any, Any, Any]


class Wakes(TypedDict):
    """The whole of LangGraph's state: how many nodes were woken."""

    wakes: Annotated[int, operator.add]


class Advancing(Protocol):
    """What the compiled graph calls; every id is that of a run, which is LangGraph's thread."""

    def work(self, run: str, node: str) -> Awaitable[list[str]]:
        """Do everything that is ready at a node; the nodes that have something to do now."""
        ...

    def rest(self, run: str) -> Awaitable[list[str] | Waiting | None]:
        """What follows when everything is at rest: nodes to go to, what is waited for, or None at the end."""
        ...

    def ready(self, run: str) -> Awaitable[list[str]]:
        """The nodes that have something to do."""
        ...


def compile_graph(graph: Graph, advancing: Advancing, saver: BaseCheckpointSaver[int]) -> CompiledGraph:
    """The LangGraph graph of an app."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Wakes)
    for name in graph.nodes:
        targets = {edge.target for edge in graph.edges if edge.source == name and edge.target != END_NAME}
        builder.add_node(name, _node(name, advancing), destinations=(*sorted(targets), REST))
    builder.add_node(REST, _rest(advancing), defer=True, destinations=(*graph.nodes, END))

    async def start(_state: Wakes, config: RunnableConfig) -> list[str]:
        return await advancing.ready(_run(config)) or [REST]

    builder.add_conditional_edges(START, start, [*graph.nodes, REST])
    return builder.compile(checkpointer=saver, name=graph.system)


def _run(config: RunnableConfig) -> str:
    return str(config["configurable"]["thread_id"])


def _node(name: str, advancing: Advancing) -> Any:
    async def node(_state: Wakes, config: RunnableConfig) -> Command[Any]:
        woken = await advancing.work(_run(config), name)
        return Command(update={"wakes": 1}, goto=woken or [REST])

    return node


def _rest(advancing: Advancing) -> Any:
    async def rest(_state: Wakes, config: RunnableConfig) -> Command[Any]:
        outcome = await advancing.rest(_run(config))
        while isinstance(outcome, Waiting):
            interrupt(outcome.payload())
            outcome = await advancing.rest(_run(config))
        return Command(update={"wakes": 1}, goto=outcome if outcome else END)

    return rest
