"""What people do to the registry of people, and to what shows who somebody is: tokens, keys, logins."""

from __future__ import annotations

from collections.abc import Iterable

from answerable.agents.texts import check_handle, check_names, check_text, like
from answerable.approvals.accepting.standing import standings
from answerable.approvals.voting.delegations import Delegation, all_delegations, delegate, revoke_delegation
from answerable.approvals.who import bindings
from answerable.approvals.who.credentials import Credential, credentials_of_kind
from answerable.approvals.who.identity import By, identified
from answerable.approvals.who.signatures import PersonKey, person_keys, register_key, revoke_key
from answerable.approvals.who.tokens import make_token, revoke_token
from answerable.errors import InvalidInput, UnknownId
from answerable.orchestrator.desks.acting import Acting
from answerable.tracing import people
from answerable.tracing.clock import micros
from answerable.tracing.people import PersonRow
from answerable.tracing.storage.store import Tx


class PeopleDesk:
    """The people of a store, who decides in whose place, and what each shows instead of saying who they are."""

    def __init__(self, office: Acting) -> None:
        self._office = office

    async def unknown_roles(self, roles: Iterable[str]) -> dict[str, str]:
        """Those of the roles that no approval asks here, each with what may have been meant.

        None, where no approval is known: a role may be given before its system is first connected.
        """
        office = self._office
        found = await office.store.read(lambda tx: standings(tx, office.key))
        known = {role for one in found.values() for role in one.roles}
        return {role: like(role, known) for role in roles if known and role not in known}

    async def add(
        self, handle: str, *, name: str = "", contact: str = "", roles: Iterable[str] = (), teams: Iterable[str] = ()
    ) -> PersonRow:
        """Register a person, or give a registered one other roles and teams. Raises: InvalidInput."""
        check_handle(handle)
        check_text("the name", name, lines=False)
        check_text("the contact", contact)
        has_roles, has_teams, store = check_names("roles", roles), check_names("teams", teams), self._office.store
        now = store.clock.now()
        return await store.write(
            lambda tx: people.add_person(
                tx, handle, at=now, name=name, contact=contact, roles=has_roles, teams=has_teams
            ),
            durable=True,
        )

    async def all(self) -> list[PersonRow]:
        """Everybody, by handle."""
        return await self._office.store.read(people.all_people)

    async def delegate(
        self, *, by: By, to: str, seconds: float, system: str = "", approval: str = "", reason: str
    ) -> Delegation:
        """The person `by` lets `to` decide in their place: everywhere, in a system, or at one approval of it.

        Raises: UnknownId, InvalidInput, NotAuthenticated.
        """
        who, key, where = identified(by), self._office.key, {"system": system, "approval": approval}
        check_handle(to)
        if not isinstance(seconds, int | float):
            raise InvalidInput(f"{seconds!r} is no time in seconds", hint="8 * HOUR")

        def work(tx: Tx, now: int) -> Delegation:
            until = now + micros(seconds)
            known = {one for of, one in standings(tx, key) if of == system}
            if approval and known and approval not in known:
                raise UnknownId(f"{system!r} has no approval {approval!r}", hint=like(approval, known))
            return delegate(tx, key, by=who.handle, to=to, until=until, reason=reason, at=now, **where)

        return await self._office.act_as(who, reason, work)

    async def delegations(self) -> list[Delegation]:
        """Every delegation that was made, oldest first."""
        return await self._office.store.read(all_delegations)

    async def revoke_delegation(self, delegation: str, *, by: By, reason: str) -> Delegation:
        """End a delegation at once. Raises: UnknownId, NotEligible, InvalidInput, NotAuthenticated."""
        who, key = identified(by).handle, self._office.key
        return await self._office.act_as(
            by, reason, lambda tx, now: revoke_delegation(tx, key, delegation, by=who, reason=reason, at=now)
        )

    async def make_token(self, person: str, *, seconds: float, note: str = "") -> tuple[Credential, str]:
        """A bearer token for a registered person, and its secret, which is kept nowhere.

        Raises: UnknownId, InvalidInput.
        """
        check_handle(person)
        check_text("the note", note, lines=False)
        key = self._office.key
        return await self._office.act(
            lambda tx, now: make_token(tx, key, person, note=note, expires_at=now + micros(seconds), at=now)
        )

    async def tokens(self) -> list[Credential]:
        """All tokens that were made, oldest first; never their secrets."""
        return await self._office.store.read(lambda tx: credentials_of_kind(tx, "token"))

    async def revoke_token(self, token: str) -> Credential:
        """End a token at once. Raises: UnknownId, InvalidInput."""
        return await self._office.act(lambda tx, now: revoke_token(tx, token, at=now))

    async def bind(self, person: str, *, issuer: str, subject: str) -> Credential:
        """Have a login at an OpenID provider be this person. Raises: UnknownId, InvalidInput."""
        check_handle(person)
        check_text("the issuer", issuer, required=True, lines=False)
        check_text("the subject", subject, required=True, lines=False)
        return await self._office.act(
            lambda tx, now: bindings.bind(tx, self._office.key, person, issuer=issuer, subject=subject, at=now)
        )

    async def bindings(self) -> list[Credential]:
        """All logins that were bound to somebody, oldest first."""
        return await self._office.store.read(lambda tx: credentials_of_kind(tx, "binding"))

    async def unbind(self, binding: str) -> Credential:
        """End a binding, and the sessions that it opened. Raises: UnknownId, InvalidInput."""
        return await self._office.act(lambda tx, now: bindings.unbind(tx, binding, at=now))

    async def register_key(self, by: By, *, public: str, proof: str, proved_at: int) -> PersonKey:
        """Have a key be the person's own. Raises: UnknownId, InvalidInput, NotAuthenticated."""
        who, key = identified(by), self._office.key
        return await self._office.act(
            lambda tx, now: register_key(tx, key, who.handle, public=public, proof=proof, proved_at=proved_at, at=now),
            who=who,
        )

    async def keys(self) -> list[PersonKey]:
        """The keys that persons sign with, oldest first."""
        return await self._office.store.read(lambda tx: person_keys(tx, self._office.key))

    async def revoke_key(self, key: str, *, by: By, reason: str) -> PersonKey:
        """Have a key sign nothing new. Raises: UnknownId, InvalidInput, NotEligible."""
        who, ours = identified(by).handle, self._office.key
        return await self._office.act_as(
            by, reason, lambda tx, now: revoke_key(tx, ours, key, by=who, reason=reason, at=now)
        )
