"""Exemptions at the desk: what the API and the page show of them, and accepting one as it was shown."""

from __future__ import annotations

from typing import Any

from answerable.approvals.node import Approval
from answerable.approvals.who.identity import Identity
from answerable.errors import UnknownId
from answerable.inbox.desk import Desk
from answerable.orchestrator.accepted import exemption_documents
from answerable.orchestrator.documents import handles


async def exemptions_of(desk: Desk) -> list[dict[str, Any]]:
    """Every exemption that the systems at hand here declare, and every one that was accepted in this store."""
    graphs, key = [service.app.graph for service in desk.services.values()], desk.office.key
    return await desk.office.store.read(lambda tx: exemption_documents(tx, key, graphs, handles(tx)))


async def accept_as_shown(desk: Desk, system: str, approval: str, exemption: str, *, who: Identity) -> None:
    """The RI lets an exemption be used, NAME@VERSION as it was shown.

    Raises: VersionGone if the program of the system is not at hand here; UnknownId; InvalidInput if the approval
    declares none; NotAsShown; NotEligible, NotSureEnough, NotAuthenticated.
    """
    node = desk.service(system).app.graph.nodes.get(approval)
    if not isinstance(node, Approval):
        raise UnknownId(f"{system!r} has no approval {approval!r}", hint="the list of exemptions names them")
    await desk.office.accept_exemption(system, node, by=who, seen=exemption)
