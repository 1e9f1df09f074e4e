from __future__ import annotations

import asyncio
import dataclasses
import datetime
import enum
import inspect
import operator
import uuid
from collections.abc import AsyncGenerator
from contextlib import closing
from typing import Annotated, Any, TypedDict

import ormsgpack
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Interrupt, Send, interrupt
from sqlalchemy import func, select, update

from answerable.errors import InvalidInput, StoreCorrupt
from answerable.orchestrator.plain import PlainSerializer, decode, encode
from answerable.orchestrator.saver import StoreSaver
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, open_store
from answerable.tracing.storage.tables.runs import checkpoint_writes, checkpoints

COUNT = Statement(select(func.count()).select_from(checkpoints))
COUNT_WRITES = Statement(select(func.count()).select_from(checkpoint_writes))


async def count(store: Store) -> tuple[int, int]:
    """How many checkpoints and writes are stored."""
    found = await store.read(lambda tx: (*(tx.one(COUNT) or ()), *(tx.one(COUNT_WRITES) or ())))
    return found[0], found[1]


# -- LangGraph's own conformance suite --------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_conformance(store: Store) -> None:
    @checkpointer_test(name="StoreSaver")
    async def factory() -> AsyncGenerator[BaseCheckpointSaver[int], None]:
        yield StoreSaver(store, keep_all=True)

    report = await validate(factory)
    failures = {name: result.failures for name, result in report.results.items() if result.failures}
    assert failures == {}
    assert {name for name, result in report.results.items() if result.passed} == {one.value for one in Capability}


@pytest.mark.anyio
async def test_conformance_where_only_the_newest_counts(store: Store) -> None:
    @checkpointer_test(name="StoreSaver, newest only")
    async def factory() -> AsyncGenerator[BaseCheckpointSaver[int], None]:
        yield StoreSaver(store)

    report = await validate(factory, capabilities={"put_writes", "delete_thread"})
    failures = {name: result.failures for name, result in report.results.items() if result.failures}
    assert failures == {}
    assert {name for name, result in report.results.items() if result.passed} == {"put_writes", "delete_thread"}


# -- what is kept -----------------------------------------------------------------------------------------------------


def config(thread: str, **more: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": "", **more}}


@pytest.mark.anyio
async def test_the_newest_takes_the_place_of_the_one_before(store: Store) -> None:
    saver = StoreSaver(store)
    first = await saver.aput(config("t"), empty_checkpoint(), {"step": 0}, {})
    await saver.aput_writes(first, [("a", 1), ("b", 2)], "task")
    other = await saver.aput(config("u"), empty_checkpoint(), {"step": 0}, {})
    inner = await saver.aput(config("t", checkpoint_ns="inner"), empty_checkpoint(), {"step": 0}, {})
    assert await count(store) == (3, 2)
    second = await saver.aput(first, empty_checkpoint(), {"step": 1}, {})
    assert await count(store) == (3, 0)
    assert await saver.aget_tuple(first) is None
    found = await saver.aget_tuple(config("t"))
    assert found is not None
    assert (found.config, found.parent_config) == (second, first)
    assert found.metadata["step"] == 1
    for untouched in (other, inner):
        assert (await saver.aget_tuple(untouched)) is not None


@pytest.mark.anyio
async def test_writes_come_in_the_order_in_which_they_are_applied(store: Store) -> None:
    saver = StoreSaver(store)
    put = await saver.aput(config("t"), empty_checkpoint(), {}, {})
    await saver.aput_writes(put, [("x", 3), ("y", 4)], "task-1", task_path="~2")
    await saver.aput_writes(put, [("x", 1), ("__interrupt__", (Interrupt("ask", "id"),))], "task-2", "~1")
    await saver.aput_writes(put, [("x", 3), ("y", 5)], "task-1", task_path="~2")
    found = await saver.aget_tuple(put)
    assert found is not None
    assert found.pending_writes == [
        ("task-2", "__interrupt__", (Interrupt("ask", "id"),)),
        ("task-2", "x", 1),
        ("task-1", "x", 3),
        ("task-1", "y", 5),
    ]


def test_the_name_that_langgraph_looks_for() -> None:
    for method in (StoreSaver.aput_writes, StoreSaver.put_writes):
        assert "task_path" in inspect.signature(method).parameters


@pytest.mark.anyio
async def test_listing(store: Store) -> None:
    saver = StoreSaver(store, keep_all=True)
    for thread in ("t", "u"):
        for namespace in ("", "inner"):
            await saver.aput(config(thread, checkpoint_ns=namespace), empty_checkpoint(), {"step": 0}, {})
    everything = [found async for found in saver.alist(None)]
    assert len(everything) == 4
    ids = [found.checkpoint["id"] for found in everything]
    assert ids == sorted(ids, reverse=True)
    everywhere: RunnableConfig = {"configurable": {"thread_id": "t"}}
    assert len([found async for found in saver.alist(everywhere)]) == 2
    assert [found async for found in saver.alist(everything[0].config)] == everything[:1]
    assert [found async for found in saver.alist(None, filter={"no such": None})] == []
    assert [found async for found in saver.alist(None, limit=0)] == []


@pytest.mark.anyio
async def test_pruning_knows_its_strategies(store: Store) -> None:
    with pytest.raises(InvalidInput, match="no strategy"):
        await StoreSaver(store).aprune(["t"], strategy="keep_none")


# -- plain values -----------------------------------------------------------------------------------------------------

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=4)
        | st.builds(Interrupt, inner, st.text())
    ),
    max_leaves=20,
)


@given(PLAIN)
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    back = decode(encode(value))
    assert back == value
    assert type(back) is type(value)


class Colour(enum.Enum):
    RED = "red"


class Name(str):
    pass


@dataclasses.dataclass
class Point:
    x: int


class Model(pydantic.BaseModel):
    x: int


@pytest.mark.parametrize(
    "value",
    [
        Point(1),
        Model(x=1),
        Colour.RED,
        Name("a"),
        uuid.UUID(int=1),
        datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        {1, 2},
        {1: "a"},
        {Colour.RED: "a"},
        {uuid.UUID(int=1): "a"},
        2**64,
        Send("node", {}),
        Command(goto="node"),
        operator.add,
        object(),
        (Point(1),),
        Interrupt(Point(1), "id"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_anything_else_is_refused(value: Any) -> None:
    for held in (value, [value], {"a": [{"b": value}]}):
        with pytest.raises(InvalidInput, match="plain values only"):
            encode(held)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"a": [1, Point(1)]}, "it['a'][1] is a Point"),
        ({"a": ({"b": Interrupt({1}, "id")},)}, "it['a'][0]['b'].value is a set"),
        ([{1: "a"}], "it[0] has the key 1"),
        ({"a": (2**64,)}, "it['a'][0] exceeds 64 bits"),
        (Point, "it is a type"),
    ],
)
def test_the_refusal_says_what_and_where(value: Any, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        encode(value)
    assert says in caught.value.message


def test_an_exception_is_kept_as_its_text() -> None:
    assert decode(encode({"error": ValueError("no")})) == {"error": "ValueError('no')"}


@pytest.mark.parametrize("code", [0, 1, 2, 3, 5, 127])
def test_reading_never_calls_what_the_bytes_name(code: int) -> None:
    """LangGraph's own serializer would import `os` and call `getcwd` here, if it were let."""
    forged = (
        ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb(("os", "getcwd", [], "")))),
        ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb(("os", "getcwd", [])))),
    )
    for data in forged:
        try:
            found = decode(data)
        except StoreCorrupt:
            continue
        assert isinstance(found, Interrupt | tuple)
        assert "getcwd" in str(found)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x93\x01", ormsgpack.packb(ormsgpack.Ext(2, b"\x01"))])
def test_bytes_that_are_no_value(data: bytes) -> None:
    with pytest.raises(StoreCorrupt, match="cannot be read"):
        decode(data)


def test_other_serializations_are_not_read() -> None:
    serializer = PlainSerializer()
    assert serializer.loads_typed(serializer.dumps_typed({"a": (1,)})) == {"a": (1,)}
    for kind in ("pickle", "msgpack", "json"):
        with pytest.raises(StoreCorrupt, match="never read"):
            serializer.loads_typed((kind, b"\x01"))


@pytest.mark.anyio
async def test_a_corrupted_row_is_an_error_of_the_store(store: Store) -> None:
    saver = StoreSaver(store)
    put = await saver.aput(config("t"), empty_checkpoint(), {}, {})
    await store.write(lambda tx: tx.run(Statement(update(checkpoints).values(checkpoint=b"\xc1"))))
    with pytest.raises(StoreCorrupt):
        await saver.aget_tuple(put)


# -- real graphs ------------------------------------------------------------------------------------------------------


class State(TypedDict):
    seen: Annotated[list[str], operator.add]


def graph(saver: StoreSaver) -> Any:
    def one(state: State) -> dict[str, list[str]]:
        return {"seen": ["one"]}

    def ask(state: State) -> dict[str, list[str]]:
        return {"seen": [f"answer {interrupt({'question': 'well?'})}"]}

    building = StateGraph(State)
    building.add_node("one", one)
    building.add_node("ask", ask)
    building.add_edge(START, "one")
    building.add_edge("one", "ask")
    building.add_edge("ask", END)
    return building.compile(checkpointer=saver)


@pytest.mark.anyio
@pytest.mark.parametrize("durability", ["exit", "async", "sync"])
async def test_a_graph_stops_and_is_resumed_from_what_is_stored(store_url: str, durability: Any) -> None:
    with closing(open_store(store_url)) as first:
        waiting = await graph(StoreSaver(first)).ainvoke({"seen": []}, config("t"), durability=durability)
        assert waiting["__interrupt__"][0].value == {"question": "well?"}
        assert (await count(first))[0] == 1
    with closing(open_store(store_url)) as second:
        app = graph(StoreSaver(second))
        state = await app.aget_state(config("t"))
        assert state.next == ("ask",)
        assert [one.value for one in state.interrupts] == [{"question": "well?"}]
        done = await app.ainvoke(Command(resume="yes"), config("t"), durability=durability)
        assert done == {"seen": ["one", "answer yes"]}
        kept, writes = await count(second)
        assert kept == 1
        if durability == "exit":  # otherwise LangGraph does not wait for the writes of a checkpoint that is past
            assert writes == 0


def test_langgraphs_blocking_calls(store: Store) -> None:
    app = graph(StoreSaver(store))
    app.invoke({"seen": []}, config("t"))
    assert app.get_state(config("t")).next == ("ask",)
    assert app.invoke(Command(resume="yes"), config("t")) == {"seen": ["one", "answer yes"]}
    assert len(list(app.get_state_history(config("t")))) == 1


@pytest.mark.anyio
async def test_blocking_calls_inside_an_event_loop(store: Store) -> None:
    saver = StoreSaver(store, keep_all=True)
    put = saver.put(config("t"), empty_checkpoint(), {"run_id": "r"}, {})
    saver.put_writes(put, [("a", 1)], "task")
    found = saver.get_tuple(config("t"))
    assert found is not None
    assert found.pending_writes == [("task", "a", 1)]
    saver.copy_thread("t", "u")
    assert len(list(saver.list(config("u")))) == 1
    saver.prune(["u"])
    saver.delete_thread("t")
    assert await count(store) == (1, 1)
    saver.delete_for_runs(["r"])
    assert await count(store) == (0, 0)


@pytest.mark.anyio
async def test_a_state_that_is_not_plain_is_refused_at_once(store: Store) -> None:
    class Rich(TypedDict):
        point: Any

    building = StateGraph(Rich)
    building.add_node("one", lambda _: {"point": Point(1)})
    building.add_edge(START, "one")
    app = building.compile(checkpointer=StoreSaver(store))
    with pytest.raises(InvalidInput, match="Point"):
        await app.ainvoke({"point": None}, config("t"), durability="exit")


@pytest.mark.anyio
async def test_many_threads_at_once(store: Store) -> None:
    app = graph(StoreSaver(store))
    await asyncio.gather(*(app.ainvoke({"seen": []}, config(str(number)), durability="exit") for number in range(20)))
    found = await asyncio.gather(
        *(app.ainvoke(Command(resume=number), config(str(number)), durability="exit") for number in range(20))
    )
    assert [one["seen"][1] for one in found] == [f"answer {number}" for number in range(20)]


@pytest.mark.anyio
async def test_an_older_checkpoint_that_comes_late_deletes_nothing_newer(store: Store) -> None:
    saver = StoreSaver(store)
    older, newer = empty_checkpoint(), empty_checkpoint()
    older["id"], newer["id"] = "1-older", "2-newer"
    place = await saver.aput(config("t"), newer, {}, {})
    await saver.aput_writes(place, [("a", 1)], "task")
    await saver.aput(config("t"), older, {}, {})
    found = await saver.aget_tuple(config("t"))
    assert found is not None
    assert found.checkpoint["id"] == "2-newer"
    assert found.pending_writes == [("task", "a", 1)]
