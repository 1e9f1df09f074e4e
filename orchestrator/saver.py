"""The saver: LangGraph's checkpoints, in the same database as everything else.

1. A checkpoint is a wake-up note, not a memory: what happened is in records. So the newest one of a thread and
   namespace is kept and nothing else, and one that is lost costs nothing but a look into the tables.
2. It holds plain values only (see `plain.py`).
3. The async methods are the real ones. The others run them to their end, for LangGraph's blocking calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    PendingWrite,
    get_checkpoint_id,
    get_serializable_checkpoint_metadata,
    writes_sort_key,
)
from sqlalchemy import BindParameter, Select, bindparam, delete, select

from answerable.errors import InvalidInput
from answerable.orchestrator.plain import PlainSerializer, decode, encode
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Store, Tx
from answerable.tracing.storage.tables.runs import checkpoint_writes, checkpoints

T = TypeVar("T")

_C, _W = checkpoints.c, checkpoint_writes.c
_thread: BindParameter[str] = bindparam("thread")
_namespace: BindParameter[str] = bindparam("namespace")
_id: BindParameter[str] = bindparam("id")
_columns: Select[Any] = select(_C.thread, _C.namespace, _C.id, _C.parent, _C.checkpoint, _C.metadata)

_ONE = Statement(_columns.where(_C.thread == _thread, _C.namespace == _namespace, _C.id == _id))
_IN_NAMESPACE = Statement(_columns.where(_C.thread == _thread, _C.namespace == _namespace).order_by(_C.id.desc()))
_IN_THREAD = Statement(_columns.where(_C.thread == _thread).order_by(_C.id.desc()))
_ALL = Statement(_columns.order_by(_C.id.desc()))
_NEWEST = Statement(
    _columns.where(_C.thread == _thread, _C.namespace == _namespace).order_by(_C.id.desc()).limit(1),
)
_WRITES = Statement(
    select(_W.path, _W.task, _W.position, _W.channel, _W.value).where(
        _W.thread == _thread, _W.namespace == _namespace, _W.checkpoint == _id
    )
)
_THREAD_WRITES = Statement(
    select(_W.namespace, _W.checkpoint, _W.task, _W.position, _W.channel, _W.value, _W.path).where(_W.thread == _thread)
)

_INSERT = inserting(checkpoints)
_INSERT_WRITE = inserting(checkpoint_writes)
_DELETE = Statement(delete(checkpoints).where(_C.thread == _thread, _C.namespace == _namespace, _C.id == _id))
_DELETE_OLDER = Statement(delete(checkpoints).where(_C.thread == _thread, _C.namespace == _namespace, _C.id <= _id))
_DELETE_THREAD = Statement(delete(checkpoints).where(_C.thread == _thread))
_DELETE_WRITE = Statement(
    delete(checkpoint_writes).where(
        _W.thread == _thread,
        _W.namespace == _namespace,
        _W.checkpoint == bindparam("checkpoint"),
        _W.task == bindparam("task"),
        _W.position == bindparam("position"),
    )
)
_DELETE_WRITES = Statement(
    delete(checkpoint_writes).where(_W.thread == _thread, _W.namespace == _namespace, _W.checkpoint == _id)
)
# Checkpoint ids grow with time. Writes of a later one may be here before it: LangGraph does not wait.
_DELETE_OLDER_WRITES = Statement(
    delete(checkpoint_writes).where(_W.thread == _thread, _W.namespace == _namespace, _W.checkpoint < _id)
)
_DELETE_THREAD_WRITES = Statement(delete(checkpoint_writes).where(_W.thread == _thread))


class StoreSaver(BaseCheckpointSaver[int]):
    """LangGraph's checkpointer on a store. With `keep_all`, older checkpoints of a thread are kept as well."""

    def __init__(self, store: Store, *, keep_all: bool = False) -> None:
        super().__init__(serde=PlainSerializer())
        self._store = store
        self._keep_all = keep_all

    def with_allowlist(self, extra_allowlist: Collection[tuple[str, ...]]) -> StoreSaver:  # noqa: ARG002
        """This saver itself: there is no list of types that could be extended."""
        return self

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,  # noqa: ARG002  # a checkpoint is small: it is written whole
    ) -> RunnableConfig:
        """Store a checkpoint, in place of the one before it. Raises: InvalidInput for values that are not plain."""
        thread, namespace = _place(config)
        row = {
            "thread": thread,
            "namespace": namespace,
            "id": checkpoint["id"],
            "parent": get_checkpoint_id(config) or "",
            "checkpoint": encode(checkpoint),
            "metadata": encode(get_serializable_checkpoint_metadata(config, metadata)),
        }

        def work(tx: Tx) -> None:
            if self._keep_all:
                tx.run(_DELETE, thread=thread, namespace=namespace, id=row["id"])
            else:
                tx.run(_DELETE_OLDER, thread=thread, namespace=namespace, id=row["id"])
                tx.run(_DELETE_OLDER_WRITES, thread=thread, namespace=namespace, id=row["id"])
            tx.run(_INSERT, **row)

        await self._store.write(work)
        return _config(thread, namespace, checkpoint["id"])

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",  # LangGraph looks for this name in the signature
    ) -> None:
        """Store what one task wrote after a checkpoint. Raises: InvalidInput for values that are not plain."""
        thread, namespace = _place(config)
        rows = [
            {
                "thread": thread,
                "namespace": namespace,
                "checkpoint": get_checkpoint_id(config) or "",
                "task": task_id,
                "position": WRITES_IDX_MAP.get(channel, index),
                "channel": channel,
                "value": encode(value),
                "path": task_path,
            }
            for index, (channel, value) in enumerate(writes)
        ]
        keys = [{key: row[key] for key in ("thread", "namespace", "checkpoint", "task", "position")} for row in rows]

        def work(tx: Tx) -> None:
            tx.many(_DELETE_WRITE, keys)  # a task that runs again writes the same again
            tx.many(_INSERT_WRITE, rows)

        await self._store.write(work)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that `config` names, or else the newest of its thread and namespace; None if there is none."""
        thread, namespace = _place(config)
        wanted = get_checkpoint_id(config)

        def work(tx: Tx) -> CheckpointTuple | None:
            if wanted:
                row = tx.one(_ONE, thread=thread, namespace=namespace, id=wanted)
            else:
                row = tx.one(_NEWEST, thread=thread, namespace=namespace)
            return _read(tx, row) if row else None

        return await self._store.read(work)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002  # LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """The checkpoints of a thread (of all threads without `config`), newest first.

        `filter` names values that their metadata must have; `before` a checkpoint that they are older than.
        """
        for found in await self._store.read(lambda tx: _list(tx, config, filter or {}, before, limit)):
            yield found

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete what is stored of a thread."""
        await self._store.write(lambda tx: _delete_thread(tx, str(thread_id)))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints whose metadata name one of these LangGraph runs (`run_id`), wherever they are."""
        wanted = set(run_ids)

        def work(tx: Tx) -> None:
            for thread, namespace, id, _, _, metadata in tx.all(_ALL) if wanted else ():
                if decode(metadata).get("run_id") in wanted:
                    tx.run(_DELETE, thread=thread, namespace=namespace, id=id)
                    tx.run(_DELETE_WRITES, thread=thread, namespace=namespace, id=id)

        await self._store.write(work)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy what is stored of a thread, in place of what is stored of the other."""
        source, target = str(source_thread_id), str(target_thread_id)

        def work(tx: Tx) -> None:
            found = tx.all(_IN_THREAD, thread=source)
            writes = tx.all(_THREAD_WRITES, thread=source)
            _delete_thread(tx, target)
            names = [column.name for column in checkpoints.columns]
            tx.many(_INSERT, [{**dict(zip(names, row, strict=True)), "thread": target} for row in found])
            names = ["namespace", "checkpoint", "task", "position", "channel", "value", "path"]
            tx.many(_INSERT_WRITE, [{**dict(zip(names, row, strict=True)), "thread": target} for row in writes])

        await self._store.write(work)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete all but the newest checkpoint of each namespace ("keep_latest"), or all ("delete"), of some threads.

        Raises: InvalidInput for any other strategy.
        """
        if strategy not in ("keep_latest", "delete"):
            raise InvalidInput(f"no strategy {strategy!r}", hint='"keep_latest" or "delete"')

        def work(tx: Tx) -> None:
            for thread in map(str, thread_ids):
                if strategy == "delete":
                    _delete_thread(tx, thread)
                    continue
                seen: set[str] = set()
                for _, namespace, id, *_ in tx.all(_IN_THREAD, thread=thread):
                    if namespace in seen:
                        tx.run(_DELETE, thread=thread, namespace=namespace, id=id)
                        tx.run(_DELETE_WRITES, thread=thread, namespace=namespace, id=id)
                    seen.add(namespace)

        await self._store.write(work)

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As `aput`, blocking."""
        return _blocking(self.aput(config, checkpoint, metadata, new_versions))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """As `aput_writes`, blocking."""
        _blocking(self.aput_writes(config, writes, task_id, task_path))

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As `aget_tuple`, blocking."""
        return _blocking(self.aget_tuple(config))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002  # LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """As `alist`, blocking."""
        return iter(_blocking(self._store.read(lambda tx: _list(tx, config, filter or {}, before, limit))))

    def delete_thread(self, thread_id: str) -> None:
        """As `adelete_thread`, blocking."""
        _blocking(self.adelete_thread(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """As `adelete_for_runs`, blocking."""
        _blocking(self.adelete_for_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """As `acopy_thread`, blocking."""
        _blocking(self.acopy_thread(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """As `aprune`, blocking."""
        _blocking(self.aprune(thread_ids, strategy=strategy))


def _place(config: RunnableConfig) -> tuple[str, str]:
    """Thread and namespace. LangGraph gives every run of a checkpointed graph a thread, or refuses it."""
    place = config["configurable"]
    return str(place["thread_id"]), place.get("checkpoint_ns", "")


def _config(thread: str, namespace: str, id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": namespace, "checkpoint_id": id}}


def _read(tx: Tx, row: tuple[Any, ...]) -> CheckpointTuple:
    thread, namespace, id, parent, checkpoint, metadata = row
    writes = tx.all(_WRITES, thread=thread, namespace=namespace, id=id)
    writes.sort(key=lambda write: writes_sort_key(*write[:3]))
    pending: list[PendingWrite] = [(task, channel, decode(value)) for _, task, _, channel, value in writes]
    return CheckpointTuple(
        config=_config(thread, namespace, id),
        checkpoint=decode(checkpoint),
        metadata=decode(metadata),
        parent_config=_config(thread, namespace, parent) if parent else None,
        pending_writes=pending,
    )


def _list(
    tx: Tx, config: RunnableConfig | None, wanted: Mapping[str, Any], before: RunnableConfig | None, limit: int | None
) -> list[CheckpointTuple]:
    if config is None:
        rows = tx.all(_ALL)
    elif "checkpoint_ns" in config["configurable"]:
        thread, namespace = _place(config)
        rows = tx.all(_IN_NAMESPACE, thread=thread, namespace=namespace)
    else:
        rows = tx.all(_IN_THREAD, thread=_place(config)[0])
    only = get_checkpoint_id(config) if config else None
    older_than = get_checkpoint_id(before) if before else None
    found: list[CheckpointTuple] = []
    for row in rows:
        if limit is not None and len(found) >= limit:
            break
        id, metadata = row[2], decode(row[5])
        if (only and id != only) or (older_than and id >= older_than):
            continue
        if all(key in metadata and metadata[key] == value for key, value in wanted.items()):
            found.append(_read(tx, row))
    return found


def _delete_thread(tx: Tx, thread: str) -> None:
    tx.run(_DELETE_THREAD, thread=thread)
    tx.run(_DELETE_THREAD_WRITES, thread=thread)


def _blocking(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end; in a thread of its own if this one already runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
