"""LangGraph alone, with each of its SQLite savers, and traced by OpenInference.

1. The state is one text, overwritten at each step: nothing accumulates.
2. `durability="sync"`: a step is stored before the next one begins, as with us.
3. The savers are used as they are shipped: each commit waits for the disk (`synchronous=FULL`). Ours does not for a
   step, so the cheaper saver is measured once more with NORMAL, as `sqlite_saver_normal`.
4. Each peer runs as its own documentation has it: the async saver with async nodes, the other with plain ones.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import uuid4

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from benchmarks.chains import Chain, Run

if TYPE_CHECKING:
    from langgraph.checkpoint.sqlite import SqliteSaver


class State(TypedDict):
    """What LangGraph hands on."""

    text: str


Graph = CompiledStateGraph[State, None, State, State]


@asynccontextmanager
async def bare(_folder: Path, steps: int, text: str) -> AsyncIterator[Run]:
    """LangGraph without a checkpointer: nothing is stored."""
    graph = _compile(_async_node, steps, None)

    async def run() -> None:
        _check(await graph.ainvoke({"text": text}, {"recursion_limit": steps + 1}), text)

    yield run


@asynccontextmanager
async def sqlite_saver(folder: Path, steps: int, text: str) -> AsyncIterator[Run]:
    """LangGraph with SqliteSaver."""
    with _sqlite_saver(folder / "sqlite_saver.db") as saver:
        yield _storing(_compile(_node, steps, saver), steps, text)


@asynccontextmanager
async def sqlite_saver_normal(folder: Path, steps: int, text: str) -> AsyncIterator[Run]:
    """LangGraph with SqliteSaver, whose commits do not wait for the disk."""
    with _sqlite_saver(folder / "sqlite_saver_normal.db") as saver:
        saver.conn.execute("PRAGMA synchronous = NORMAL")
        yield _storing(_compile(_node, steps, saver), steps, text)


@asynccontextmanager
async def async_sqlite_saver(folder: Path, steps: int, text: str) -> AsyncIterator[Run]:
    """LangGraph with AsyncSqliteSaver."""
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    async with AsyncSqliteSaver.from_conn_string(str(folder / "async_sqlite_saver.db")) as saver:
        await saver.setup()
        graph = _compile(_async_node, steps, saver)

        async def run() -> None:
            _check(await graph.ainvoke({"text": text}, _thread(steps), durability="sync"), text)

        yield run


def traced(saver: str) -> Chain:
    """LangGraph with that saver, traced by OpenInference; its spans leave over OTLP HTTP as the environment says.

    The spans are made by the SDK with its BatchSpanProcessor, which is flushed at the end of each run. LangChain is
    instrumented for this chain's runs only (some microseconds a run, counted with it).
    """
    stored = CHAINS[saver]

    @asynccontextmanager
    async def openinference(folder: Path, steps: int, text: str) -> AsyncIterator[Run]:
        from openinference.instrumentation.langchain import LangChainInstrumentor
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        instrumentor = LangChainInstrumentor()
        own = folder / "openinference"
        own.mkdir(exist_ok=True)
        async with stored(own, steps, text) as plain:

            async def run() -> None:
                instrumentor.instrument(tracer_provider=provider)
                try:
                    await plain()
                finally:
                    instrumentor.uninstrument()
                assert provider.force_flush(), "the spans did not leave in time"

            yield run
        provider.shutdown()

    return openinference


@contextmanager
def _sqlite_saver(file: Path) -> Iterator[SqliteSaver]:
    from langgraph.checkpoint.sqlite import SqliteSaver

    with SqliteSaver.from_conn_string(str(file)) as saver:
        saver.setup()
        yield saver


def _storing(graph: Graph, steps: int, text: str) -> Run:
    async def run() -> None:
        _check(graph.invoke({"text": text}, _thread(steps), durability="sync"), text)

    return run


def _compile(make: Callable[[], Any], steps: int, saver: BaseCheckpointSaver[Any] | None) -> Graph:
    builder = StateGraph(State)
    names = [f"n{number}" for number in range(steps)]
    for name in names:
        builder.add_node(name, make())
    for source, target in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(source, target)
    return builder.compile(checkpointer=saver)


def _node() -> Callable[[State], State]:
    return lambda state: {"text": state["text"]}


def _async_node() -> Callable[[State], Awaitable[State]]:
    async def node(state: State) -> State:
        return {"text": state["text"]}

    return node


def _thread(steps: int) -> Any:
    return {"recursion_limit": steps + 1, "configurable": {"thread_id": uuid4().hex}}


def _check(state: Any, text: str) -> None:
    assert state["text"] == text, "the chain lost its text"


CHAINS: dict[str, Chain] = {
    "bare": bare,
    "sqlite_saver": sqlite_saver,
    "async_sqlite_saver": async_sqlite_saver,
    "sqlite_saver_normal": sqlite_saver_normal,
}
