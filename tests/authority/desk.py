"""The system of the authority tests: one writer, several ways of being asked, one call to the outside; no socket.

What a letter is worth comes from what was asked, and not from the agents: they say of everything that it is worth
nothing. Below zero nobody can tell. Slow letters go through the hands of a second agent, who has another owner.

The receiver is a function in this process behind the real HTTP client: it notes every call as it arrives, and looks on
at that instant whether the call may be there (`arriving`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from pydantic import BaseModel

from answerable.agents.calls import POST, Call
from answerable.agents.messages import Message
from answerable.agents.nodes import END, START, Receiver
from answerable.agents.options import DAY, HOUR, MINUTE, Retry
from answerable.agents.people import Person, Role, person, quorum, role
from answerable.approvals.asking.quotas import Quota
from answerable.approvals.node import BreakGlass, exemption
from answerable.orchestrator.app import App
from answerable.orchestrator.system import System

CARRIER = Receiver("carrier", keeps_keys_for=365 * DAY)
ORIGIN = "http://carrier.test"
WITHIN = 4 * HOUR
KINDS = ("plain", "own", "named", "exempt", "several", "facts", "pair", "slow", "slow", "dear", "dear", *["ruled"] * 4)
APPROVALS: dict[str, tuple[str, ...]] = {**{kind: (kind,) for kind in KINDS}, "pair": ("plain", "named")}
TWO = quorum(2, role("lead"))
SEVERAL = TWO & role("pharmacist")
_MANY = Quota(open=100_000, per_hour=100_000)


class Ask(Message):
    kind: str
    critical: bool
    worth: int = 0


class Letter(Message):
    text: str
    kind: str
    critical: bool = False
    worth: int = 0


class Receipt(Message):
    text: str


def write(ask: Ask) -> Letter:
    """An agent that says of everything that it is harmless."""
    return Letter(text="dear you", kind=ask.kind, critical=False)


def again(letter: Letter) -> Letter:
    """An agent whom the first one makes act."""
    return letter.model_copy(update={"text": "dearest you"})


def kinder(letter: Letter, ask: Ask) -> dict[str, Letter]:
    return {"kinder": letter.model_copy(update={"text": f"{letter.text}, with love"})}


@exemption(version=1)
def harmless(letter: Letter, ask: Ask) -> bool:
    return not letter.critical and not ask.critical


def worth(letter: Letter, ask: Ask) -> int:
    """What the letter is worth: more, the more love is in it."""
    if ask.worth < 0:
        raise LookupError("nobody knows")
    return ask.worth + letter.text.count("love")


class Seen(BaseModel):
    worth: int
    critical: bool


def seen(letter: Letter, ask: Ask) -> Seen:
    return Seen(worth=ask.worth + letter.text.count("love"), critical=ask.critical)


def post(letter: Letter) -> Call[Receipt]:
    response = yield POST("/letters", json=letter)
    return Receipt(text=response.json()["text"])


def asks_plain(letter: Letter) -> bool:
    return letter.kind in ("plain", "pair")


def asks_own(letter: Letter) -> bool:
    return letter.kind == "own"


def asks_named(letter: Letter) -> bool:
    return letter.kind in ("named", "pair")


def asks_exempt(letter: Letter) -> bool:
    return letter.kind == "exempt"


def asks_several(letter: Letter) -> bool:
    return letter.kind == "several"


def asks_facts(letter: Letter) -> bool:
    return letter.kind == "facts"


def asks_slow(letter: Letter) -> bool:
    return letter.kind == "slow"


def asks_dear(letter: Letter) -> bool:
    return letter.kind == "dear"


def asks_ruled(letter: Letter) -> bool:
    return letter.kind == "ruled"


STOCK = {"trucks": 3}  # what the world outside is like; each play begins with three


def trucks(letter: Letter, ask: Ask) -> dict[str, int]:
    return dict(STOCK)


def build() -> App[Ask, Receipt]:
    """START → write (→ again) → one or two of the approvals → post → END."""
    system = System("desk", responsible="alice")
    writing = system.agent(owner="writers", name="write")(write)
    posting: Any = system.effect(
        "post", to=CARRIER, guarantee="idempotent", retry=Retry(attempts=2, pause_seconds=0), timeout=60
    )(post)
    system.edge(START, writing, purpose="somebody asks")
    second = system.agent(owner="nils", name="again")(again)
    system.edge(writing, second, when=asks_slow, purpose="say it better")
    valued: dict[str, Any] = {"value": worth, "options": kinder}
    lead: dict[str, Any] = {"of": Letter, "by": role("lead"), "within": WITHIN, "quota": _MANY}
    for sign, condition in (
        (system.approval("plain", **lead, options=kinder), asks_plain),
        (system.approval("own", **lead, may_decide_own=True), asks_own),
        (system.approval("named", **{**lead, "by": person("pia")}), asks_named),
        (system.approval("exempt", **lead, exempt=harmless), asks_exempt),
        (system.approval("several", **{**lead, "by": SEVERAL}, options=kinder, denials=2), asks_several),
        (system.approval("facts", **lead, facts=trucks), asks_facts),
        (slow(system, lead), None),
        (
            system.approval(
                "dear",
                **{**lead, **valued},
                above={10: TWO, 20: SEVERAL},
                break_glass=BreakGlass(by=role("duty"), at_most=15, per_day=2),
            ),
            asks_dear,
        ),
        (system.approval("ruled", **{**lead, **valued}, above={20: TWO}, context=seen), asks_ruled),
    ):
        system.edge(writing if condition else second, sign, when=condition, purpose="may it be sent?")
        system.edge(sign, posting, purpose="send it")
    system.edge(posting, END, purpose="the receipt")
    return system.build(Ask, Receipt)


def slow(system: System, lead: dict[str, Any]) -> Any:
    """Others may decide as well after half an hour and after two; what is decided is sent within two hours."""
    stages: dict[float, Role | Person] = {30 * MINUTE: role("pharmacist"), 2 * HOUR: person("pia")}
    glass = BreakGlass(by=role("duty"), per_day=1)
    return system.approval("slow", **lead, options=kinder, escalate=stages, break_glass=glass, execute_within=2 * HOUR)


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """One call as it arrived."""

    run: str
    key: str
    effect: str
    body: bytes


@dataclass
class Carrier:
    """The receiver: it answers, fails, or hangs up after the call happened."""

    arriving: Callable[[Arrived], Awaitable[None]]
    arrived: list[Arrived] = field(default_factory=list)
    mood: str = "answers"

    def transport(self) -> httpx.AsyncBaseTransport:
        """What the real client sends through."""
        return httpx.MockTransport(self._receive)

    async def _receive(self, request: httpx.Request) -> httpx.Response:
        said = dict(part.split("=", 1) for part in request.headers["Accountability"].split("; "))
        key = request.headers["Idempotency-Key"]
        one = Arrived(run=said["run"], key=key, effect=said["effect"], body=request.content)
        self.arrived.append(one)
        await self.arriving(one)
        if self.mood == "hangs-up":
            raise httpx.ReadError("hung up", request=request)
        if self.mood == "fails":
            return httpx.Response(503, json={})
        return httpx.Response(200, content=request.content, headers={"Content-Type": "application/json"})
