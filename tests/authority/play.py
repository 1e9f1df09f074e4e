"""One play: a store, a clock, a receiver and the model, and what is compared after each act.

1. A store is a copy of an empty one, on a disk in memory; each play has its own, with a clock of its own.
2. A process that dies does so at one of our failpoints: nothing of it is read or written afterwards, its lease stays,
   and another process opens the store.
3. What the store says of a run has to be what the model knows of it; what is new has to have a cause.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine
from sqlalchemy import select

from answerable.approvals.asking.requests import RequestRow, get_request, requests_of
from answerable.approvals.deciding.decisions import Decision, decisions_of
from answerable.approvals.forgeries import faults_of_tables
from answerable.approvals.gate import EffectRow, effects_of
from answerable.approvals.voting.eligibility import Asked as Bound
from answerable.approvals.voting.eligibility import Delegated, check_eligible
from answerable.approvals.voting.votes import votes_on
from answerable.errors import (
    AnswerableError,
    NotEligible,
)
from answerable.orchestrator.runs import LEASE_SECONDS
from answerable.tracing import failpoints
from answerable.tracing.ledger.records import AnyRecord, Decided, EffectSent, HandoverAccepted, read_record
from answerable.tracing.people import PersonRow, all_people
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables import records
from tests.authority.desk import APPROVALS, STOCK, WITHIN, Arrived, Ask, Carrier
from tests.authority.model import Asked, Model
from tests.authority.process import Clock, Died, opened, registry
from tests.reference.electing import Said

WHERE = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
_RECORDS = Statement(select(records.c.body).order_by(records.c.id))


class Play(RuleBasedStateMachine):
    """One play. `steps` counts the acts of all plays, and `seen` what came of them."""

    steps: ClassVar[int] = 0
    seen: ClassVar[Counter[str]] = Counter()
    loop: ClassVar[asyncio.AbstractEventLoop]
    empty: ClassVar[Path]  # the store that each play begins with
    playing: ClassVar[Play]  # the newest

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="answerable-", dir=WHERE))
        for file in self.empty.iterdir():
            shutil.copy(file, self.folder)
        self.clock = Clock()
        self.model = Model(people=registry(), now=self.clock.time)
        STOCK["trucks"] = self.model.trucks
        self.carrier = Carrier(arriving=self.arriving)
        self.begun: dict[str, tuple[str, Ask]] = {}  # run → who began it, with what
        self.revoking = ""  # a decision
        self.authors: dict[str, frozenset[str]] = {}  # of an edit, by the request that it replaced
        self.trying: tuple[str, str, Said] | None = None  # request, outcome: an answer whose end is not known
        self.dead = False
        Play.playing = self
        failpoints.arm("")
        self.service = self.do(opened(self))

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something to its end."""
        return self.loop.run_until_complete(work)

    def read(self, look: Callable[[Tx], Any]) -> Any:
        """What the store says. SQLite is read on this thread, without a loop."""
        reading = self.service.store.read(look)
        try:
            reading.send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError("it waits for somebody, and there is nobody else")

    def act(self, work: Coroutine[Any, Any, Any]) -> AnswerableError | None:
        """Try something: the error that it met, if any. Whoever died is followed by another process."""
        Play.steps += 1
        try:
            self.do(work)
        except Died as died:
            self.seen["died"] += 1
            self.bury()
            return died
        except AnswerableError as error:
            self.seen[type(error).__name__] += 1
            return error
        return None

    def bury(self) -> None:
        """Be another process: nothing of the dead one is left but its lease."""
        failpoints.arm("")
        with suppress(AnswerableError):
            self.do(self.service.aclose())
        self.dead = False
        self.service = self.do(opened(self))
        self.move(LEASE_SECONDS + 1)

    def move(self, seconds: float) -> None:
        """Set the clock on, or back."""
        self.clock.time += round(seconds * 1_000_000)
        self.model.now = self.clock.time

    async def arriving(self, call: Arrived) -> None:
        """A call is there, at this very instant."""
        await self.alook(call.run)
        self.model.arriving(call)
        self.seen["arrived"] += 1

    def look(self, run: str, *, whole: bool = False) -> None:
        """See what the store says of a run, as `alook`."""
        self.do(self.alook(run, whole=whole))

    async def alook(self, run: str, *, whole: bool = False) -> None:
        """See what the store says of a run; `whole`: everything that can be done for it was done a moment ago."""
        asked, decided, calls = await self.service.store.read(
            lambda tx: (requests_of(tx, run), {one.request: one for one in decisions_of(tx, run)}, effects_of(tx, run))
        )
        for row in asked:
            if row.id not in self.model.requests:
                self.learn(run, row, calls)
            known = self.model.requests[row.id]
            found = decided.get(row.id)
            if found is not None and not known.forged and known.outcome:
                self.voided(known, found)
            if known.outcome or known.forged:
                assert found is not None
                assert (
                    known.forged
                    or known.outcome == "void"
                    or (found.outcome, found.option) == (known.outcome, known.option)
                )
            elif found is not None:
                self.understand(run, row.id, known, found)
            overdue = known.expires_at <= self.model.now and not self.model.frozen("system", f"agent:{known.approval}")
            if whole and overdue and run not in self.model.over:
                assert known.outcome or known.forged, "it was not denied when its time was over"
        if whole and self.carrier.mood == "answers":
            self.nothing_is_kept(run, {call.id: call.state for call in calls})

    def learn(self, run: str, row: RequestRow, calls: list[EffectRow]) -> None:
        """A request that is new: what it binds has to be what is stored."""
        stored = {call.id: bytes(call.body) for call in calls}
        bytes_of = {
            option["name"]: {call["effect"]: stored[call["effect"]] for call in option["calls"]}
            for option in row.body["options"]
        }
        for name, calls_of in bytes_of.items():
            (shown,) = (option["message"] for option in row.view["options"] if option["name"] == name)
            assert [json.loads(body) for body in calls_of.values()] == [shown], "shown is not what would be sent"
        starter, _ = self.begun[run]
        edited = self.model.requests.get(row.edited_from)
        assert row.expires_at == (edited.expires_at if edited else row.made_at + WITHIN * 1_000_000)
        assert row.approval in APPROVALS[self.begun[run][1].kind]
        self.model.requests[row.id] = Asked(
            run=run,
            approval=row.approval,
            started_by=starter,
            authors=self.authors.get(row.edited_from, frozenset()),
            expires_at=row.expires_at,
            bytes_of=bytes_of,
            trucks=self.model.trucks,
        )

    def understand(self, run: str, request: str, known: Asked, found: Decision) -> None:
        """A decision that is new: by somebody whose process died, by the passing of time, by the exemption."""
        if found.outcome == "expired":
            assert known.expires_at <= self.model.now and not found.by
        elif found.outcome == "exempted":
            assert self.model.accepted and not self.begun[run][1].critical and known.approval == "exempt"
        else:
            assert self.trying is not None, "a decision that nobody made"
            assert (request, found.outcome, found.option) == (*self.trying[:2], self.trying[2].option)
            assert self.trying[1] == "edited" or self.model.decides(known, self.trying[2])
        known.outcome, known.option, known.decided_at, known.decision = found.outcome, found.option, found.at, found.id
        self.seen[found.outcome] += 1

    def voided(self, known: Asked, found: Decision) -> None:
        """A decision that was revoked: by somebody, or since the facts have moved."""
        if found.revoked and known.outcome != "void":
            moved = known.approval == "facts" and known.trucks != self.model.trucks
            assert (found.revoked == "facts" and moved) or self.revoking == found.id
            known.outcome = "void"
            self.seen[f"revoked: {found.revoked}"] += 1

    def nothing_is_kept(self, run: str, states: dict[str, str]) -> None:
        """What may leave has left, whatever else of the run still waits."""
        for asked in self.model.requests.values():
            if asked.run == run and self.model.released(asked) and not asked.forged:
                left = {states[effect] for effect in asked.bytes_of[asked.option]}
                assert "prepared" not in left, "it may leave, and does not"

    def asked(self, place: int) -> tuple[str, Asked | None]:
        """One of the requests that were ever made, rather a newer one."""
        known = list(self.model.requests.items())[-6:]
        return known[place % len(known)] if known else ("", None)

    def pick(self, among: list[str], place: int) -> str:
        """One of these, rather a newer one."""
        return among[-6:][place % len(among[-6:])]

    def votes(self, request: str) -> int:
        """How many votes are stored."""
        found: int = self.read(
            lambda tx: len(votes_on(tx, self.service.office.key, request, digest=get_request(tx, request).digest))
        )
        return found

    def teardown(self) -> None:
        """The whole ledger and all tables, at the end of a play."""
        try:
            failpoints.arm("")
            self.read(self.whole)
        finally:
            self.do(self.service.aclose())
            shutil.rmtree(self.folder)

    def whole(self, tx: Tx) -> None:
        """Every record names who answered then, every call reaches a decision, and only what was forged is faulty."""
        responsible = {person.handle: person.id for person in all_people(tx)}["alice"]
        decided: dict[str, Decided] = {}
        sent: set[str] = set()
        for record in every_record(tx):
            if isinstance(record, HandoverAccepted):
                responsible = record.responsible
            assert not record.system or record.responsible == responsible, record
            if isinstance(record, Decided):
                decided[record.decision] = record
            if isinstance(record, EffectSent):
                cited = decided[record.decision]
                assert cited.by in record.chain and record.responsible in record.chain
                assert cited.outcome in ("approved", "exempted") and record.grant in cited.grants
                sent.add(record.effect)
        assert sent >= self.model.happened.keys()
        wrong = {fault.where.partition(" ")[2] for fault in faults_of_tables(tx, self.service.office.key)}
        spoiled = {id for id, asked in self.model.requests.items() if asked.forged}
        assert bool(wrong) == bool(spoiled), wrong


def eligible(
    person: PersonRow, bound: Bound, responsible: str, option: str, given: Sequence[Delegated], whom: str
) -> bool:
    """Whether our code lets this person decide."""
    try:
        check_eligible(person, bound, responsible=responsible, option=option, delegations=given, for_person=whom)
    except NotEligible:
        return False
    return True


def every_record(tx: Tx) -> Iterator[AnyRecord]:
    """The ledger, in the order in which it was written."""
    for (body,) in tx.all(_RECORDS):
        yield read_record(bytes(body))
