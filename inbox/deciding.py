"""Answering a request, from the API and from a page alike: one way in, whoever asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from answerable.approvals.asking.requests import get_request
from answerable.approvals.deciding.answering import Once
from answerable.approvals.deciding.answers import Answer, Given
from answerable.approvals.deciding.decisions import decision_on
from answerable.approvals.who.identity import Identity
from answerable.inbox.desk import Desk, doing
from answerable.orchestrator.interventions import check_response
from answerable.orchestrator.service import Service


async def give(
    desk: Desk,
    request: str,
    answer: Answer,
    message: Mapping[str, Any] | None = None,
    *,
    by: Identity,
    seen: str,
    once: Once | None = None,
) -> tuple[Given, str | None]:
    """Answer a request that was shown with the digest `seen`; `message` is what an edit proposes.

    Returns the decision, or the vote if it takes others besides, and the id of the new request after an edit.

    Raises: NotAuthenticated, NotAsShown, UnknownId, InvalidInput, InvalidMessage, NotEligible, AlreadyDecided, NotOpen;
        VersionGone where an edit or a response needs the program, and it is not at hand.
    """
    office = desk.office
    if answer.outcome not in ("edited", "answered"):
        return await office.decide(request, answer, by=by, seen=seen, once=once), None
    row = await office.store.read(lambda tx: get_request(tx, request))
    service = desk.service(row.system)
    if answer.outcome == "answered":
        check_response(service.app.graph, row.approval)
        return await office.decide(request, answer, by=by, seen=seen, once=once), None
    made = await doing(
        Service.aedit,
        service,
        request,
        dict(message or {}),
        by=by,
        reason=answer.reason,
        seen=seen,
        once=once,
        signed=answer.signed,
    )
    decision = await office.store.read(lambda tx: decision_on(tx, request))
    assert decision is not None, request
    return decision, made.id
