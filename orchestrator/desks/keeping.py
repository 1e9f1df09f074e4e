"""What people do to the store itself and to what it keeps: holds, erasing, repairs, the key that signs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

from answerable.agents.texts import check_handle, check_text
from answerable.approvals.who.credentials import check_standing
from answerable.approvals.who.identity import By, identified
from answerable.orchestrator.desks.acting import Acting
from answerable.orchestrator.erasing import ErasedPerson, erase_person
from answerable.orchestrator.restoring import Restored, restored
from answerable.tracing.evidence.keeping.erasing import (
    ErasedPayloads,
    Pruned,
    erase_message,
    erase_run,
    erase_subject,
    prune,
)
from answerable.tracing.evidence.keeping.holds import Hold, lift_hold, place_hold
from answerable.tracing.ledger.signing import SigningKeys, replace_key
from answerable.tracing.people import get_person
from answerable.tracing.storage.store import Tx

if TYPE_CHECKING:
    from answerable.orchestrator.rebuilding.rows import Rebuilt

T = TypeVar("T")
Erasable: TypeAlias = Literal["message", "run", "subject"]

RUNS_AT_ONCE: Final = 50  # that one transaction prunes


class KeepingDesk:
    """A store as somebody keeps it: under hold or erased, restored or rebuilt, signed by which key."""

    def __init__(self, office: Acting) -> None:
        self._office = office

    async def place_hold(self, covers: str, of: str, *, by: By, reason: str) -> Hold:
        """Put a run, a system or a subject under legal hold. Raises: InvalidInput, UnknownId."""
        return await self._keep(
            by, reason, lambda tx, who, now: place_hold(tx, covers, of, by=who, reason=reason, at=now)
        )

    async def lift_hold(self, hold: str, *, by: By, reason: str) -> Hold:
        """Lift a legal hold. Raises: InvalidInput, UnknownId."""
        return await self._keep(by, reason, lambda tx, who, now: lift_hold(tx, hold, by=who, reason=reason, at=now))

    async def erase_person(self, handle: str, *, by: By, reason: str) -> ErasedPerson:
        """Remove a person's handle, name, contact and words. Raises: UnknownId, NotErasable, StoreCorrupt."""
        check_handle(handle)
        key = self._office.key
        return await self._keep(
            by, reason, lambda tx, who, now: erase_person(tx, key, handle, by=who, reason=reason, at=now)
        )

    async def erase_payloads(self, what: Erasable, id: str, *, by: By, reason: str) -> list[ErasedPayloads]:
        """Remove payloads: of a message, a run, or all that is about a subject. Raises: UnknownId, NotErasable."""

        def work(tx: Tx, who: str, now: int) -> list[ErasedPayloads]:
            acting: dict[str, Any] = {"by": get_person(tx, who).id, "reason": reason, "at": now}
            if what == "subject":
                return erase_subject(tx, id, **acting)
            return [(erase_message if what == "message" else erase_run)(tx, id, **acting)]

        return await self._keep(by, reason, work)

    async def prune(self, before: int, *, by: By, reason: str) -> tuple[list[str], dict[str, str]]:
        """Remove payloads and work rows of runs that ended before a time (microseconds); which, and which not and why.

        Each transaction takes some runs. Raises: UnknownId; NotErasable if that is younger than the retention.
        """
        done: list[str] = []
        skipped: dict[str, str] = {}
        after = ""
        while True:

            def work(tx: Tx, who: str, now: int, after: str = after) -> Pruned:
                person = get_person(tx, who).id
                return prune(tx, before=before, after=after, at_most=RUNS_AT_ONCE, by=person, reason=reason, at=now)

            found = await self._keep(by, reason, work)
            done += found.runs
            skipped |= found.skipped
            after = found.goes_on
            if not after:
                return done, skipped

    async def restored(self, *, by: By) -> Restored:
        """Note that this store is a restored backup. Raises: UnknownId."""
        who = identified(by)
        return await self._office.act(lambda tx, now: restored(tx, by=who.handle, at=now), who=who)

    async def rebuild(self, *, by: By, reason: str) -> Rebuilt:
        """Make the tables say what the records say. Raises: UnknownId, RunBusy, StoreCorrupt."""
        from answerable.orchestrator.rebuilding.rebuilding import rebuild  # a repair, which few programs need

        key = self._office.key
        return await self._keep(by, reason, lambda tx, who, now: rebuild(tx, key, by=who, reason=reason, at=now))

    async def replace_signing_key(self, *, by: By, reason: str) -> SigningKeys:
        """Have another key sign the ledger's checkpoints. Raises: UnknownId, InvalidInput, StoreError."""
        who, store = identified(by), self._office.store
        check_text("the reason", reason, required=True)

        def acting(tx: Tx) -> str:
            check_standing(tx, self._office.key, who, at=store.clock.now(), lock=False)
            return get_person(tx, who.handle).id

        keys = await replace_key(store, by=await store.read(acting), reason=reason, assurance=who.assurance)
        self._office.committed()
        return keys

    async def _keep(self, by: By, reason: str, work: Callable[[Tx, str, int], T]) -> T:
        who = identified(by).handle
        return await self._office.act_as(by, reason, lambda tx, now: work(tx, who, now))
