"""One play: a store, a clock, a receiver and the model, and what is compared after each act.

1. A store is a copy of an empty one, on a disk in memory; each play has its own, with a clock of its own.
2. A process that dies does so at one of our failpoints: nothing of it is read or written afterwards, its lease stays,
   and another process opens the store.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import select

from answerable.approvals.asking.requests import get_request
from answerable.approvals.forgeries import faults_of_tables
from answerable.approvals.voting.votes import votes_on
from answerable.errors import AnswerableError
from answerable.orchestrator.runs import LEASE_SECONDS
from answerable.tracing import failpoints
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.ledger import records
from tests.authority.account import Account
from tests.authority.desk import STOCK, Arrived, Ask, Carrier
from tests.authority.forging import change_rows
from tests.authority.looking import Looking
from tests.authority.model import Asked, Model
from tests.authority.process import Clock, Died, Life, opened, registry
from tests.reference.electing import Said

WHERE = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
_RECORDS = Statement(select(records.c.body).order_by(records.c.id))


class Undone(Exception):
    """What was tried is not to be written."""


class Play(Looking):
    """One play. `steps` counts the acts of all plays."""

    steps: ClassVar[int] = 0
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
        self.heard = 0  # the id of the newest record of a request
        self.breaking = False  # whether it is glass that somebody breaks
        self.rested: set[str] = set()  # runs that came to rest since, and wait for their time
        self.authors: dict[str, frozenset[str]] = {}  # of an edit, by the request that it replaced
        self.trying: tuple[str, str, Said] | None = None  # request, outcome: an answer whose end is not known
        self.life = Life()
        Play.playing = self
        failpoints.arm("")
        self.service = self.do(opened(self))

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something to its end."""
        return self.loop.run_until_complete(work)

    def read(self, look: Callable[[Tx], Any]) -> Any:
        """What the store says. On SQLite it says so at once, so no event loop is needed."""
        work = self.service.store.read(look)
        try:
            work.send(None)
        except StopIteration as end:
            return end.value
        raise AssertionError("a reading waited")

    def act(self, work: Coroutine[Any, Any, Any]) -> AnswerableError | None:
        """Try something: the error that it met, if any. Whoever died is followed by another process."""
        Play.steps += 1
        self.acting_at = self.model.now
        try:
            self.do(work)
            self.life.check()  # somebody may have taken it for a store that is away
        except Died as died:
            self.seen["died"] += 1
            self.rested.clear()
            self.bury()
            return died
        except AnswerableError as error:
            self.seen[type(error).__name__] += 1
            return error
        return None

    def bury(self) -> None:
        """Be another process: nothing of the dead one is left but its lease."""
        failpoints.arm("")
        self.do(self.be_still())
        with suppress(AnswerableError):
            self.do(self.service.aclose())
        self.life = Life()
        self.service = self.do(opened(self))
        self.move(LEASE_SECONDS + 1)

    async def be_still(self) -> None:
        """Nothing goes on in a process that is dead."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for one in others:
            one.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def move(self, seconds: float) -> None:
        """Set the clock on, or back."""
        self.clock.time += round(seconds * 1_000_000)
        self.model.now = self.clock.time
        for asked in self.model.requests.values():
            asked.due = max(asked.due, self.model.is_due(asked))
        if seconds < 0:
            self.rested.clear()

    async def arriving(self, call: Arrived) -> None:
        """A call is there, at this very instant."""
        self.look(call.run)
        self.model.arriving(call)
        self.seen["arrived"] += 1

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
            if not self.spoiled and Play.steps % 3 == 0:  # one play of three: it takes as long as half of a play's acts
                self.every_change_is_found()
        finally:
            self.do(self.service.aclose())
            shutil.rmtree(self.folder)

    def whole(self, tx: Tx) -> None:
        """The account holds, everything that happened is in it, and only what was forged is faulty."""
        account = Account()
        account.read(bytes(body) for (body,) in tx.all(_RECORDS))
        assert account.sent >= self.model.happened.keys()
        self.seen.update(account.seen)
        wrong = [str(fault) for fault in faults_of_tables(tx, self.service.office.key)]
        assert bool(wrong) == self.spoiled, wrong

    @property
    def spoiled(self) -> bool:
        """Whether somebody wrote rows by hand."""
        return any(asked.forged for asked in self.model.requests.values()) or self.model.rules.spoiled

    def every_change_is_found(self) -> None:
        """One row of each table that authority is made of is changed, and each is found; nothing of it stays."""

        def work(tx: Tx) -> None:
            changed = change_rows(tx)
            found = {fault.where.partition(" ")[0] for fault in faults_of_tables(tx, self.service.office.key)}
            assert changed <= found, changed - found
            raise Undone

        with suppress(Undone):
            self.do(self.service.store.write(work))
