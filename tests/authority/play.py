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
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine
from sqlalchemy import select

from answerable.approvals.asking.requests import RequestRow, get_request, requests_of
from answerable.approvals.deciding.decisions import Decision, decisions_of
from answerable.approvals.deciding.reviews import review_of
from answerable.approvals.forgeries import faults_of_tables
from answerable.approvals.gate import EffectRow, effects_of
from answerable.approvals.voting.votes import votes_on
from answerable.errors import (
    AnswerableError,
)
from answerable.orchestrator.runs import LEASE_SECONDS
from answerable.tracing import failpoints
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables import records
from tests.authority.account import Account
from tests.authority.desk import APPROVALS, STOCK, WITHIN, Arrived, Ask, Carrier
from tests.authority.forging import change_rows
from tests.authority.model import DAY, Asked, Model, Review, takes, worth_of
from tests.authority.process import Clock, Died, Life, opened, registry
from tests.reference.electing import Said

WHERE = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
_RECORDS = Statement(select(records.c.body).order_by(records.c.id))


class Undone(Exception):
    """What was tried is not to be written."""


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

    @contextmanager
    def then(self, at: int) -> Iterator[None]:
        """As it was a moment ago, before whoever did it died."""
        now, self.model.now = self.model.now, at
        yield
        self.model.now = now

    async def arriving(self, call: Arrived) -> None:
        """A call is there, at this very instant."""
        self.look(call.run)
        self.model.arriving(call)
        self.seen["arrived"] += 1

    def look(self, run: str, *, whole: bool = False) -> None:
        """See what the store says of a run; `whole`: everything that can be done for it was done a moment ago."""
        asked, decided, calls = self.read(
            lambda tx: (requests_of(tx, run), {one.request: one for one in decisions_of(tx, run)}, effects_of(tx, run))
        )
        for row in asked:
            found = decided.get(row.id)
            if row.id not in self.model.requests:
                self.learn(run, row, calls)
                with self.then(row.made_at):
                    self.is_ruled(row, found)
            known = self.model.requests[row.id]
            assert known.stage <= row.stage <= known.due, "it escalated before its time"
            known.stage = row.stage
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
                with self.then(found.at):
                    self.understand(run, row.id, known, found)
            held = self.model.frozen("system", f"agent:{known.approval}") or run in self.model.over
            if whole and known.expires_at <= self.model.now and not held:
                assert known.outcome or known.forged, "it was not denied when its time was over"
            if whole and self.model.is_open(known):
                assert known.stage >= self.model.is_due(known), "it was not escalated"
        if whole:
            self.rested.add(run)
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
        starter, ask = self.begun[run]
        edited, voided = self.model.requests.get(row.edited_from), self.model.requests.get(row.in_place_of)
        assert row.expires_at == (edited.expires_at if edited else row.made_at + WITHIN * 1_000_000)
        assert row.made_at in (self.acting_at, self.model.now)
        assert row.approval in APPROVALS[ask.kind]
        worths = {one["name"]: worth_of(one["message"]["text"], ask.worth) for one in row.view["options"]}
        if row.approval in ("dear", "ruled"):
            assert worths == {one["name"]: one["value"] for one in row.view["options"]}
        asked = Asked(
            run=run,
            approval=row.approval,
            started_by=starter,
            authors=self.authors.get(row.edited_from, frozenset()) | (voided.authors if voided else frozenset()),
            expires_at=row.expires_at,
            bytes_of=bytes_of,
            trucks=self.model.trucks,
            worths=worths,
            made_at=edited.made_at if edited else row.made_at,
        )
        asked.due = self.model.is_due(asked)
        self.model.requests[row.id] = asked

    def is_ruled(self, row: RequestRow, found: Decision | None) -> None:
        """A request that is new: a rule has decided it, or its cap kept it from that, exactly where that has to be."""
        asked, rules = self.model.requests[row.id], self.model.rules
        if row.approval != "ruled" or row.edited_from or row.in_place_of:
            assert not row.capped and (found is None or found.outcome != "ruled")
            return
        used = dict(rules.used)
        critical = self.begun[asked.run][1].critical
        decides, capped = rules.judge(
            asked.worths,
            critical=critical,
            now=row.made_at,
            close=self.model.world(asked).too_close,
            stands=self.model.stands,
        )
        if rules.spoiled and (found is None or found.outcome != "ruled") and not row.capped:
            rules.used = used  # whether the process knows of it yet, nobody can tell
            return
        assert row.capped == (capped.label if capped else ""), f"{row.capped!r}, but {capped}; {rules}"
        self.seen["capped"] += capped is not None
        if decides is None:
            assert found is None or found.outcome != "ruled", f"{found} by no rule of {rules}"
            return
        assert found is not None and (found.outcome, found.by) == ("ruled", decides.label), f"{found}; {decides}"
        assert found.option == decides.option
        asked.rule = decides.id

    def understand(self, run: str, request: str, known: Asked, found: Decision) -> None:
        """A decision that is new: by somebody whose process died, by the passing of time, by the exemption, by a rule.

        A rule was found to be the one that has to decide before.
        """
        worth = known.worths.get(found.option)
        if found.outcome == "expired":
            assert known.expires_at <= self.model.now and not found.by
        elif found.outcome == "exempted":
            assert self.model.accepted and not self.begun[run][1].critical and known.approval == "exempt"
        elif found.outcome == "ruled":
            assert known.rule
            known.people = self.model.rules.all[known.rule].people
        else:
            assert self.trying is not None, "a decision that nobody made"
            said = self.trying[2]
            assert (request, found.outcome, found.option) == (*self.trying[:2], said.option)
            assert bool(found.broke_glass) is self.breaking
            known.people = {said.by}
            if not self.breaking and found.outcome != "edited":
                assert self.model.decides(known, said)
                known.people = self.model.parts(known, said)
                self.seen["beyond a threshold"] += takes(known.approval, worth) != takes(known.approval, 0)
                self.seen["only by escalation"] += not self.model.world(known, escalated=False).may(said)
        self.is_to_be_reviewed(request, known, found)
        known.outcome, known.option, known.decided_at, known.decision = found.outcome, found.option, found.at, found.id
        self.seen[found.outcome] += 1

    def is_to_be_reviewed(self, request: str, known: Asked, found: Decision) -> None:
        """Broken glass within a day; what a rule decides within a week, if the rule says so."""
        review = self.read(lambda tx: review_of(tx, found.id))
        sampled = bool(known.rule) and self.model.rules.all[known.rule].sample
        due = found.at + DAY if found.broke_glass else found.at + 7 * DAY if sampled else None
        assert due == (review.due_at if review else None)
        if review:
            self.model.reviews[review.id] = Review(of=review.of, request=request, due_at=review.due_at)
        if found.broke_glass:
            self.model.broken.append((known.approval, found.at))

    def voided(self, known: Asked, found: Decision) -> None:
        """A decision that was revoked: by somebody, or since the facts have moved."""
        if found.revoked and known.outcome != "void":
            moved = known.approval == "facts" and known.trucks != self.model.trucks
            ruled = bool(known.rule) and self.model.rules.all[known.rule].state == "revoked"
            why = {"facts": moved, "person": self.revoking == found.id, "rule": ruled}
            assert why[found.revoked], f"{found.revoked}: {known}"
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
