"""Superseding: a recorded step runs anew in its next generation, with everything that followed from it.

1. What followed is found by what was consumed: steps by their crossings, gathers by their items and lists.
2. Where something that followed was sent, nothing is superseded: it cannot be unsent.
3. Requests of superseded steps are withdrawn, and lead nowhere; their calls are withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, update

from answerable.approvals.asking.requests import RequestRow, close_request, mark_routed, requests_of
from answerable.approvals.deciding.recording import withdraw_effect
from answerable.approvals.gate import UNSENT, EffectRow, effects_of
from answerable.orchestrator.running import journal
from answerable.orchestrator.running.journal import StepRow
from answerable.orchestrator.running.planning import effect_id
from answerable.orchestrator.runs import RunRow
from answerable.orchestrator.scopes import ScatterFrame
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.deciding import RequestWithdrawn
from answerable.tracing.people import stamp
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.runs import crossings, gathers, scatters, steps

_SUPERSEDE = Statement(
    update(steps).where(steps.c.run == bindparam("run"), steps.c.id == bindparam("step")).values(state="superseded")
)
_FORGET_CROSSINGS = Statement(
    delete(crossings).where(crossings.c.run == bindparam("run"), crossings.c.step == bindparam("step"))
)
_FORGET_SCATTERS = Statement(delete(scatters).where(scatters.c.step == bindparam("step")))
_FORGET_GATHER = Statement(delete(gathers).where(gathers.c.id == bindparam("gather")))


@dataclass(frozen=True, kw_only=True)
class Followers:
    """A step and the steps that followed from it, the gathers over any of them, and the calls of these that left."""

    steps: frozenset[str]
    gathers: frozenset[str]
    sent: Sequence[EffectRow]


def followers(tx: Tx, run: str, step: str, known: Mapping[str, StepRow]) -> Followers:
    """What followed from a step; `known` are all steps of the run, by id."""
    gone, gathers_gone = _followers(tx, run, known[step], known)
    theirs = {effect_id(run, known[id].node, taken) for id in gone for taken in known[id].consumed.values()}
    made = [effect for effect in effects_of(tx, run) if effect.step in gone or effect.id in theirs]
    sent = [effect for effect in made if effect.state not in UNSENT]
    return Followers(steps=frozenset(gone), gathers=frozenset(gathers_gone), sent=sent)


def supersede(tx: Tx, run: RunRow, gone: Followers, *, reason: str, at: int) -> None:
    """Write that these steps run anew. Whoever calls it holds the run's lease, and none of it was sent."""
    asked = [request for request in requests_of(tx, run.id) if request.step in gone.steps]
    withdraw_requests(tx, run, asked, reason=reason, at=at)
    for request in asked:
        mark_routed(tx, request.id)  # one that was decided goes nowhere any more
    for id in gone.steps:
        tx.run(_SUPERSEDE, run=run.id, step=id)
        tx.run(_FORGET_CROSSINGS, run=run.id, step=id)
        tx.run(_FORGET_SCATTERS, step=id)
    for gather in gone.gathers:
        tx.run(_FORGET_GATHER, gather=gather)


def withdraw_requests(tx: Tx, run: RunRow, asked: Sequence[RequestRow], *, reason: str, at: int) -> None:
    """Take requests back that are open, and every call of them that was not sent."""
    said = stamp(tx, run.system, run=run.id, at=at)
    responsible = said["responsible"]
    for request in asked:
        if close_request(tx, request.id, state="withdrawn"):
            append(
                tx,
                RequestWithdrawn(
                    **said, request=request.id, approval=request.approval, step=request.step, reason=reason
                ),
            )
        for option in request.body["options"]:
            for call in option["calls"]:
                withdraw_effect(tx, call["effect"], reason=reason, request=request, responsible=responsible, at=at)


def _followers(tx: Tx, run: str, step: StepRow, known: Mapping[str, StepRow]) -> tuple[set[str], set[str]]:
    """The step and all steps that consumed what followed from it; and the gathers that were closed over any of them.

    A step within a scatter may have sent an item to its gather, failed on the way there, or sent nothing: whichever it
    was, the list may be another one after it.
    """
    sender = {crossing.id: crossing.step for crossing in journal.read_crossings(tx, run)}
    gathered = journal.read_gathers(tx, run)
    gone, gathers_gone = {step.id}, set[str]()
    while True:
        inside = {frame[:2] for id in gone for frame in known[id].scope if isinstance(frame, ScatterFrame)}
        gathers_gone |= {one.id for one in gathered if one.scatter in inside or one.scatter[1] in gone}
        more = {
            each.id
            for each in known.values()
            if each.id not in gone
            and any(sender.get(id) in gone or id in gathers_gone for id in each.consumed.values())
        }
        if not more:
            return gone, gathers_gone
        gone |= more
