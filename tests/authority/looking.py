"""Looking: what the store says of a run has to be what the model knows of it; what is new has to have a cause.

What a rule decides is judged by the model before it is believed, in the order in which it was asked.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine
from sqlalchemy import bindparam, select

from answerable.approvals.asking.requests import RequestRow, requests_of
from answerable.approvals.deciding.decisions import Decision, decisions_of
from answerable.approvals.deciding.reviews import review_of
from answerable.approvals.gate import EffectRow, effects_of
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.ledger import records
from tests.authority.desk import APPROVALS, WITHIN, Ask, Carrier
from tests.authority.model import DAY, Asked, Model, Review, takes, worth_of
from tests.reference.electing import Said

_ASKED = Statement(
    select(records.c.id, records.c.run)
    .where(records.c.id > bindparam("after"), records.c.kind == "request.made")
    .order_by(records.c.id)
)


class Looking(RuleBasedStateMachine):
    """What is known of a play; `seen` counts what came of the acts of all plays."""

    seen: ClassVar[Counter[str]] = Counter()
    model: Model
    carrier: Carrier
    begun: dict[str, tuple[str, Ask]]  # run → who began it, with what
    authors: dict[str, frozenset[str]]  # of an edit, by the request that it replaced
    trying: tuple[str, str, Said] | None  # request, outcome: an answer whose end is not known
    breaking: bool  # whether it is glass that somebody breaks
    revoking: str  # a decision
    rested: set[str]  # runs that came to rest since, and wait for their time
    heard: int  # the id of the newest record of a request
    acting_at: int  # when the present act began

    def read(self, look: Callable[[Tx], Any]) -> Any:
        """What the store says."""
        raise NotImplementedError

    @contextmanager
    def then(self, at: int) -> Iterator[None]:
        """As it was a moment ago, before whoever did it died."""
        now, self.model.now = self.model.now, at
        yield
        self.model.now = now

    def look(self, run: str, *, whole: bool = False) -> None:
        """See what the store says of a run, and before of those that asked meanwhile, in the order in which they did.

        `whole`: everything that can be done for it was done a moment ago.
        """
        for id, other in self.read(lambda tx: tx.all(_ASKED, after=self.heard)):
            self.heard = id
            self.see(other)
        self.see(run, whole=whole)

    def see(self, run: str, *, whole: bool = False) -> None:
        """What the store says of a run has to be what is known of it."""
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
        decides, capped = rules.judge(
            asked.worths,
            critical=self.begun[asked.run][1].critical,
            now=row.made_at,
            close=self.model.world(asked).too_close,
            stands=self.model.stands,
        )
        self.seen["a suspended rule"] += any(not self.model.stands(one) for one in rules.active(row.made_at))
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
