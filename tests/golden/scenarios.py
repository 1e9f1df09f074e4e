"""What the golden ledgers tell of: one small run, or two, for each thing that can happen.

Each scenario is given the URL of an empty store and leaves its ledger there. They are played once, to make the records
of a version; what was stored then stays (see `tests.golden.files`).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from answerable.agents.messages import Message
from answerable.agents.nodes import END, START
from answerable.agents.options import DAY, HOUR
from answerable.agents.outcomes import Response
from answerable.agents.people import quorum, role
from answerable.approvals.node import BreakGlass, exemption
from answerable.approvals.who.identity import Identity
from answerable.approvals.who.signatures import prove_possession, public_of
from answerable.orchestrator.app import App
from answerable.orchestrator.office import open_office
from answerable.orchestrator.system import System
from answerable.testing import FakeClock, FakeReceiver, Received, Reply
from answerable.tracing.evidence.handing.readings import record_reading
from answerable.tracing.ledger.entries import records_of
from answerable.tracing.ledger.records.steps import StepFinished
from answerable.tracing.ledger.sequencer import sequence_all
from answerable.tracing.ledger.signing import replace_key
from answerable.tracing.people import get_person
from tests.approvals.rules.ruled import active, rule_file, ruled
from tests.orchestrator.letters import LEAD, Account, Ask, Letter, Receipt, batches, letters, serving, signed
from tests.support import parcels
from tests.support.forks import KILLED, forking
from tests.support.servers import NOWHERE

Scenario = Callable[[str], Coroutine[Any, Any, None]]

SCENARIOS: dict[str, Scenario] = {}


def scenario(played: Scenario) -> Scenario:
    """A golden ledger, named like its function."""
    SCENARIOS[played.__name__.replace("_", "-")] = played
    return played


class Weather(Message):
    wind: int = 0


def joined() -> App[Ask, Receipt]:
    """Two agents side by side, and one that needs both."""
    system = System("joined", responsible="alice")

    @system.agent(owner="writers")
    def draft(ask: Ask) -> Letter:
        return Letter(text=ask.text)

    @system.agent(owner="sailors")
    def look(ask: Ask) -> Weather:
        return Weather(wind=len(ask.text))

    @system.agent(owner="writers")
    def finish(letter: Letter, weather: Weather) -> Receipt:
        return Receipt(text=f"{letter.text}, wind {weather.wind}")

    system.edge(START, draft, purpose="what to say")
    system.edge(START, look, purpose="can it sail?")
    system.edge(draft, finish, purpose="the words")
    system.edge(look, finish, purpose="the weather")
    system.edge(finish, END, purpose="done")
    return system.build(Ask, Receipt)


def is_long(ask: Ask) -> bool:
    """Whether more than one word was said."""
    return " " in ask.text


def conditional() -> App[Ask, Account]:
    """An edge that is crossed only by some."""
    system = System("conditional", responsible="alice")

    @system.agent(owner="writers")
    def count(ask: Ask) -> Account:
        return Account(lines=[ask.text])

    @system.agent(owner="writers")
    def shorten(ask: Ask) -> Letter:
        return Letter(text=ask.text[:3])

    @system.agent(owner="writers")
    def read(letter: Letter) -> Account:
        return Account(lines=[letter.text])

    system.edge(START, count, purpose="as it is")
    system.edge(START, shorten, when=is_long, purpose="it is too long")
    system.edge(shorten, read, purpose="shorter now")
    system.edge(count, END, purpose="counted")
    system.edge(read, END, purpose="read")
    return system.build(Ask, Account)


def conversation(at_most: int = 2) -> App[Ask, Receipt]:
    """A letter is written anew for each response, at most so many rounds; then there is none."""
    system = System("conversation", responsible="alice")

    @system.agent(owner="writers")
    def write(task: Ask | Response) -> Letter:
        return Letter(text=task.text)

    @system.agent(owner="writers")
    def give_up(response: Response) -> Receipt:
        return Receipt(text=f"gave up at {response.text}")

    @system.agent(owner="writers")
    def read(letter: Letter) -> Receipt:
        return Receipt(text=letter.text)

    sign = system.approval("sign", of=Letter, by=LEAD, within=HOUR)
    system.edge(START, write, purpose="somebody asks")
    system.edge(write, sign, purpose="is it good?")
    system.edge(sign.response, write, purpose="write it anew")
    system.edge(sign, read, purpose="it is good")
    system.edge(read, END, purpose="read")
    system.edge(give_up, END, purpose="given up")
    system.loop(write, sign, at_most=at_most, then=give_up)
    return system.build(Ask, Receipt)


@exemption(version=2)
def harmless(letter: Letter, ask: Ask) -> bool:
    """A thank-you needs nobody's signature."""
    return ask.text == "thanks"


def _parcel(call: Received) -> Reply:
    return Reply(json={"reference": f"ref {call.json()['number']}"})


async def _step(service: Any, run: str, node: str) -> str:
    """The id of the newest step of a node, from the ledger."""
    entries = await service.store.read(lambda tx: records_of(tx, run))
    steps = [one.record for one in entries if isinstance(one.record, StepFinished)]
    return [one.step for one in steps if one.node == node][-1]


@scenario
async def join(url: str) -> None:
    async with serving(joined(), url) as service:
        await service.arun(Ask(text="ahoy"), by="nils", run_id="join")


@scenario
async def condition(url: str) -> None:
    async with serving(conditional(), url) as service:
        await service.arun(Ask(text="short"), by="nils", run_id="no")
        await service.arun(Ask(text="rather long"), by="nils", run_id="yes")


@scenario
async def scatter_and_gather(url: str) -> None:
    """Three letters, signed each for itself: one is sent, one refused by a person, one by its receiver."""
    with FakeReceiver() as receiver:
        receiver.then(Reply(json={"text": "sent"}), Reply(status=409))
        async with serving(batches(), url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils", run_id="scatter")
            first, second, third = run.waiting_for
            await service.aapprove(first.id, by="dora")
            await service.aresume(run.id)
            await service.aapprove(second.id, by="dora")
            await service.areject(third.id, by="dora", reason="it is rude")
            await service.aresume(run.id)


@scenario
async def loop(url: str) -> None:
    """All of the parcels: a loop, a join, a scatter of agents, options, calls that are withdrawn, a gather of calls."""
    with FakeReceiver(_parcel) as receiver:
        app = parcels.APPS["idempotent"]
        async with app.connect(url, origins={parcels.post: receiver.origin}) as service:
            await service.people.aadd(parcels.LEAD, roles=[parcels.ROLE])
            run = await service.arun(parcels.ORDER, by=parcels.STARTER, run_id="loop")
            await service.aapprove(run.waiting_for[0].id, option="fewer", by=parcels.LEAD)
            await service.aresume(run.id)


@scenario
async def denial(url: str) -> None:
    async with serving(letters(denied=True), url, NOWHERE) as service:
        run = await service.arun(Ask(), by="nils", run_id="denial")
        await service.areject(run.waiting_for[0].id, by="dora", reason="it is rude")
        await service.aresume(run.id)


@scenario
async def votes(url: str) -> None:
    """Two leads and a pharmacist: one votes anew, one had no part; and a denial that takes two."""
    people = {"dan": "lead", "mia": "pharmacist"}
    by = quorum(2, LEAD) & role("pharmacist")
    with FakeReceiver() as receiver:
        async with serving(letters(by=by, denials=2), url, receiver.origin, people=people) as service:
            run = await service.arun(Ask(), by="nils", run_id="votes")
            (request,) = run.waiting_for
            await service.areject(request.id, by="dora", reason="too short")
            await service.aapprove(request.id, by="dora", reason="on second thoughts")
            await service.aapprove(request.id, by="mia")
            await service.aapprove(request.id, by="dan")
            await service.aresume(run.id)
            run = await service.arun(Ask(), by="nils", run_id="noes")
            for handle in ("dora", "mia"):
                await service.areject(run.waiting_for[0].id, by=handle, reason="it is rude")
            await service.aresume(run.id)


@scenario
async def delegation(url: str) -> None:
    """A lead is away, and a delegate decides for them until they are back; and somebody decides their own."""
    people = {"dan": "lead", "eve": "none", "nils": "lead"}
    app = letters(by=quorum(2, LEAD), may_decide_own=True)
    with FakeReceiver() as receiver:
        async with serving(app, url, receiver.origin, people=people) as service:
            made = await service.people.adelegate(by="dan", to="eve", seconds=DAY, system="letters", reason="holidays")
            run = await service.arun(Ask(), by="nils", run_id="delegation")
            await service.aapprove(run.waiting_for[0].id, by="eve", for_person="dan")
            await service.aapprove(run.waiting_for[0].id, by="nils")
            await service.people.arevoke_delegation(made.id, by="dan", reason="back again")
            await service.aresume(run.id)


@scenario
async def edit(url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), url, receiver.origin, people={"dan": "lead"}) as service:
            run = await service.arun(Ask(), by="nils", run_id="edit")
            new = await service.aedit(run.waiting_for[0].id, Letter(text="dear all"), by="dora", reason="all of them")
            await service.aapprove(new.id, by="dan")
            await service.aresume(run.id)


@scenario
async def response(url: str) -> None:
    async with serving(conversation(), url) as service:
        run = await service.arun(Ask(), by="nils", run_id="response")
        for text in ("shorter", "shorter still"):
            await service.arespond(run.waiting_for[0].id, text, by="dora")
            run = await service.aresume(run.id)


@scenario
async def expiry(url: str) -> None:
    clock = FakeClock()
    async with serving(letters(denied=True), url, NOWHERE, clock=clock) as service:
        run = await service.arun(Ask(), by="nils", run_id="expiry")
        clock.advance(2 * HOUR)
        await service.aresume(run.id)


@scenario
async def exempted(url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(exempt=harmless), url, receiver.origin) as service:
            await service.aaccept_exemption("sign", by="alice")
            await service.arun(Ask(text="thanks"), by="nils", run_id="exempted")


@scenario
async def rules_accepted(url: str) -> None:
    """Two leads decide; a version that asks one is connected, asks two, and asks one when that was accepted."""
    async with serving(letters(by=quorum(2, LEAD)), url, NOWHERE):
        pass
    with FakeReceiver() as receiver:
        async with serving(letters(), url, receiver.origin) as service:
            await service.arun(Ask(), by="nils", run_id="as-before")
            await service.aaccept_approval("sign", by="alice")
            await signed(service)


@scenario
async def rules_declined(url: str) -> None:
    """A version that asks one lead is connected; the Responsible Individual says no while it asks two."""
    async with serving(letters(by=quorum(2, LEAD)), url, NOWHERE):
        pass
    with FakeReceiver() as receiver:
        async with serving(letters(), url, receiver.origin, people={"erik": "lead"}) as service:
            run = await service.arun(Ask(), by="nils", run_id="rules-declined")
            await service.adecline_approval("sign", by="alice", reason="two see more than one")
            for handle in ("dora", "erik"):
                await service.aapprove(run.waiting_for[0].id, by=handle)
            await service.aresume(run.id)


@scenario
async def ruled_on(url: str) -> None:
    """A standing rule decides once, its cap keeps it from deciding again, and it is revoked."""
    with FakeReceiver() as receiver:
        async with serving(ruled(), url, receiver.origin) as service:
            rule = await active(service, rule_file(most="1"))
            await service.arun(Ask(text="hi"), by="nils", run_id="ruled-on")
            await signed(service, Ask(text="ho"))
            await service.office.rules.revoke(rule.head.id, by="alice", reason="letters are not what they were")


@scenario
async def in_doubt(url: str) -> None:
    """One that a person settles, one that is sent again."""
    with FakeReceiver() as receiver:
        async with serving(letters(guarantee="at_most_once"), url, receiver.origin) as service:
            for outcome in ("done", "again"):
                receiver.then("close")
                run = await signed(service)
                result = {"text": "they have it"} if outcome == "done" else None
                await service.asettle(run.in_doubt[0], outcome=outcome, by="dora", reason="I asked", result=result)
                await service.aresume(run.id)


@scenario
async def tried_again(url: str) -> None:
    """A receiver that is busy, then closes the connection, then takes it."""
    with FakeReceiver() as receiver:
        receiver.then(Reply(status=503), "close")
        async with serving(letters(), url, receiver.origin) as service:
            await signed(service)


@scenario
async def reopened(url: str) -> None:
    """A step that failed, and one that was wrong, run anew."""
    tries: list[str] = []

    def write(ask: Ask) -> Letter:
        tries.append(ask.text)
        if len(tries) == 1:
            raise OSError("no ink")
        return Letter(text=f"draft {len(tries)}")

    with FakeReceiver() as receiver:
        async with serving(letters(writer=write), url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils", run_id="reopened")
            for reason in ("new ink", "it was wrong"):
                run = await service.aretry(run.id, await _step(service, run.id, "write"), by="dora", reason=reason)
            await service.aapprove(run.waiting_for[0].id, by="dora")
            await service.aresume(run.id)


@scenario
async def freeze(url: str) -> None:
    """Before a step, and before a sending."""
    with FakeReceiver() as receiver:
        async with serving(letters(), url, receiver.origin) as service:
            stop = await service.afreeze("agent:write", by="dora", reason="look at it")
            run = await service.arun(Ask(), by="nils", run_id="freeze")
            await service.athaw(stop.id, by="dora", reason="fine")
            run = await service.aresume(run.id)
            await service.aapprove(run.waiting_for[0].id, by="dora")
            stop = await service.afreeze("effect:post", by="dora", reason="wait for the tide")
            await service.aresume(run.id)
            await service.athaw(stop.id, by="alice", reason="high water")
            await service.aresume(run.id)


@scenario
async def handover(url: str) -> None:
    """Offered while a grant waits to be used; sent when it is accepted."""
    with FakeReceiver() as receiver:
        async with serving(letters(), url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils", run_id="handover")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            await service.ahandover(to="dora", by="alice", reason="holidays")
            await service.aresume(run.id)
            await service.aaccept_handover(by="dora")
            await service.aresume(run.id)


@scenario
async def dead_attempt(url: str) -> None:
    """A worker that was killed within a step, and one that was killed while its call was under way."""
    jobs: list[dict[str, Any]] = [
        {"verb": "run", "failpoint": "step:after-begin:2"},
        {"verb": "run"},
        {"verb": "decide"},
        {"verb": "run", "failpoint": "send:after-commit:1"},
        {"verb": "run"},
        {"verb": "settle", "outcome": "failed"},
        {"verb": "run"},
    ]
    with FakeReceiver(_parcel) as receiver, forking("tests.support.parcels_jobs") as forks:
        job = {"store": url, "origin": receiver.origin, "run": "dead-attempt", "guarantee": "at_most_once"}
        for ahead, more in enumerate(jobs):
            (code,) = forks.run({**job, **more, "ahead": 60.0 * ahead})
            assert (code == KILLED) == ("failpoint" in more), (more, code)


@scenario
async def withdrawn(url: str) -> None:
    """A run that is cancelled while it is decided on, and one while its grant waits to be used."""
    async with serving(letters(), url, NOWHERE) as service:
        for name in ("asked", "granted"):
            run = await service.arun(Ask(), by="nils", run_id=name)
            if name == "granted":
                await service.aapprove(run.waiting_for[0].id, by="dora")
            await service.acancel(run.id, by="dora", reason="not needed")
            await service.aresume(run.id)


@scenario
async def egress(url: str) -> None:
    """An agent that reaches out by itself."""

    def write(ask: Ask) -> Letter:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reaching:
            reaching.connect(("192.0.2.1", 9))  # a datagram socket: nothing is sent
        return Letter(text=ask.text)

    async with serving(letters(writer=write), url, NOWHERE) as service:
        await service.arun(Ask(), by="nils", run_id="egress")


@scenario
async def revoked(url: str) -> None:
    """Taken back by a person before anything left; and facts that moved before sending."""
    paper = [40]

    def stock(letter: Letter, ask: Ask) -> dict[str, int]:
        return {"paper": paper[0]}

    with FakeReceiver() as receiver:
        async with serving(letters(facts=stock), url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils", run_id="revoked")
            made = await service.aapprove(run.waiting_for[0].id, by="dora")
            await service.arevoke(made.id, code="wrong", by="alice", reason="they moved away")
            run = await service.aresume(run.id)
            await service.aapprove(run.waiting_for[0].id, by="dora")
            paper[0] = 2
            run = await service.aresume(run.id)
            await service.aapprove(run.waiting_for[0].id, by="dora")
            await service.aresume(run.id)


@scenario
async def escalated(url: str) -> None:
    """Nobody decides in time, and the manager does; then nobody is there, and the glass is broken, and reviewed."""
    glass = BreakGlass(by=role("duty"), per_day=3)
    app, clock = letters(escalate={HOUR / 2: role("manager")}, break_glass=glass), FakeClock()
    people = {"mona": "manager", "dirk": "duty"}
    with FakeReceiver() as receiver:
        async with serving(app, url, receiver.origin, clock=clock, people=people) as service:
            run = await service.arun(Ask(), by="nils", run_id="escalated")
            clock.advance(HOUR / 2)
            run = await service.aresume(run.id)
            await service.aapprove(run.waiting_for[0].id, by="mona")
            await service.aresume(run.id)
            run = await service.arun(Ask(), by="nils", run_id="broken")
            await service.abreak_glass(run.waiting_for[0].id, by="dirk", code="urgent", reason="the dam breaks")
            await service.aresume(run.id)
            (review,) = await service.office.reviews()
            await service.office.review(review.id, verdict="right", by="dora", reason="there was no time")


@scenario
async def restored(url: str) -> None:
    """A backup that was granted a call, and may have sent it."""
    async with serving(letters(), url, NOWHERE) as service:
        run = await service.arun(Ask(), by="nils", run_id="restored")
        await service.aapprove(run.waiting_for[0].id, by="dora")
    async with open_office(url) as opened:
        found = await opened.keeping.restored(by="alice")
    async with serving(letters(), url, NOWHERE) as service:
        await service.asettle(found.in_doubt[0], outcome="failed", by="dora", reason="they have not got it")
        await service.aresume(run.id)


@scenario
async def office(url: str) -> None:
    """What belongs to no run: a token, a reading, another key, rows made anew."""
    async with serving(letters(), url, NOWHERE) as service:
        await service.arun(Ask(), by="nils", run_id="office")
    async with open_office(url) as opened:
        made, _ = await opened.people.make_token("dora", seconds=HOUR, note="for the night")
        await opened.people.revoke_token(made.id)
        await record_reading(opened.store, by="rita", what="why", about=["office"], form="terminal")
        reader = await opened.store.read(lambda tx: get_person(tx, "rita"))
        await replace_key(opened.store, by=reader.id, reason="a year is over")
        await sequence_all(opened.store)
        await opened.keeping.rebuild(by="alice", reason="a row was lost")


@scenario
async def own_keys(url: str) -> None:
    """A person signs an answer with a key of their own, which is revoked afterwards."""
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    async with serving(letters(), url, NOWHERE) as service:
        office, now = service.office, service.store.clock.now()
        dora = (await service.store.read(lambda tx: get_person(tx, "dora"))).id
        proof = prove_possession(private, dora, at=now)
        token, _ = await office.people.make_token("dora", seconds=HOUR)
        dora_herself = Identity(handle="dora", assurance="token", credential=token.id)
        key = await office.people.register_key(dora_herself, public=public_of(private), proof=proof, proved_at=now)
        run = await service.arun(Ask(), by="nils", run_id="own_keys")
        signing = Identity(handle="dora", assurance="asserted-local", own=private)
        await service.areject(run.waiting_for[0].id, by=signing, reason="not like that")
        await service.aresume(run.id)
        await office.people.revoke_key(key.id, by="dora", reason="a new laptop")


@scenario
async def logins(url: str) -> None:
    """A login at a provider that is somebody for a while."""
    async with serving(letters(), url, NOWHERE) as service:
        await service.arun(Ask(), by="nils", run_id="logins")
    async with open_office(url) as opened:
        bound = await opened.people.bind("dora", issuer="https://login.example", subject="248289761001")
        await opened.people.unbind(bound.id)


@scenario
async def kept(url: str) -> None:
    """What must not go, and what goes: a legal hold, payloads, and a person."""
    async with serving(letters(), url, NOWHERE) as service:
        run = await service.arun(Ask(), by="nils", run_id="kept")
        await service.areject(run.waiting_for[0].id, by="dora", reason="not like that")
        await service.aresume(run.id)
    async with open_office(url) as opened:
        hold = await opened.keeping.place_hold("run", "kept", by="alice", reason="a claim")
        await opened.keeping.lift_hold(hold.id, by="alice", reason="settled")
        await opened.keeping.erase_payloads("run", "kept", by="alice", reason="they asked for it")
        await opened.keeping.erase_person("dora", by="alice", reason="they left")


@scenario
async def segments(url: str) -> None:
    """A decision after days, in a system that has a trace begin anew after one."""
    system = System("segments", responsible="alice", segment_after=DAY)
    sign = system.approval("sign", of=Ask, by=LEAD, within=30 * DAY)

    @system.agent(owner="writers")
    def file(ask: Ask) -> Receipt:
        return Receipt(text=ask.text)

    system.edge(START, sign, purpose="may it be filed?")
    system.edge(sign, file, purpose="file it")
    system.edge(file, END, purpose="the receipt")
    clock = FakeClock()
    async with serving(system.build(Ask, Receipt), url, clock=clock) as service:
        run = await service.arun(Ask(), by="nils", run_id="segments")
        clock.advance(3 * DAY)
        await service.aapprove(run.waiting_for[0].id, by="dora")
        await service.aresume(run.id)
