"""Stopping something, from the API and from a page alike."""

from __future__ import annotations

from answerable.approvals.who.identity import Identity
from answerable.inbox.desk import Desk
from answerable.orchestrator.interventions import check_target
from answerable.tracing.freezes import WHOLE_SYSTEM, Freeze


async def stop(desk: Desk, system: str, target: str, *, by: Identity, reason: str) -> Freeze:
    """Freeze a target of a system.

    Raises: InvalidInput, UnknownId, NotAuthenticated; VersionGone for a part of a system whose program is not at hand.
    """
    if target != WHOLE_SYSTEM and system in await desk.office.systems():
        check_target(desk.service(system).app.graph, target)
    return await desk.office.freeze(system, target, by=by, reason=reason)
