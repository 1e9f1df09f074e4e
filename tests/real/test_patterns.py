"""A join, a scatter and gather, a loop, a condition, a denial and a call in doubt, as a person sees them in Jaeger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from answerable import DAY, END, HOUR, POST, START, App, Call, Ended, Expired, Message, Receiver, Rejected, System, role
from answerable.orchestrator.service import Service
from answerable.testing import FakeReceiver, Reply
from answerable.tracing.ids import trace_id
from answerable.tracing.ledger.placed import Placed, placed_of
from answerable.tracing.storage.store import open_store
from tests.properties.playing import HandClock
from tests.real import jaeger_server
from tests.real.jaeger_client import Jaeger
from tests.real.seen import check_traces, crossed, shown, tree
from tests.support.servers import NOWHERE

RUN = "run-1"
FIRM = Receiver("firm", keeps_keys_for=DAY)


class Task(Message):
    text: str = "a"
    count: int = 3


class Part(Message):
    text: str = ""


class Parts(Message):
    parts: list[Part] = []


class Feedback(Message):
    text: str


class Done(Message):
    text: str = ""


@pytest.fixture
def page(jaeger_program: Path) -> Iterator[Jaeger]:
    """A Jaeger for one system alone."""
    with jaeger_server.running(jaeger_program) as one:
        yield one


@pytest.fixture(autouse=True)
def exported(page: Jaeger, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in page.exporting().items():
        monkeypatch.setenv(name, value)


def run_id(app: App[Any, Any]) -> str:
    return f"{app.graph.system}-{RUN}"


def look(page: Jaeger, app: App[Any, Any], url: str) -> str:
    """The run as the page draws it, after a look at everything else."""
    store = open_store(url)
    records: list[Placed] = anyio.run(store.read, lambda tx: placed_of(tx, run_id(app)))
    store.close()
    assert shown(page, [app.graph.system], app.graph.nodes) == crossed(records)
    check_traces(page, records)
    return tree(page.trace(trace_id(run_id(app))))


def drawn(page: Jaeger, app: App[Any, Any], url: str, task: Task) -> str:
    with app.connect(url) as service:
        assert service.run(task, by="nils", run_id=run_id(app)).status == "done"
    return look(page, app, url)


def test_a_join(page: Jaeger, sqlite_url: str) -> None:
    system = System("joining", responsible="alice")

    @system.agent(owner="makers")
    def left(task: Task) -> Part:
        return Part(text=task.text)

    @system.agent(owner="makers")
    def right(task: Task) -> Feedback:
        return Feedback(text=task.text)

    @system.agent(owner="makers")
    def both(part: Part, feedback: Feedback) -> Done:
        return Done(text=part.text + feedback.text)

    system.edge(START, left, purpose="the first half")
    system.edge(START, right, purpose="the second half")
    system.edge(left, both, purpose="the first half")
    system.edge(right, both, purpose="the second half")
    system.edge(both, END, purpose="both halves")
    # which of the two came last, and is the parent, is not the same each time
    assert sorted(drawn(page, system.build(Task, Done), sqlite_url, Task()).splitlines()) == sorted(
        [
            "invoke_workflow joining  [joining]",
            "  edge START → left  [left]",
            "  edge START → right  [right]",
            "  invoke_agent left  [left]",
            "  invoke_agent right  [right]",
            "    edge left → both  [both]",
            "    edge right → both  [both]",
            "    invoke_agent both  [both]",
            "      edge both → END  [joining]",
        ]
    )


def test_a_scatter_and_its_gather_also_of_nothing(page: Jaeger, sqlite_url: str) -> None:
    system = System("gathering", responsible="alice")

    @system.agent(owner="makers")
    def split(task: Task) -> Parts:
        return Parts(parts=[Part(text=task.text)] * task.count)

    @system.agent(owner="makers", limit=1)
    def work(part: Part) -> Done:
        return Done(text=part.text)

    @system.agent(owner="makers")
    def collect(ended: list[Ended[Done]]) -> Done:
        return Done(text=str(len(ended)))

    system.edge(START, split, purpose="much to do")
    system.edge(split, work, each="parts", purpose="one by one")
    system.edge(work, collect, gather=True, purpose="all of it")
    system.edge(collect, END, purpose="done")
    app = system.build(Task, Done)
    with app.connect(sqlite_url) as service:
        assert service.run(Task(count=0), by="nils", run_id="gathering-nothing").status == "done"
    nothing = tree(page.trace(trace_id("gathering-nothing")))
    assert nothing.splitlines() == [
        "invoke_workflow gathering  [gathering]",
        "  edge START → split  [split]",
        "  invoke_agent split  [split]",
        "    invoke_agent collect  [collect]",  # drawn there by its link
        "      edge collect → END  [gathering]",
    ]
    assert ("split", "collect") not in page.dependencies()
    lines = [line.strip() for line in drawn(page, app, sqlite_url, Task()).splitlines()]
    assert lines.count("edge split → work  [work]") == lines.count("invoke_agent work  [work]") == 3
    assert lines.count("edge work → collect  [collect]") == 3
    assert lines.count("invoke_agent collect  [collect]") == 1


def test_a_loop(page: Jaeger, sqlite_url: str) -> None:
    system = System("looping", responsible="alice")

    @system.agent(owner="makers")
    def write(task: Task | Feedback) -> Part:
        return Part(text=task.text + "!")

    @system.agent(owner="makers")
    def review(part: Part) -> Feedback | Done:
        return Done(text=part.text) if part.text.endswith("!!") else Feedback(text=part.text)

    @system.agent(owner="makers")
    def give_up(last: Feedback) -> Done:
        return Done(text=last.text)

    system.edge(START, write, carries=Task, purpose="the task")
    system.edge(write, review, purpose="is it good enough?")
    system.edge(review, write, carries=Feedback, purpose="try again")
    system.edge(review, END, carries=Done, purpose="good enough")
    system.edge(give_up, END, purpose="out of tries")
    system.loop(write, review, at_most=3, then=give_up)
    assert drawn(page, system.build(Task, Done), sqlite_url, Task()).splitlines() == [
        "invoke_workflow looping  [looping]",
        "  edge START → write  [write]",
        "  invoke_agent write  [write]",
        "    edge write → review  [review]",
        "    invoke_agent review  [review]",
        "      edge review → write  [write]",
        "    invoke_agent review  [review]",  # the second round is a sibling of the first
        "      edge review → END  [looping]",
        "  invoke_agent write  [write]",
        "    edge write → review  [review]",
    ]


def test_a_condition(page: Jaeger, sqlite_url: str) -> None:
    system = System("choosing", responsible="alice")

    @system.agent(owner="makers")
    def triage(task: Task) -> Part:
        return Part(text=task.text)

    @system.agent(owner="makers")
    def hurry(part: Part) -> Done:
        return Done(text=part.text)

    @system.agent(owner="makers")
    def queue(part: Part) -> Done:
        return Done(text=part.text)

    def is_urgent(part: Part) -> bool:
        return part.text == "a"

    def can_wait(part: Part) -> bool:
        return part.text != "a"

    system.edge(START, triage, purpose="what is it?")
    system.edge(triage, hurry, when=is_urgent, purpose="at once")
    system.edge(triage, queue, when=can_wait, purpose="some day")
    system.edge(hurry, END, purpose="done")
    system.edge(queue, END, purpose="done")
    app = system.build(Task, Done)
    assert drawn(page, app, sqlite_url, Task()).splitlines() == [
        "invoke_workflow choosing  [choosing]",
        "  edge START → triage  [triage]",
        "  invoke_agent triage  [triage]",
        "    edge triage → hurry  [hurry]",
        "    invoke_agent hurry  [hurry]",
        "      edge hurry → END  [choosing]",
    ]


def ordering(name: str, *, segment_after: float | None = None, **effect: Any) -> App[Task, Done]:
    """START → plan → allow → buy → END, with a way out where somebody says no."""
    system = System(name, responsible="alice", segment_after=segment_after)

    @system.agent(owner="makers")
    def plan(task: Task) -> Part:
        return Part(text=task.text)

    allow = system.approval("allow", of=Part, by=role("lead"), within=3 * DAY)

    @system.effect("buy", to=FIRM, **effect)
    def buy(part: Part) -> Call[Done]:
        response = yield POST("/orders", json=part)
        return Done(text=response.json()["text"])

    @system.agent(owner="makers")
    def explain(no: Rejected | Expired) -> Done:
        return Done(text=type(no).__name__)

    system.edge(START, plan, purpose="what to buy")
    system.edge(plan, allow, purpose="may we?")
    system.edge(allow, buy, purpose="we may")
    system.edge(allow.denied, explain, purpose="we may not")
    system.edge(buy, END, purpose="bought")
    system.edge(explain, END, purpose="not bought")
    return system.build(Task, Done)


def ask(service: Service[Any, Any], run: str) -> str:
    service.people.add("dora", roles=["lead"])
    waiting = service.run(Task(), by="nils", run_id=run)
    assert waiting.status == "waiting"
    return waiting.waiting_for[0].id


def test_a_denial_by_way_of_three_services(page: Jaeger, sqlite_url: str) -> None:
    app = ordering("denying", guarantee="idempotent")
    origins = {FIRM: NOWHERE}
    with app.connect(sqlite_url, origins=origins) as service:  # each has a service of its own, as processes have
        request = ask(service, run_id(app))
    with app.connect(sqlite_url, origins=origins) as service:
        service.reject(request, by="dora", reason="too dear")
    with app.connect(sqlite_url, origins=origins) as service:
        assert service.resume(run_id(app)).status == "done"
    assert look(page, app, sqlite_url).splitlines() == [
        "invoke_workflow denying  [denying]",
        "  edge START → plan  [plan]",
        "  invoke_agent plan  [plan]",
        "    edge plan → allow  [allow]",
        "    approval allow  [allow]",
        "      awaiting a decision  [allow]",
        "      withdrawn buy  [allow]",
        "      edge allow.denied → explain  [explain]",
        "      invoke_agent explain  [explain]",
        "        edge explain → END  [denying]",
        "  run done  [denying]",
    ]


def test_a_call_in_doubt_while_it_is_and_after_it_was_settled(page: Jaeger, sqlite_url: str) -> None:
    app = ordering("doubting", guarantee="at_most_once")
    with FakeReceiver() as firm:
        firm.then("close")
        with app.connect(sqlite_url, origins={FIRM: firm.origin}) as service:
            service.approve(ask(service, run_id(app)), by="dora")
            (effect,) = service.resume(run_id(app)).in_doubt
        before = [
            "invoke_workflow doubting  [doubting]",
            "  edge START → plan  [plan]",
            "  invoke_agent plan  [plan]",
            "    edge plan → allow  [allow]",
            "    approval allow  [allow]",
            "      awaiting a decision  [allow]",
            "      paused buy  [buy]",
            "        POST  [buy] !",
        ]
        assert tree(page.trace(trace_id(run_id(app)))).splitlines() == before
        assert not [span for span in page.trace(trace_id(run_id(app))) if span.warnings]
        with app.connect(sqlite_url, origins={FIRM: firm.origin}) as service:
            service.settle(effect, outcome="done", result={"text": "they have it"}, by="dora", reason="I asked them")
            assert service.resume(run_id(app)).status == "done"
    assert look(page, app, sqlite_url).splitlines() == [
        *before[:6],
        "      edge allow → buy  [buy]",
        *before[6:],
        "        in doubt  [buy]",
        "      effect buy  [buy]",
        "        edge buy → END  [doubting]",
        "  run done  [doubting]",
    ]


def test_a_wait_of_days_begins_a_new_trace(page: Jaeger, sqlite_url: str) -> None:
    app, clock = ordering("waiting", segment_after=DAY, guarantee="idempotent"), HandClock()
    with FakeReceiver(lambda _: Reply(json={"text": "bought"})) as firm:
        with app.connect(sqlite_url, origins={FIRM: firm.origin}, clock=clock) as service:
            request = ask(service, run_id(app))
            clock.pass_seconds(HOUR)
            service.resume(run_id(app))  # there is nothing to do yet, and the wait goes on
            clock.pass_seconds(2 * DAY)
        with app.connect(sqlite_url, origins={FIRM: firm.origin}, clock=clock) as service:
            service.approve(request, by="dora")
            assert service.resume(run_id(app)).status == "done"
    before, after = trace_id(run_id(app)), trace_id(run_id(app), 1)
    look(page, app, sqlite_url)
    assert tree(page.trace(before)).splitlines() == [
        "invoke_workflow waiting  [waiting]",
        "  edge START → plan  [plan]",
        "  invoke_agent plan  [plan]",
        "    edge plan → allow  [allow]",
        "    approval allow  [allow]",
    ]
    assert tree(page.trace(after)).splitlines() == [
        "approval allow (continued)  [allow]",
        "  awaiting a decision  [allow]",
        "  edge allow → buy  [buy]",
        "  effect buy  [buy]",
        "    POST  [buy]",
        "    edge buy → END  [waiting]",
        "invoke_workflow waiting  [waiting]",
    ]
    (asked,) = [span for span in page.trace(before) if span.name == "approval allow"]
    (stand_in,) = [span for span in page.trace(after) if span.name == "approval allow (continued)"]
    assert stand_in.links == ((asked.trace, asked.span),)
    (call,) = [span for span in page.trace(after) if span.name == "POST"]
    (received,) = firm.received
    assert received.headers["traceparent"] == f"00-{call.trace}-{call.span}-01"
    assert all(span.duration < HOUR * 1_000_000 for trace in (before, after) for span in page.trace(trace))


def test_an_attempt_that_failed_and_was_tried_again(page: Jaeger, sqlite_url: str) -> None:
    system = System("trying", responsible="alice")
    tries: list[str] = []

    @system.agent(owner="makers", retry=2)
    def plan(task: Task) -> Done:
        tries.append(task.text)
        if len(tries) == 1:
            raise ValueError("not today")
        return Done(text=task.text)

    system.edge(START, plan, purpose="what to do")
    system.edge(plan, END, purpose="done")
    app = system.build(Task, Done)
    assert sorted(drawn(page, app, sqlite_url, Task()).splitlines()) == sorted(
        [
            "invoke_workflow trying  [trying]",
            "  edge START → plan  [plan]",
            "  failed plan  [plan] !",
            "  invoke_agent plan  [plan]",
            "    edge plan → END  [trying]",
        ]
    )
    (failed,) = [span for span in page.trace(trace_id(run_id(app))) if span.failed]
    assert failed.tags["otel.status_description"] == "ValueError: not today"
