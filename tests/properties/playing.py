"""Playing a case through the product, with disturbances, and comparing it at every rest with the interpreter.

1. A `Game` is one run on one store of its own. It goes in turns: the run is advanced until it rests, what the store
   holds is compared with what the interpreter expects of the decisions made so far, and some requests are decided.
2. Disturbances follow from a `Disorder`: how long each step lets others go first, which requests are decided in a
   turn or in the middle of one, when all checkpoints of LangGraph are deleted, when the process dies, when an advance
   is cancelled, and when a second worker takes the run over from one that goes on as if nothing had happened.
3. A process that dies is one whose store does nothing more from a certain transaction on. What it did before is there;
   the lease that it holds runs out, and another service goes on.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import delete

from answerable.agents.messages import Message
from answerable.errors import DecisionRefused, LeaseLost, NotEligible, RunBusy, StoreUnavailable
from answerable.orchestrator.reports import OpenRequest, Run
from answerable.orchestrator.runs import LEASE_SECONDS
from answerable.orchestrator.service import Service
from answerable.tracing.clock import SystemClock, micros
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.runs import checkpoint_writes, checkpoints
from tests.properties.observed import Stored, expected, stored
from tests.properties.receiver import Receiver
from tests.reference.interpreter import Account, Answer, Asked
from tests.reference.specs import Case
from tests.reference.systems import DECIDERS, RECEIVER, WITHIN_SECONDS, Item, face

T = TypeVar("T")

RUN = "run-of-the-property-tests"
STARTER = "starter"
PEOPLE = ("dora", "erik", "frank", "gina", *(f"person-{number}" for number in range(5, 25)))
MOST_TURNS = 80
PATIENCE_SECONDS = 120.0  # nothing takes as long; it keeps a deadlock from stopping all tests

_FORGET = [Statement(delete(checkpoints)), Statement(delete(checkpoint_writes))]


class Died(StoreUnavailable):
    """This process is dead: its store does nothing any more."""


class HandClock:
    """The machine's clock, with a hand to move it on."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._ahead = 0

    def now(self) -> int:
        """Microseconds since the Unix epoch."""
        return self._clock.now() + self._ahead

    def pass_seconds(self, seconds: float) -> None:
        """Let so much time pass."""
        self._ahead += micros(seconds)


@dataclass(frozen=True, kw_only=True)
class Disorder:
    """What may go in another way than the last time; all of it follows from `seed`.

    A step lets others go first for up to `slowest` turns of the event loop. `forget` deletes checkpoints now and then.
    `meanwhile` has requests decided while steps are running. `rivals` lets two workers advance the run at once, and
    leases run out. `deaths` has, for each process, its last transaction, and whether that one is still committed.
    `cancels` has, for each advance, after how many turns of the event loop it is cancelled.
    """

    seed: int = 0
    slowest: int = 0
    forget: bool = False
    meanwhile: bool = False
    rivals: bool = False
    deaths: tuple[tuple[int, bool], ...] = ()
    cancels: tuple[int, ...] = ()


ORDERLY = Disorder()


@dataclass
class Game:
    """One run of a case on the store at `url`. It counts how often its process died, and its leases were lost."""

    case: Case
    url: str
    receiver: Receiver
    disorder: Disorder = ORDERLY
    clock: HandClock = field(default_factory=HandClock)
    run: str = RUN
    answered: dict[str, str] = field(default_factory=dict)  # request → who answered it last
    died: int = 0
    lost_leases: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.disorder.seed)
        self.deaths = list(self.disorder.deaths)
        self.cancels = list(self.disorder.cancels)
        self.service: Service[Any, Item] | None = None
        self.aside: set[asyncio.Task[None]] = set()  # what goes on beside an advance
        self.receiver.begin(self.case.receive)
        self.case.sketch.pace = self.pace

    async def play(self, *, most_turns: int = MOST_TURNS) -> Stored:
        """Run it until it ends, or waits for a person after `most_turns`; what the store holds then."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    try:
                        return await self._turns(most_turns)
                    except Died:
                        await self._bury()
        finally:
            if self.service is not None:
                await self.service.aclose()

    async def _turns(self, most_turns: int) -> Stored:
        for turn in range(most_turns + 1):
            if self.disorder.rivals:
                await self._race()
            run = await self._advance()
            if self.aside:  # what was decided meanwhile may have come too late for this advance
                await asyncio.gather(*self.aside)
                self.aside.clear()
                run = await (await self.opened()).aresume(self.run)
            rows = await self.rows()
            compare(self.account(rows), run, rows)
            if run.status != "waiting" or turn == most_turns:
                return rows
            await self._decide(run, rows)
            if self.disorder.forget and self.random.random() < 0.5:
                await self._forget()
        raise AssertionError("it does not come to an end")

    def account(self, rows: Stored) -> Account:
        """What the run has to have come to, after what was decided so far."""
        decided = rows.decided()
        return self.case.account(lambda asked: (asked.step, asked.edits) in decided)

    async def rows(self) -> Stored:
        """What the store holds of the run."""
        service = await self.opened()
        return await service.store.read(lambda tx: stored(tx, self.case.app.graph, self.run))

    async def _advance(self) -> Run[Item]:
        """Begin the run, or go on with it, and be interrupted if that is to be."""
        service = await self.opened()
        while self.cancels:
            advancing = asyncio.ensure_future(service.arun(self.case.run_input, by=STARTER, run_id=self.run))
            for _ in range(self.cancels.pop(0)):
                await asyncio.sleep(0)
            advancing.cancel()
            await asyncio.wait([advancing])
            if not advancing.cancelled():
                return advancing.result()
        return await service.arun(self.case.run_input, by=STARTER, run_id=self.run)

    async def _decide(self, run: Run[Item], rows: Stored) -> None:
        """Decide some of the open requests; let the time pass when only those are left that nobody will decide."""
        service = await self.opened()
        asked = [(request, self._asked(request, rows)) for request in run.waiting_for]
        answers = [(request, each.edits, self.case.answer(each)) for request, each in asked]
        assert answers, "it waits, and for nothing"
        to_decide = [each for each in answers if each[2].kind != "expire"]
        if not to_decide:
            self.clock.pass_seconds(WITHIN_SECONDS + 1)
            return
        self.random.shuffle(to_decide)
        for request, edits, answer in to_decide[: self.random.randint(1, len(to_decide))]:
            await self._answer(service, request, answer, first=edits)

    async def _answer(self, service: Service[Any, Item], request: OpenRequest, answer: Answer, *, first: int) -> None:
        """The first of the people in turn who is not too close answers: whoever edited on the way here is."""
        for number in range(len(PEOPLE)):
            by = self.answered[request.id] = PEOPLE[(first + number) % len(PEOPLE)]
            try:
                await self._answer_as(service, request, answer, by=by)
            except NotEligible:
                if number + 1 == len(PEOPLE):
                    raise
            else:
                return

    async def _answer_as(self, service: Service[Any, Item], request: OpenRequest, answer: Answer, *, by: str) -> None:
        if answer.kind == "approve":
            await service.aapprove(request.id, option=answer.option, by=by)
        elif answer.kind == "edit":
            assert answer.edited is not None
            await service.aedit(request.id, answer.edited, by=by)
        elif answer.kind == "respond":
            await service.arespond(request.id, answer.text, by=by)
        else:
            await service.areject(request.id, by=by, reason=answer.text)

    def _asked(self, request: OpenRequest, rows: Stored) -> Asked:
        """A request as the interpreter would tell of it."""
        approval = self.case.sketch.approvals[request.approval]
        message: Message = approval.of.model_validate(dict(request.message))
        step = rows.step(rows.requests[request.id]["step"])
        return Asked(step=step, approval=request.approval, message=message, edits=rows.edits(request.id))

    # disturbances

    def pace(self, _node: str) -> int:
        """How long a step lets others go first; what else may happen meanwhile, happens now and then."""
        if self.disorder.forget and self.random.random() < 0.2:
            self.aside.add(asyncio.ensure_future(self._forget()))
        if self.disorder.meanwhile and self.random.random() < 0.4:
            self.aside.add(asyncio.ensure_future(self._decide_meanwhile()))
        if self.disorder.rivals and self.random.random() < 0.3:
            self.clock.pass_seconds(LEASE_SECONDS + 1)
        return self.random.randint(0, self.disorder.slowest)

    async def _decide_meanwhile(self) -> None:
        """Decide one of the open requests, if there is one that a person will decide."""
        service = await self.opened()
        with suppress(Died, DecisionRefused):  # somebody was quicker
            rows = await self.rows()
            open_now = [(each, self._asked(each, rows)) for each in (await service.aget(self.run)).waiting_for]
            answers = [(each, asked.edits, self.case.answer(asked)) for each, asked in open_now]
            to_decide = [each for each in answers if each[2].kind != "expire"]
            if to_decide:
                request, edits, answer = self.random.choice(to_decide)
                await self._answer(service, request, answer, first=edits)

    async def _race(self) -> None:
        """Two workers want to advance the run, until each has had it."""
        service = await self.opened()
        async with self.case.app.connect(self.url, origins={RECEIVER: self.receiver.origin}, clock=self.clock) as rival:
            await asyncio.gather(*(self._insist(worker) for worker in (service, rival)))
        self.clock.pass_seconds(LEASE_SECONDS + 1)

    async def _insist(self, worker: Service[Any, Item]) -> None:
        """Advance the run as soon as its lease is free; stop when it is lost to another."""
        while True:
            try:
                await worker.arun(self.case.run_input, by=STARTER, run_id=self.run)
                return
            except RunBusy:
                await asyncio.sleep(0)
            except LeaseLost:
                self.lost_leases += 1
                return

    async def _forget(self) -> None:
        assert self.service is not None

        def forget(tx: Tx) -> None:
            for statement in _FORGET:
                tx.run(statement)

        with suppress(Died):  # who runs into that is the run
            await self.service.store.write(forget)

    async def opened(self) -> Service[Any, Item]:
        """The service that is alive; a new one if there is none."""
        if self.service is None:
            service = self.case.app.connect(self.url, origins={RECEIVER: self.receiver.origin}, clock=self.clock)
            await service.aopen()
            self.service = service
            for handle in PEOPLE:
                await service.people.aadd(handle, roles=[DECIDERS.name])
            for approval in sorted(self.case.accepted):
                await service.aaccept_exemption(approval, by=self.case.app.graph.responsible)
            if self.deaths:
                doom(service, *self.deaths.pop(0))
        return self.service

    async def _bury(self) -> None:
        """Be another process: nothing of the dead one is left but its lease, which runs out."""
        self.died += 1
        assert self.service is not None
        service, self.service = self.service, None
        with suppress(Died):
            await service.aclose()
        self.clock.pass_seconds(LEASE_SECONDS + 1)


def doom(service: Service[Any, Any], last: int, committed: bool) -> None:
    """Let the store of a service do `last` more writing transactions, and then nothing.

    `committed` says whether the last one still is committed; who asked for it does not hear of it either way.
    """
    store: Any = service.store
    write, read, left = store.write, store.read, last

    async def dying_write(work: Callable[[Tx], T], *, durable: bool = False) -> T:
        nonlocal left
        left -= 1
        if left < 0 or (left == 0 and not committed):
            raise Died("dead")
        result: T = await write(work, durable=durable)
        if left == 0:
            raise Died("dead")
        return result

    async def dying_read(work: Callable[[Tx], T]) -> T:
        if left <= 0:
            raise Died("dead")
        result: T = await read(work)
        return result

    store.write, store.read = dying_write, dying_read


def compare(account: Account, run: Run[Item], rows: Stored) -> None:
    """Whether the store holds what the interpreter expects."""
    wanted, seen = expected(account), rows.seen
    for part in ("gathers", "steps", "crossings"):
        stored, due = getattr(seen, part), getattr(wanted, part)
        missing = [due[name] for name in due if stored.get(name) != due[name]]
        surplus = [stored[name] for name in stored if due.get(name) != stored[name]]
        assert not missing and not surplus, f"{part}: the store lacks {missing}, and has {surplus} instead"
    assert seen.requests == wanted.requests
    assert run.status == account.status
    if account.status == "done":
        assert face(run.result) in [face(result) for result in account.results]
    else:
        assert run.result is None
    if account.status != "waiting":
        assert rows.leftovers() == account.leftovers


def url_in(folder: str | Path) -> str:
    """The URL of a store in a folder."""
    return f"sqlite:///{Path(folder) / 'store.db'}"
