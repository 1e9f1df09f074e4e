"""A small run, written down by hand: START → plan ⇄ weather (a join), a sign-off, three calls side by side, a report.

`Story` makes records as the runtime does; `whole_run()` is a run in which much happens.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from answerable.tracing import ids
from answerable.tracing.ledger.merkle import leaf_hash
from answerable.tracing.ledger.placed import Placed
from answerable.tracing.ledger.records.afterwards import DecisionRevoked, Escalated, Reviewed
from answerable.tracing.ledger.records.deciding import Decided, RequestMade, RequestWithdrawn
from answerable.tracing.ledger.records.effects import (
    EffectAnswered,
    EffectInDoubt,
    EffectPrepared,
    EffectRefused,
    EffectSent,
    EffectSettled,
    EffectWithdrawn,
)
from answerable.tracing.ledger.records.every import read_record
from answerable.tracing.ledger.records.record import MessageRef, Record
from answerable.tracing.ledger.records.runs import RunContinued, RunEnded, RunReopened, RunRested, RunStarted
from answerable.tracing.ledger.records.steps import Crossed, GatherClosed, StepFinished, StepStarted, UndeclaredEgress
from answerable.tracing.ledger.records.votes import Voted

RI = "prs_" + "a" * 32
LEAD = "prs_" + "b" * 32
DESK = "prs_" + "c" * 32
SYSTEM = "logistics"


@dataclass
class Story:
    """Records of one run, as they are written one after the other; every record is a tenth of a second later."""

    run: str = "run_" + "1" * 32
    now: int = 1_700_000_000_000_000
    host: str = "depot/10.0.0.7"
    records: list[Record] = field(default_factory=list)
    sent: dict[str, Crossed] = field(default_factory=dict)
    began: dict[str, int] = field(default_factory=dict)

    def stamp(self) -> dict[str, Any]:
        self.now += 100_000
        return {"at": self.now, "system": SYSTEM, "run": self.run, "responsible": RI, "chain": (RI,)}

    def add(self, record: Record) -> Record:
        self.records.append(record)
        return record

    def message(self, name: str, type: str) -> MessageRef:
        return MessageRef(id=ids.derive(ids.MESSAGE, self.run, name), type=type, commitment="c" * 64)

    def step_id(self, name: str) -> str:
        return ids.derive(ids.STEP, self.run, name)

    def start(self, **more: Any) -> None:
        said: dict[str, Any] = {"version": "v" * 64, "started_by": DESK, "message": self.message("in", "Storm")}
        self.add(RunStarted(**self.stamp(), **said, **more))

    def cross(self, source: str, target: str, *, step: str = "", item: str = "", port: str = "", **more: Any) -> str:
        """One crossing; `item` tells those of one edge apart."""
        edge = f"{source}{'.' + port if port else ''}→{target}.input"
        crossing = ids.derive(ids.CROSSING, self.run, edge, item, step)
        self.sent[crossing] = Crossed(
            **self.stamp(),
            crossing=crossing,
            edge=edge,
            source=source,
            target=target,
            port=port,
            input="input",
            step=step,
            purpose=f"why {target} needs it",
            message=self.message(f"{source}{item}{port}", "Plan"),
            host=self.host,
            **more,
        )
        self.add(self.sent[crossing])
        return crossing

    def begin(self, name: str, node: str, *, attempt: int = 1, parent: str = "", **more: Any) -> str:
        step = self.step_id(name)
        self.began[step] = self.now + 100_000
        self.add(
            StepStarted(**self.stamp(), step=step, node=node, attempt=attempt, parent=parent, host=self.host, **more),
        )
        return step

    def finish(
        self, name: str, node: str, taken: list[str], *, role: Any = "agent", parent: str | None = None, **more: Any
    ) -> str:
        step = self.step_id(name)
        last = self.sent[taken[-1]] if taken else None
        fields: dict[str, Any] = {
            "outcome": "done",
            "attempt": 1,
            "started_at": self.began.get(step, self.now),
            "host": self.host,
            **more,
        }
        self.add(
            StepFinished(
                **self.stamp(),
                step=step,
                node=node,
                role=role,
                owner=f"{node}-team" if role == "agent" else "",
                parent=(last.step if last else "") if parent is None else parent,
                consumed={f"input{place}": one for place, one in enumerate(taken)},
                links=tuple(taken),
                **fields,
            )
        )
        return step

    def ask(self, approval: str, step: str, calls: dict[str, tuple[str, ...]], **more: Any) -> str:
        request = ids.derive(ids.REQUEST, step, str(more.get("edited_from", "")))
        self.add(
            RequestMade(
                **self.stamp(),
                request=request,
                approval=approval,
                step=step,
                message=self.message("plan", "Plan"),
                digest="d" * 64,
                calls=calls,
                tally={"medical": (40, 20), "retail": (80, 80)},
                inversions=60,
                expires_at=self.now + 3_600_000_000,
                host=self.host,
                **more,
            )
        )
        for effects in calls.values():
            for effect in effects:
                self.add(
                    EffectPrepared(
                        **self.stamp(),
                        effect=effect,
                        name="carrier.dispatch",
                        step=step,
                        host=self.host,
                        receiver="carrier",
                        guarantee="idempotent",
                        message="msg_" + "9" * 32,
                        method="POST",
                        origin="http://127.0.0.1:8123/v1",
                        path_digest="e" * 64,
                        call_digest="f" * 64,
                        idempotency_key="k" * 32,
                    )
                )
        return request

    def decide(self, request: str, approval: str, step: str, outcome: Any = "approved", **more: Any) -> str:
        decision = ids.derive(ids.DECISION, request)
        asked_at = next(one.at for one in self.records if isinstance(one, RequestMade) and one.request == request)
        fields: dict[str, Any] = {"by": LEAD, "assurance": "asserted-local", **more}
        self.add(
            Decided(
                **self.stamp(),
                decision=decision,
                request=request,
                approval=approval,
                step=step,
                digest="d" * 64,
                outcome=outcome,
                asked_at=asked_at,
                **fields,
            )
        )
        return decision

    def effect_of(self, crossing: str, name: str = "carrier.dispatch") -> str:
        return ids.derive(ids.EFFECT, self.run, name, crossing)

    def _effect(self, effect: str, step: str) -> dict[str, Any]:
        return {**self.stamp(), "effect": effect, "name": "carrier.dispatch", "step": step, "host": self.host}

    def send(self, effect: str, step: str, decision: str, *, attempt: int = 1) -> None:
        grant = ids.derive(ids.GRANT, decision, effect)
        self.add(EffectSent(**self._effect(effect, step), attempt=attempt, grant=grant, decision=decision))

    def answer(self, effect: str, step: str, *, attempt: int = 1, outcome: Any = "done", status: int = 201) -> None:
        sent_at = self.now
        fields = self._effect(effect, step)
        self.add(EffectAnswered(**fields, attempt=attempt, sent_at=sent_at, outcome=outcome, status=status))

    def doubt(self, effect: str, step: str, *, attempt: int = 1) -> None:
        sent_at = self.now
        self.add(EffectInDoubt(**self._effect(effect, step), attempt=attempt, sent_at=sent_at, error="ReadTimeout"))

    def settle(self, effect: str, step: str) -> None:
        self.add(
            EffectSettled(**self._effect(effect, step), outcome="done", by=LEAD, reason="the carrier confirmed it")
        )

    def withdraw(self, effect: str, step: str) -> None:
        self.add(EffectWithdrawn(**self._effect(effect, step), reason="another option was chosen"))

    def rest(self, *requests: str, frozen: tuple[str, ...] = ()) -> None:
        self.add(RunRested(**self.stamp(), requests=requests, frozen=frozen))

    def end(self, status: Any = "done", **more: Any) -> None:
        self.add(RunEnded(**self.stamp(), status=status, **more))

    def placed(self, *, first: int = 0) -> list[Placed]:
        """The records as the ledger has them, from the place `first` on."""
        return place(self.records, first=first)


def place(records: list[Record], *, first: int = 0) -> list[Placed]:
    """Records at consecutive places, read back from their bytes."""
    bodies = [record.model_dump_json().encode() for record in records]
    return [Placed(first + index, read_record(body), leaf_hash(body)) for index, body in enumerate(bodies)]


def whole_run(run: str = "run_" + "1" * 32) -> Story:
    """A join, a loop, an attempt that died, an approval, three calls (one unanswered, one in doubt), a leftover."""
    story = Story(run=run)
    story.start()
    to_forecast = story.cross("START", "forecast")
    to_plan = story.cross("START", "plan")
    story.begin("forecast", "forecast")
    story.begin("forecast", "forecast", attempt=2)
    forecast = story.finish("forecast", "forecast", [to_forecast], attempt=2)
    forecasted = story.cross("forecast", "plan", step=forecast)
    story.begin("plan", "plan", parent=forecast)
    plan = story.finish("plan", "plan", [to_plan, forecasted])
    first_draft = story.cross("plan", "review", step=plan)
    story.begin("review", "review", parent=plan)
    review = story.finish("review", "review", [first_draft], dropped=("review→sign-off.input",))
    back = story.cross("review", "plan", step=review, condition="needs_work")
    story.begin("plan2", "plan", parent=review)
    plan2 = story.finish("plan2", "plan", [back])
    tally = {"medical": (40, 20), "retail": (80, 80)}
    proposed = story.cross("plan", "sign-off", step=plan2, tally=tally, inversions=60)
    unread = story.cross("plan", "archive", step=plan2)
    story.begin("sign-off", "sign-off", parent=plan2)
    sign_off = story.step_id("sign-off")
    edge = "sign-off→carrier.dispatch.input"
    crossings = [ids.derive(ids.CROSSING, run, edge, f"#{index}", sign_off) for index in range(3)]
    effects = tuple(story.effect_of(crossing) for crossing in crossings)
    other = ids.derive(ids.EFFECT, run, "carrier.dispatch", "of the other option")
    request = story.ask("sign-off", sign_off, {"as-proposed": effects, "floor": (other,)})
    story.finish("sign-off", "sign-off", [proposed], role="approval")
    story.rest(request)
    decision = story.decide(request, "sign-off", sign_off, option="as-proposed", withdrawn=(other,))
    story.withdraw(other, sign_off)
    for index in range(3):
        assert story.cross("sign-off", "carrier.dispatch", step=sign_off, item=f"#{index}") == crossings[index]
    receipts = []
    for index, (crossing, effect) in enumerate(zip(crossings, effects, strict=True)):
        attempt = 1
        story.begin(f"call{index}", "carrier.dispatch", parent=sign_off, effect=effect)
        story.send(effect, sign_off, decision)
        if index == 1:
            story.send(effect, sign_off, decision, attempt=2)
        if index == 2:
            story.doubt(effect, sign_off)
            story.settle(effect, sign_off)
            attempt = 2
            story.begin(f"call{index}", "carrier.dispatch", attempt=attempt, parent=sign_off, effect=effect)
        else:
            story.answer(effect, sign_off, attempt=2 if index == 1 else 1)
        done: dict[str, Any] = {"role": "effect", "parent": sign_off, "attempt": attempt}
        call = story.finish(f"call{index}", "carrier.dispatch", [crossing], **done)
        receipts.append(story.cross("carrier.dispatch", "report", step=call, item=f"#{index}"))
    items = tuple((index, receipt, "done") for index, receipt in enumerate(receipts))
    story.add(GatherClosed(**story.stamp(), gather="gth_1", edge="carrier.dispatch→report.input", size=3, items=items))
    story.begin("report", "report", parent=story.sent[receipts[-1]].step)
    report = story.finish("report", "report", receipts)
    story.cross("report", "END", step=report)
    story.end(leftovers=(unread,), result=story.message("report", "Report"))
    return story


def every_kind_of_span() -> list[Placed]:
    """The whole run, and one that ends early, with what the first has not: together they show all that a span can."""
    story = Story(run="run_" + "3" * 32)
    story.start()
    proposed = story.cross("START", "sign-off")
    sign_off = story.finish("sign-off", "sign-off", [proposed], role="approval", generation=1)
    effect = story.effect_of("crs_" + "4" * 32)
    request = story.ask("sign-off", sign_off, {"as-proposed": (effect,)})
    decision = story.decide(request, "sign-off", sign_off, "exempted", by="keeps_tier_order@2", option="as-proposed")
    frozen: dict[str, Any] = {
        "effect": effect,
        "name": "carrier.dispatch",
        "step": sign_off,
        "reason": "carrier is frozen",
        "freeze": "frz_" + "5" * 32,
    }
    story.send(effect, sign_off, decision)
    story.add(EffectRefused(**story.stamp(), **frozen))
    edited = story.ask("sign-off", sign_off, {"as-proposed": (effect,)}, edited_from=request, edited_by=LEAD)
    story.rest(frozen=("effect:carrier.dispatch",))
    story.add(UndeclaredEgress(**story.stamp(), step=sign_off, node="sign-off", event="socket.connect", to="10.0.0.1"))
    story.add(RunReopened(**story.stamp(), by=LEAD, reason="the stock was wrong"))
    taken_back = "the run was cancelled"
    story.add(RequestWithdrawn(**story.stamp(), request=edited, approval="sign-off", step=sign_off, reason=taken_back))
    story.end("cancelled", by=LEAD)
    found = whole_run().placed()
    for another in (story, waited_for_days(), decisions_taken_back()):
        found += another.placed(first=len(found))
    return found


def decisions_taken_back() -> Story:
    """A decision that a person takes back, and the one after it, of which the facts have moved."""
    story = Story(run="run_" + "8" * 32)
    story.start()
    crossing, before = story.cross("START", "sign-off"), ""
    for name in ("first", "second"):
        step = story.begin(name, "sign-off")
        request = story.ask("sign-off", step, {"as-proposed": ()}, execute_within=3_600_000_000, in_place_of=before)
        story.finish(name, "sign-off", [crossing], role="approval")
        vote: dict[str, Any] = {"vote": "vot_" + "2" * 32, "subject": request, "approval": "sign-off", "step": step}
        vote |= {"number": 1, "digest": "d" * 64, "answer": "approved", "by": DESK, "assurance": "token"}
        story.add(Voted(**story.stamp(), **vote, option="as-proposed"))
        others: dict[str, Any] = {"voters": (DESK,), "own": (DESK,), "for_person": RI}
        made = story.decide(request, "sign-off", step, **others)
        said: dict[str, Any] = {"decision": made, "request": request, "step": step}
        if before:
            said |= {"cause": "facts", "facts": ("stock",)}
        else:
            said |= {"cause": "person", "by": LEAD, "code": "wrong", "reason": "not like that"}
        story.add(DecisionRevoked(**story.stamp(), approval="sign-off", **said))
        before = request
    step = story.begin("third", "sign-off")
    request = story.ask("sign-off", step, {"as-proposed": ()}, escalates_at=(story.now,), in_place_of=before)
    story.finish("third", "sign-off", [crossing], role="approval")
    about: dict[str, Any] = {"request": request, "approval": "sign-off", "step": step}
    story.add(Escalated(**story.stamp(), **about, stage=1, due=story.now, to="role ops-manager"))
    glass: dict[str, Any] = {"broke_glass": True, "code": "urgent", "review": "break-glass", "review_due": story.now}
    broken = story.decide(request, "sign-off", step, option="as-proposed", **glass)
    review: dict[str, Any] = {"review": "rvw_" + "1" * 32, "of": "break-glass", "decision": broken, "due": story.now}
    story.add(Reviewed(**story.stamp(), **about, **review, verdict="right", by=RI, reason="there was no time"))
    story.end("cancelled", by=LEAD)
    return story


def waited_for_days() -> Story:
    """A run of a system that allows a day in one trace: the decision comes after three."""
    story = Story(run="run_" + "6" * 32)
    day = 86_400_000_000
    story.start(segment_after=day)
    sign_off = story.finish("sign-off", "sign-off", [story.cross("START", "sign-off")], role="approval")
    request = story.ask("sign-off", sign_off, {"as-proposed": ()})
    story.rest(request)
    story.now += 3 * day
    story.add(RunContinued(**story.stamp(), segment=1, waited=3 * day, segment_after=day))
    story.decide(request, "sign-off", sign_off)
    story.end()
    return story
