"""Escalating: when nobody has decided for so long, others may decide as well.

1. A request is bound to when it escalates, and to whom. Time adds people who may decide; it never decides itself.
2. A stage is in force when it is recorded and its time has come: a row that was written by hand, or a clock that was
   ahead and is set back, gives nobody a right.
3. The run's worker escalates when it wakes for it, in whichever process and after a restart; so does whoever looks, or
   decides, first. It is one transaction with its record.
4. A request that is frozen does not escalate; it does at the thaw, if it is due then.
"""

from __future__ import annotations

from sqlalchemy import bindparam, select, update

from answerable.approvals.asking.requests import RequestRow, get_request
from answerable.approvals.sealing.keys import Key
from answerable.errors import StoreCorrupt
from answerable.tracing.continuing import go_on
from answerable.tracing.freezes import frozen_targets
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.afterwards import Escalated
from answerable.tracing.people import stamp
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import requests
from answerable.tracing.waking import wake_at

_DUE = Statement(
    select(requests.c.id)
    .where(
        requests.c.state == "open", requests.c.escalates_at <= bindparam("at"), requests.c.expires_at > bindparam("at")
    )
    .order_by(requests.c.escalates_at, requests.c.id)
)
_ESCALATE = Statement(
    update(requests)
    .where(requests.c.id == bindparam("request"), requests.c.state == "open", requests.c.stage == bindparam("before"))
    .values(stage=bindparam("new_stage"), escalates_at=bindparam("new_escalates_at"))
)


def due_escalations(tx: Tx, *, at: int) -> list[str]:
    """The open requests that are due to escalate, the longest waiting first. Those that are frozen are among them."""
    return [str(row[0]) for row in tx.all(_DUE, at=at)]


def escalate_due(tx: Tx, key: Key, *, at: int) -> list[str]:
    """Escalate every open request that is due, and wake its run; which those are. One that was changed is left out."""
    done = []
    for id in due_escalations(tx, at=at):
        try:
            request = get_request(tx, id, lock=True)
        except StoreCorrupt:
            continue
        if escalate(tx, key, request, at=at).stage != request.stage:
            wake_at(tx, request.run, at)
            done.append(id)
    return done


def escalate(tx: Tx, key: Key, request: RequestRow, *, at: int) -> RequestRow:
    """Escalate a request as far as it is due; the request as it is then."""
    due = [one for one in request.escalations if one.at <= at]
    if len(due) <= request.stage or request.state != "open" or at >= request.expires_at or not request.genuine(key):
        return request
    if request.is_held(frozen_targets(tx, request.system)):
        return request
    following = request.escalations[len(due) :]
    new = {"new_stage": len(due), "new_escalates_at": following[0].at if following else None}
    if not tx.run(_ESCALATE, request=request.id, before=request.stage, **new):
        return get_request(tx, request.id)
    go_on(tx, request.run, at=at)
    said = stamp(tx, request.system, run=request.run, at=at)
    for one in due[request.stage :]:
        append(
            tx,
            Escalated(
                **said,
                request=request.id,
                approval=request.approval,
                step=request.step,
                stage=one.stage,
                due=one.at,
                to=str(one.to),
            ),
        )
    return get_request(tx, request.id)
