"""The registry of people, as the user of a service reaches it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from answerable.approvals.voting.delegations import Delegation
from answerable.approvals.who.identity import By
from answerable.orchestrator.office import Office
from answerable.orchestrator.portal import Portal, blocking
from answerable.tracing.people import PersonRow


class HasOffice(Protocol):
    """A service."""

    portal: Portal

    @property
    def office(self) -> Office:
        """What people do to its store."""
        ...


class People:
    """Who there is in a store, and who decides in whose place: each verb async, and blocking beside it."""

    def __init__(self, service: HasOffice) -> None:
        self._service = service
        self.portal = service.portal

    async def aadd(
        self, handle: str, *, name: str = "", contact: str = "", roles: Iterable[str] = (), teams: Iterable[str] = ()
    ) -> PersonRow:
        """Register a person, or give a registered one other roles and teams. Raises: InvalidInput."""
        return await self._service.office.people.add(handle, name=name, contact=contact, roles=roles, teams=teams)

    async def aall(self) -> list[PersonRow]:
        """Everybody, by handle."""
        return await self._service.office.people.all()

    async def adelegate(
        self, *, by: By, to: str, seconds: float, system: str = "", approval: str = "", reason: str
    ) -> Delegation:
        """The person `by` lets `to` decide in their place: everywhere, in a system, or at one approval of it.

        Raises: UnknownId, InvalidInput, NotAuthenticated.
        """
        where = {"system": system, "approval": approval}
        return await self._service.office.people.delegate(by=by, to=to, seconds=seconds, reason=reason, **where)

    async def adelegations(self) -> list[Delegation]:
        """Every delegation that was made, oldest first."""
        return await self._service.office.people.delegations()

    async def arevoke_delegation(self, delegation: str, *, by: By, reason: str) -> Delegation:
        """End a delegation at once. Raises: UnknownId, NotEligible, InvalidInput, NotAuthenticated."""
        return await self._service.office.people.revoke_delegation(delegation, by=by, reason=reason)

    add, all = blocking(aadd), blocking(aall)
    delegate, delegations, revoke_delegation = (
        blocking(adelegate),
        blocking(adelegations),
        blocking(arevoke_delegation),
    )
