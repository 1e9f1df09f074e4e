"""Messages, functions and whole systems that the tests of graphs share."""

from __future__ import annotations

from typing import Any

import pytest

from answerable.agents.calls import POST, Call
from answerable.agents.messages import Message
from answerable.agents.nodes import END, START, Agent, Receiver
from answerable.agents.options import HOUR
from answerable.agents.outcomes import Ended, Expired, Rejected
from answerable.agents.people import role
from answerable.approvals.node import Approval
from answerable.errors import GraphError, Problem
from answerable.orchestrator.graph import Graph
from answerable.orchestrator.system import System

LEAD = role("lead")
CARRIER = Receiver("carrier", keeps_keys_for=24 * HOUR)


class Order(Message):
    text: str = ""


class Draft(Message):
    text: str = ""


class Advice(Message):
    text: str = ""


class Part(Message):
    number: int = 0


class Piece(Message):
    number: int = 0


class Bundle(Message):
    parts: list[Part] = []
    more: tuple[Part, ...] = ()
    words: list[str] = []


class Receipt(Message):
    number: int = 0


class Account(Message):
    text: str = ""


def order_to_draft(order: Order) -> Draft:
    return Draft(text=order.text)


def order_to_bundle(order: Order) -> Bundle:
    return Bundle(parts=[Part()])


def order_to_account(order: Order) -> Account:
    return Account(text=order.text)


def draft_to_bundle(draft: Draft) -> Bundle:
    return Bundle(parts=[Part()])


def draft_to_account(draft: Draft) -> Account:
    return Account(text=draft.text)


def order_or_advice_to_draft(task: Order | Advice) -> Draft:
    return Draft(text=task.text)


def review(draft: Draft) -> Advice | Account:
    return Account(text=draft.text)


def advice_to_account(advice: Advice) -> Account:
    return Account(text=advice.text)


def part_to_piece(part: Part) -> Piece:
    return Piece(number=part.number)


def piece_to_part(piece: Piece) -> Part:
    return Part(number=piece.number)


def pieces_to_account(pieces: list[Ended[Piece]]) -> Account:
    return Account()


def pieces_to_draft(pieces: list[Ended[Piece]]) -> Draft:
    return Draft()


def piece_to_account(piece: Piece) -> Account:
    return Account()


def receipts_to_account(ended: list[Ended[Receipt]] | Rejected | Expired) -> Account:
    return Account()


def send_part(part: Part) -> Call[Receipt]:
    response = yield POST("/parts", json=part)
    return Receipt.model_validate(response.json())


def send_bundle(bundle: Bundle) -> Call[Receipt]:
    response = yield POST("/bundles", json=bundle)
    return Receipt.model_validate(response.json())


class Bench:
    """A system, and short ways to declare what is right or wrong about it."""

    def __init__(self, **options: Any) -> None:
        self.system = System("bench", responsible="alice", **options)
        self.nodes: dict[str, Any] = {}

    def agent(self, fn: Any, name: str | None = None) -> Agent[Any, Any]:
        node: Agent[Any, Any] = self.system.agent(owner="team", name=name)(fn)
        self.nodes[node.name] = node
        return node

    def node(self, name: str) -> Any:
        """The node that was declared with this name."""
        return self.nodes[name]

    def edge(self, source: Any, target: Any, **how: Any) -> None:
        """An edge that the type checker does not look at, so that a wrong one can be tried."""
        declare: Any = self.system.edge
        declare(source, target, **{"purpose": "test", **how})

    def approval(self, of: type[Message], name: str = "sign-off", **options: Any) -> Approval[Any]:
        approve: Any = self.system.approval
        node: Approval[Any] = approve(name, of=of, by=LEAD, within=HOUR, **options)
        self.nodes[name] = node
        return node

    def effect(self, fn: Any = send_part, name: str = "send", **options: Any) -> Any:
        self.nodes[name] = self.system.effect(name, to=CARRIER, guarantee="idempotent", **options)(fn)
        return self.nodes[name]

    def loop(self, *names: str, at_most: int = 2, then: Any) -> None:
        """A loop of the nodes with these names."""
        self.system.loop(*[self.nodes[name] for name in names], at_most=at_most, then=then)

    def chain(self, *nodes: Any) -> None:
        """START → nodes… → END."""
        for source, target in zip((START, *nodes), (*nodes, END), strict=True):
            self.edge(source, target)


def drafting_without_loop() -> Bench:
    """A cycle: write, review, and write again."""
    bench = Bench()
    write, look = bench.agent(order_or_advice_to_draft, "write"), bench.agent(review, "review")
    give_up = bench.agent(advice_to_account, "give-up")
    bench.edge(START, write)
    bench.edge(write, look)
    bench.edge(look, write, carries=Advice)
    bench.edge(look, END, carries=Account)
    bench.edge(give_up, END)
    return bench


def drafting(at_most: int = 3) -> Bench:
    """A loop: write, review, and write again, at most so often."""
    bench = drafting_without_loop()
    bench.loop("write", "review", at_most=at_most, then=bench.node("give-up"))
    return bench


def sending() -> Bench:
    """A scatter through an effect behind an approval, gathered."""
    bench = Bench()
    pack, report = bench.agent(order_to_bundle, "pack"), bench.agent(receipts_to_account, "report")
    sign_off, send = bench.approval(Bundle), bench.effect()
    bench.edge(START, pack)
    bench.edge(pack, sign_off)
    bench.edge(sign_off, send, each="parts")
    bench.edge(send, report, gather=True)
    bench.edge(sign_off.denied, report)
    bench.edge(report, END)
    return bench


def nested() -> Bench:
    """A loop around a scatter around a loop, the outer loop repeated by the gather itself."""
    bench = Bench()

    def plan(start: Order | list[Ended[Piece]]) -> Bundle:
        return Bundle()

    def work(part: Part) -> Piece:
        return Piece()

    def judge(piece: Piece) -> Part | Piece:
        return piece

    def settle(part: Part) -> Piece:
        return Piece()

    def collect(piece: Piece) -> Piece:
        return piece

    plan_, work_ = bench.agent(plan), bench.agent(work)
    judge_, settle_, collect_ = bench.agent(judge), bench.agent(settle), bench.agent(collect)
    report = bench.agent(pieces_to_account, "report")
    stop = bench.agent(pieces_to_account, "stop")
    bench.edge(START, plan_)
    bench.edge(plan_, work_, each="parts")
    bench.edge(work_, judge_)
    bench.edge(judge_, work_, carries=Part)
    bench.edge(judge_, collect_, carries=Piece)
    bench.edge(judge_, report, carries=Piece, gather=True)
    bench.edge(settle_, collect_)
    bench.edge(collect_, plan_, gather=True)
    bench.edge(report, END)
    bench.edge(stop, END)
    bench.system.loop(work_, judge_, at_most=2, then=settle_)
    bench.system.loop(plan_, work_, judge_, settle_, collect_, at_most=3, then=stop)
    return bench


def problems(bench: Bench) -> list[Problem]:
    with pytest.raises(GraphError) as caught:
        bench.system.build(Order, Account)
    for problem in caught.value.problems:
        assert str(problem) in str(caught.value)
    return caught.value.problems


def only(bench: Bench, code: str, *words: str) -> None:
    """The system has exactly one mistake, of this code, and the text has these words."""
    found = problems(bench)
    assert [problem.code for problem in found] == [code]
    for word in words:
        assert word in str(found[0])


def graph_of(bench: Bench) -> Graph:
    """The graph of what was declared."""
    return bench.system.build(Order, Account).graph
