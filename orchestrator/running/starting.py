"""Starting a run: its input becomes a message that leaves START."""

from __future__ import annotations

import re
from typing import Final

from answerable.agents.messages import Message
from answerable.errors import InvalidInput, InvalidMessage
from answerable.orchestrator.graph import START_NAME, Graph
from answerable.orchestrator.running import journal
from answerable.orchestrator.running.crossing import message_id, outflow, written
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.journal import Guard
from answerable.orchestrator.running.stepping import check_known, read_back
from answerable.orchestrator.running.view import RunView
from answerable.orchestrator.running.worker import Worker
from answerable.orchestrator.runs import find_run, get_run, insert_run
from answerable.tracing import ids
from answerable.tracing.clock import micros
from answerable.tracing.failpoints import failpoint
from answerable.tracing.ledger.entries import append_all
from answerable.tracing.ledger.records.runs import RunStarted
from answerable.tracing.people import authority, ensure_person
from answerable.tracing.storage.store import Tx

_RUN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,200}")


async def start_run(worker: Worker, version: str, run_input: Message, *, by: str, run_id: str | None) -> str:
    """Write a new run and what leaves START; its id. A run of that id that began with the same input is left as it is.

    Raises: InvalidMessage if the input is of another type; InvalidInput if the id is none, or is taken by another run;
    StoreError.
    """
    graph = worker.graph
    if not isinstance(run_input, graph.input_type):
        raise InvalidMessage(
            f"a run of {graph.system!r} begins with {graph.input_type.__name__}, not {type(run_input).__name__}"
        )
    _check_demands(graph, run_input)
    check_known(worker.types, run_input)
    run = ids.fresh(ids.RUN) if run_id is None else _checked(run_id)
    now, segment_after = worker.store.clock.now(), micros(graph.segment_after or 0)
    sent = read_back(written(message_id(run, "input"), run_input))
    out = outflow(graph, run, START_NAME, "", step="", slot=f"{run}.input", scope=(), sent=sent, now=now)

    if out.broken:
        raise InvalidInput(f"the run cannot begin: {out.broken[0]}", hint="a condition answers True or False")

    def work(tx: Tx) -> None:
        known = find_run(tx, run)
        if known is not None:
            if known.system == graph.system and journal.read_payload(tx, run, known.input) == sent.payload:
                return
            raise InvalidInput(f"there is a run {run} already, and it began with something else")
        person = ensure_person(tx, by, at=now)
        began = {"id": run, "system": graph.system, "version": version, "started_by": person.id, "input": sent.id}
        insert_run(tx, **began, at=now, segment_after=segment_after)
        journal.write_messages(tx, run, [sent])
        journal.write_outflow(tx, run, out)
        guard = Guard(authority(tx, graph.system).responsible, frozenset(), "running")
        execution = Execution(worker=worker, run=get_run(tx, run), fence=0, starter=by, view=RunView(graph, run))
        stamp = execution.stamp(guard, person.id) | {"at": now}  # as its row says
        started = RunStarted(
            **stamp, version=version, started_by=person.id, message=sent.ref, segment_after=segment_after
        )
        append_all(tx, (started, *(execution.crossed(*left, stamp, run_input) for left in out.crossings)))
        failpoint("run:before-commit")

    await worker.store.write(work)
    failpoint("run:after-commit")
    worker.committed()
    return run


def _checked(run_id: str) -> str:
    if not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id):
        raise InvalidInput(
            f"{run_id!a:.80} is no id of a run", hint="at most 200 letters (A-Z, a-z), digits, '.', '_' and '-'"
        )
    return run_id


def _check_demands(graph: Graph, run_input: Message) -> None:
    """Raises: InvalidInput if the system's tiers cannot be read from this input."""
    if graph.demands is None:
        return
    try:
        found = {demand.tier for demand in graph.demands(run_input).values()}
    except Exception as error:
        raise InvalidInput(
            f"the tiers of this {type(run_input).__name__} cannot be read: {type(error).__name__}: {error}",
            hint=f"mend the function that @{graph.system}.tiers declares, or the input",
        ) from error
    unknown = sorted(found - set(graph.tiers))
    if unknown:
        raise InvalidInput(f"{graph.system!r} declares no tier {unknown[0]!r}", hint=f"one of {', '.join(graph.tiers)}")
