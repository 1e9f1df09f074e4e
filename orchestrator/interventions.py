"""Interventions: what a named person does to a run from outside: cancel, retry, migrate, settle.

1. Each is one durable transaction with its record, by a registered person, with a reason. It locks the run first: its
   worker, and whoever else does something to it, is over before, or sees this.
2. Cancelling withdraws what was not sent. What was sent stays what it is; a call that nobody waits for is in doubt.
3. Retrying a step supersedes it and everything that followed from it, unless something of that was sent.
4. A call in doubt is settled as done (with what the receiver answered), as failed, or by sending it again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import bindparam, update

from answerable.agents.nodes import Effect
from answerable.approvals.asking.requests import requests_of
from answerable.approvals.gate import EffectRow, doubt, effects_of, get_effect
from answerable.approvals.node import RESPONSE
from answerable.errors import Erased, InvalidInput, UnknownId
from answerable.orchestrator.graph import Graph
from answerable.orchestrator.running import journal
from answerable.orchestrator.running.superseding import followers, supersede, withdraw_requests
from answerable.orchestrator.runs import (
    LEASE_SECONDS,
    RunRow,
    acquire_lease,
    get_run,
    release_lease,
    set_status,
    set_version,
)
from answerable.tracing.clock import micros
from answerable.tracing.continuing import go_on
from answerable.tracing.freezes import WHOLE_SYSTEM
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.effects import EffectSettled
from answerable.tracing.ledger.records.runs import ENDS, RunEnded, RunReopened
from answerable.tracing.people import get_person, stamp
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.runs import effects
from answerable.tracing.waking import wake_at

_SETTLE = Statement(
    update(effects)
    .where(effects.c.id == bindparam("effect"), effects.c.state == "in-doubt")
    .values(state=bindparam("new_state"), detail=bindparam("new_detail"))
)


def cancel(tx: Tx, run: str, *, by: str, reason: str, at: int) -> None:
    """End a run by a person's will. Raises: UnknownId, InvalidInput if it is over already."""
    row, person = get_run(tx, run, lock=True), get_person(tx, by)
    _check_reason(reason)
    if row.status in ENDS:
        raise InvalidInput(f"{run} is over already: it is {row.status}")
    go_on(tx, run, at=at)
    withdraw_requests(tx, row, requests_of(tx, run), reason="the run was cancelled", at=at)
    if row.lease_until < at:  # no worker is there to hear what became of a call
        for effect in effects_of(tx, run):
            if effect.state == "sent":
                doubt(tx, effect, "its run was cancelled, and the answer is not known", by=person.id, now=at)
    detail = f"cancelled by {by}: {reason}"
    set_status(tx, run, "cancelled", detail=detail, ended_at=at)
    append(tx, RunEnded(**_stamp(tx, row, at, person.id), status="cancelled", by=person.id))


def retry(tx: Tx, run: str, step: str, *, by: str, reason: str, at: int) -> None:
    """Supersede a recorded step and what followed from it, so that it runs anew in its next generation.

    Raises: UnknownId; InvalidInput if the step still runs, or an effect that followed was sent; RunBusy; Erased.
    """
    row, person = get_run(tx, run, lock=True), get_person(tx, by)
    _check_reason(reason)
    known = {each.id: each for each in journal.read_steps(tx, run)}
    wrong = known.get(step)
    if wrong is None:
        raise UnknownId(f"{run} has no step {step}", hint=f"`answerable runs show {run}` lists them")
    if wrong.state not in ("done", "failed"):
        raise InvalidInput(f"step {step} is {wrong.state}; only one that has ended can run anew")
    if row.status == "cancelled":
        raise InvalidInput(f"{run} was cancelled", hint="begin a new run")
    if not journal.read_payload(tx, run, row.input):
        raise Erased(f"what {run} began with was erased", hint="begin a new run")
    go_on(tx, run, at=at)
    set_status(tx, run, "running", wake_at=at)
    fence = acquire_lease(tx, run, owner=by, now=at).lease_fence  # nobody else works on it until this is committed
    gone = followers(tx, run, step, known)
    if gone.sent:
        left = gone.sent[0]
        raise InvalidInput(
            f"{left.name} ({left.id}) followed from step {step} and is {left.state}; it cannot be unsent",
            hint="begin a new run that makes up for it",
        )
    supersede(tx, row, gone, reason="a step before it runs anew", at=at)
    release_lease(tx, run, fence=fence)
    wake_at(tx, run, at + micros(LEASE_SECONDS))  # whoever retries goes on with it, or else who serves
    reopened = RunReopened(
        **_stamp(tx, row, at, person.id), by=person.id, reason=reason, step=step, generation=wrong.generation + 1
    )
    append(tx, reopened)


def migrate(tx: Tx, graph: Graph, run: str, *, version: str, by: str, reason: str, at: int) -> None:
    """Move a run to another version of its app: every node and edge that it has used must be there still.

    Raises: UnknownId; InvalidInput if it is over, or uses something that the new version does not have.
    """
    row, person = get_run(tx, run, lock=True), get_person(tx, by)
    _check_reason(reason)
    if row.system != graph.system:
        raise InvalidInput(f"{run} is a run of {row.system!r}, not of {graph.system!r}")
    if row.status in ENDS:
        raise InvalidInput(f"{run} is over already: it is {row.status}")
    edges = {edge.id for edge in graph.edges}
    missing = {f"edge {crossing.edge}" for crossing in journal.read_crossings(tx, run) if crossing.edge not in edges}
    missing |= {f"node {step.node}" for step in journal.read_steps(tx, run) if step.node not in graph.nodes}
    if missing:
        raise InvalidInput(
            f"{run} has used what this version does not have: {', '.join(sorted(missing))}",
            hint="finish it with the program that began it, or cancel it",
        )
    set_version(tx, run, version)
    go_on(tx, run, at=at)
    wake_at(tx, run, at)
    append(tx, RunReopened(**_stamp(tx, row, at, person.id), by=person.id, reason=reason, version=version))


def settle(
    tx: Tx,
    graph: Graph,
    effect: str,
    *,
    outcome: Literal["done", "failed", "again"],
    by: str,
    reason: str,
    result: Mapping[str, Any] | None,
    at: int,
) -> None:
    """Say what became of a call in doubt; the run takes it up when it is resumed.

    Raises: UnknownId; InvalidInput if it is not in doubt or the outcome is none; InvalidMessage for a wrong result.
    """
    row = get_effect(tx, effect)
    if row is None:
        raise UnknownId(
            f"there is no effect {effect}", hint="`answerable effects list --in-doubt` lists those in doubt"
        )
    person, run = get_person(tx, by), get_run(tx, row.run)
    _check_reason(reason)
    if row.state != "in-doubt":
        raise InvalidInput(f"effect {effect} is {row.state}, not in doubt")
    if outcome == "done":
        state, detail = "done", _result(graph, row, result)
    elif outcome == "failed":
        state, detail = "failed", f"a person settled it as failed: {reason}"
    elif outcome == "again":
        if run.status in ENDS:
            raise InvalidInput(f"{run.id} is over: it is {run.status}", hint="settle it as done or as failed")
        state, detail = "sent", "it was in doubt, and a person had it sent again"
    else:  # an untyped caller
        raise InvalidInput(f"{outcome!r} settles nothing", hint="done, failed or again")
    tx.run(_SETTLE, effect=effect, new_state=state, new_detail=detail)
    go_on(tx, run.id, at=at)
    wake_at(tx, run.id, at)
    append(
        tx,
        EffectSettled(
            **_stamp(tx, run, at, person.id),
            effect=effect,
            name=row.name,
            step=row.step,
            outcome=outcome,
            by=person.id,
            reason=reason,
        ),
    )


def check_response(graph: Graph, approval: str) -> None:
    """Raises: InvalidInput if no edge takes a response of this approval."""
    if not graph.outgoing(approval, RESPONSE):
        raise InvalidInput(
            f"approval {approval!r} has no edge for a response", hint="choose an option, edit, or reject with a reason"
        )


def check_target(graph: Graph, target: str) -> None:
    """Raises: InvalidInput if there is nothing of that name to freeze."""
    kind, _, name = target.partition(":")
    if kind in ("agent", "effect"):
        found = name in graph.nodes and (kind == "effect") == isinstance(graph.nodes[name], Effect)
    elif kind == "edge":
        found = name in {edge.id for edge in graph.edges}
    else:
        found = target == WHOLE_SYSTEM
    if not found:
        raise InvalidInput(
            f"{graph.system!r} has no {target!r} to freeze", hint="system, agent:NAME, edge:ID or effect:NAME"
        )


def _result(graph: Graph, row: EffectRow, result: Mapping[str, Any] | None) -> str:
    kind = graph.nodes[row.name].outputs[0]
    if result is None:
        raise InvalidInput(
            f"{row.name} answers with a {kind.__name__}; what did it say?", hint="give it with --result, as JSON"
        )
    return kind.from_bytes(json.dumps(dict(result)).encode()).to_bytes().decode()


def _stamp(tx: Tx, run: RunRow, at: int, person: str) -> dict[str, Any]:
    return stamp(tx, run.system, run=run.id, at=at, through=(person,))


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise InvalidInput("say why, for whoever reads it later", hint="give a reason")
