"""Each mistake that a graph can have is told by its code, and names what it is about."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from answerable.agents.calls import POST, Call
from answerable.agents.messages import Message
from answerable.agents.nodes import END, START
from answerable.agents.outcomes import Ended, Rejected
from answerable.agents.prioritization import Demand, Prioritization
from answerable.approvals.node import exemption
from answerable.errors import GraphError
from answerable.orchestrator.declaring.checks import GraphWarning
from tests.orchestrator.graphs import (
    Account,
    Advice,
    Bench,
    Bundle,
    Draft,
    Order,
    Piece,
    Receipt,
    advice_to_account,
    draft_to_account,
    draft_to_bundle,
    drafting,
    drafting_without_loop,
    nested,
    only,
    order_to_account,
    order_to_bundle,
    order_to_draft,
    part_to_piece,
    piece_to_account,
    piece_to_part,
    pieces_to_account,
    problems,
    review,
    send_bundle,
    send_part,
    sending,
)

# types


class Crate(Message):
    parts: list[Piece]


def test_nothing_matches() -> None:
    bench = Bench()
    bench.chain(bench.agent(order_to_draft, "write"), bench.agent(advice_to_account, "close"))
    only(bench, "no-match", "edge write → close", "Draft", "advice: Advice")


def test_carries_what_the_source_does_not_give() -> None:
    bench = Bench()
    write, close = bench.agent(order_to_draft, "write"), bench.agent(draft_to_account, "close")
    bench.edge(START, write)
    bench.edge(write, close, carries=Advice)
    bench.edge(close, END)
    only(bench, "carries-unknown", "write", "Advice", "Draft")


def test_carries_more_than_the_input_accepts() -> None:
    bench = drafting()
    close = bench.agent(advice_to_account, "close")
    bench.edge(bench.node("review"), close, carries=(Advice, Account))
    bench.edge(close, END)
    only(bench, "no-match", "review → close", "Account")


def test_two_inputs_of_one_type_need_to() -> None:
    def compare(old: Draft, new: Draft) -> Account:
        return Account()

    bench = Bench()
    bench.chain(bench.agent(order_to_draft, "write"), bench.agent(compare))
    only(bench, "ambiguous-input", "write → compare", "old: Draft", "new: Draft", "to=")


def test_two_types_into_two_inputs_need_an_edge_each() -> None:
    def weigh(advice: Advice, account: Account) -> Account:
        return account

    bench = Bench()
    bench.chain(bench.agent(order_to_draft, "write"), bench.agent(review), bench.agent(weigh))
    only(bench, "ambiguous-type", "review → weigh", "advice: Advice", "account: Account", "carries=")


def test_to_names_no_input() -> None:
    bench = Bench()
    write = bench.agent(order_to_draft, "write")
    close = bench.agent(draft_to_account, "close")
    bench.edge(START, write)
    bench.edge(write, close, to="paper")
    bench.edge(close, END)
    only(bench, "unknown-input", "'paper'", "draft: Draft")


@pytest.mark.parametrize("each", ["words", "missing", "text"])
def test_each_names_no_list_of_messages(each: str) -> None:
    bench = Bench()
    pack, work = bench.agent(order_to_bundle, "pack"), bench.agent(part_to_piece, "work")
    gather = bench.agent(pieces_to_account, "gather")
    bench.edge(START, pack)
    bench.edge(pack, work, each=each)
    bench.edge(work, gather, gather=True)
    bench.edge(gather, END)
    only(bench, "each-no-list", "pack → work", "Bundle", repr(each))


def test_each_of_two_messages_with_different_items() -> None:
    def pack(order: Order) -> Bundle | Crate:
        return Bundle()

    bench = Bench()
    pack_, work = bench.agent(pack), bench.agent(part_to_piece, "work")
    bench.edge(START, pack_)
    bench.edge(pack_, work, each="parts")
    only(bench, "ambiguous-each", "pack → work", "'parts'", "Piece", "Part", "carries=")


def test_gather_into_an_input_that_takes_one_at_a_time() -> None:
    bench = Bench()
    pack, work = bench.agent(order_to_bundle, "pack"), bench.agent(part_to_piece, "work")
    close = bench.agent(piece_to_account, "close")
    bench.edge(START, pack)
    bench.edge(pack, work, each="parts")
    bench.edge(work, close, gather=True)
    bench.edge(close, END)
    only(bench, "gather-no-list", "work → close", "list[Ended[Piece]]")


def test_a_list_without_gather() -> None:
    bench = Bench()
    pack, work = bench.agent(order_to_bundle, "pack"), bench.agent(part_to_piece, "work")
    close = bench.agent(pieces_to_account, "close")
    bench.edge(START, pack)
    bench.edge(pack, work, each="parts")
    bench.edge(work, close)
    bench.edge(close, END)
    only(bench, "gather-missing", "work → close", "gather=True")


def test_a_condition_on_something_that_does_not_cross() -> None:
    def is_long(draft: Draft) -> bool:
        return len(draft.text) > 9

    bench = sending()
    other = bench.agent(order_to_draft, "other")
    bench.edge(START, other, when=is_long)
    assert [(found.code, "'is_long'" in found.what, "Order" in found.what) for found in problems(bench)] == [
        ("condition-type", True, True)
    ]


def test_the_same_messages_twice_into_one_input() -> None:
    bench = drafting()
    bench.edge(bench.node("write"), bench.node("review"))
    only(bench, "duplicate-edge", "write→review.draft", "Draft")


def test_two_types_of_one_name() -> None:
    other = type("Draft", (Message,), {"__module__": "elsewhere"})

    def split(order: Order) -> Message:
        return Draft()

    def close(draft: Message) -> Account:
        return Account()

    split.__annotations__ = {"order": Order, "return": Draft | other}
    close.__annotations__ = {"draft": other, "return": Account}
    bench = Bench()
    bench.edge(START, node := bench.agent(split))
    bench.edge(node, first := bench.agent(draft_to_account, "first"), carries=Draft)
    bench.edge(node, second := bench.agent(close, "second"), carries=other)
    bench.edge(first, END)
    bench.edge(second, END)
    only(bench, "type-name", "Draft", "tests.orchestrator.graphs.Draft", "elsewhere.Draft")


# what is fed and used


def test_a_node_that_nothing_reaches() -> None:
    bench = drafting()
    bench.agent(order_to_account, "lonely")
    only(bench, "node-unreached", "lonely")


def test_an_input_that_nothing_feeds() -> None:
    def close(draft: Draft, advice: Advice) -> Account:
        return Account()

    bench = Bench()
    bench.chain(bench.agent(order_to_draft, "write"), bench.agent(close))
    only(bench, "input-unfed", "close", "advice: Advice")


def test_end_that_nothing_feeds() -> None:
    bench = Bench()
    bench.edge(START, bench.agent(order_to_draft, "write"))
    assert [(found.code, found.where) for found in problems(bench)] == [
        ("output-unused", "write"),
        ("end-unfed", "END"),
    ]


def test_an_output_that_goes_nowhere() -> None:
    bench = Bench()
    write, look = bench.agent(order_to_draft, "write"), bench.agent(review)
    bench.edge(START, write)
    bench.edge(write, look)
    bench.edge(look, END, carries=Account)
    only(bench, "output-unused", "review", "Advice")


def test_effects_and_approvals_may_lead_nowhere() -> None:
    bench = Bench()
    pack, close = bench.agent(order_to_bundle, "pack"), bench.agent(order_to_account, "close")
    sign_off, send = bench.approval(Bundle), bench.effect(send_bundle)
    seen = bench.approval(Account, "seen")
    bench.edge(START, pack)
    bench.edge(pack, sign_off)
    bench.edge(sign_off, send)
    bench.chain(close)
    bench.edge(close, seen)
    graph = bench.system.build(Order, Account).graph
    assert graph.outgoing("send") == graph.outgoing("seen") == ()


# approvals


def test_an_exemption_that_takes_something_else() -> None:
    @exemption(version=1)
    def small(draft: Draft, order: Order) -> bool:
        return True

    bench = sending()
    sign_off = bench.approval(Bundle, "second", exempt=small)
    bench.edge(bench.node("pack"), sign_off)
    only(bench, "exemption-signature", "approval second", "'small'", "(Bundle, Order)")


@pytest.mark.parametrize("wrong", ["message", "input", "count", "return"])
def test_options_that_do_not_fit(wrong: str) -> None:
    def of_another_message(draft: Draft, order: Order) -> dict[str, Bundle]:
        return {}

    def of_another_input(bundle: Bundle, draft: Draft) -> dict[str, Bundle]:
        return {}

    def of_one(bundle: Bundle) -> dict[str, Bundle]:
        return {}

    def to_another(bundle: Bundle, order: Order) -> dict[str, Draft]:
        return {}

    functions: Mapping[str, Callable[..., Any]] = {
        "message": of_another_message,
        "input": of_another_input,
        "count": of_one,
        "return": to_another,
    }
    bench = sending()
    sign_off = bench.approval(Bundle, "second", options=functions[wrong])
    bench.edge(bench.node("pack"), sign_off)
    only(bench, "options-signature", "approval second", functions[wrong].__name__, "Bundle")


def test_options_and_exemption_that_fit() -> None:
    @exemption(version=1)
    def small(bundle: Message, order: Order) -> bool:
        return True

    def halves(bundle: Bundle, order: Order) -> Mapping[str, Message]:
        return {}

    bench = sending()
    sign_off = bench.approval(Bundle, "second", exempt=small, options=halves)
    bench.edge(bench.node("pack"), sign_off)
    assert "second" in bench.system.build(Order, Account).graph.nodes


class Ranking(Prioritization):
    pass


def rank(order: Order) -> Ranking:
    return Ranking(served={})


def ranking_to_account(ranking: Ranking) -> Account:
    return Account()


def test_a_prioritization_in_a_system_without_tiers() -> None:
    bench = Bench()
    bench.chain(bench.agent(rank), bench.approval(Ranking), bench.agent(ranking_to_account))
    only(bench, "no-tiers", "approval sign-off", "Ranking", "tiers")


def test_tiers_of_something_else_than_the_input() -> None:
    bench = Bench(tiers=["medical", "retail"])

    @bench.system.tiers(Draft)
    def items(draft: Draft) -> dict[str, Demand]:
        return {}

    bench.chain(bench.agent(rank), bench.approval(Ranking), bench.agent(ranking_to_account))
    only(bench, "tiers-signature", "'items'", "Order")


# effects


def test_an_effect_that_nobody_approved_shows_its_whole_path() -> None:
    bench = Bench()
    bench.chain(bench.agent(order_to_draft, "write"), bench.agent(draft_to_bundle, "pack"))
    send = bench.effect(send_bundle)
    bench.edge(bench.node("pack"), send)
    found = [found for found in problems(bench) if found.code == "effect-uncovered"]
    assert [problem.where for problem in found] == ["START → write → pack → send"]


def test_an_agent_between_approval_and_effect_is_not_covered() -> None:
    bench = sending()
    rewrite, again = bench.agent(part_to_piece, "rewrite"), bench.agent(piece_to_part, "again")
    bench.edge(bench.node("sign-off"), rewrite, each="more")
    bench.edge(rewrite, again)
    bench.edge(again, bench.node("send"))
    found = problems(bench)
    assert [problem.where for problem in found] == ["START → pack → sign-off → rewrite → again → send"]
    assert "'send'" in found[0].what


def test_an_effect_fed_by_the_start_or_by_a_denial_is_not_covered() -> None:
    bench = sending()
    call = bench.effect(send_rejection, "tell")
    bench.edge(bench.node("sign-off").denied, call)
    bench.edge(START, call)
    assert {problem.where for problem in problems(bench)} == {
        "START → pack → sign-off.denied → tell",
        "START → tell",
    }


def send_rejection(message: Order | Rejected) -> Call[Receipt]:
    response = yield POST("/told", json=message)
    return Receipt.model_validate(response.json())


def test_the_way_out_of_a_loop_is_covered_too() -> None:
    bench = drafting_without_loop()
    bench.loop("write", "review", then=bench.effect(send_advice, "send"))
    assert ("effect-uncovered", "START → write → review → send") in [
        (problem.code, problem.where) for problem in problems(bench)
    ]


def send_advice(advice: Advice) -> Call[Receipt]:
    response = yield POST("/advice", json=advice)
    return Receipt.model_validate(response.json())


# several at once, and what is only a warning


def test_every_mistake_is_told_at_once() -> None:
    bench = Bench()
    write, close = bench.agent(order_to_draft, "write"), bench.agent(advice_to_account, "close")
    send = bench.effect(send_part)
    bench.edge(write, close)
    bench.edge(write, write)
    bench.edge(START, send)
    codes = [problem.code for problem in problems(bench)]
    assert codes == ["no-match", "no-match", "no-match"]
    with pytest.raises(GraphError, match="system 'bench' has 3 mistakes"):
        bench.system.build(Order, Account)


def test_an_input_of_a_join_with_several_sources_is_a_warning() -> None:
    def close(draft: Draft, order: Order) -> Account:
        return Account()

    bench = Bench()
    one, two, close_ = bench.agent(order_to_draft, "one"), bench.agent(order_to_draft, "two"), bench.agent(close)
    bench.edge(START, one)
    bench.edge(START, two)
    bench.edge(START, close_)
    bench.edge(one, close_)
    bench.edge(two, close_)
    bench.edge(close_, END)
    with pytest.warns(GraphWarning, match=r"close\.draft is fed by one, two"):
        bench.system.build(Order, Account)


@pytest.mark.parametrize("make", [drafting, sending, nested])
def test_a_graph_without_mistakes_has_no_warning(make: Callable[[], Bench]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make().system.build(Order, Account)


def test_a_gathered_list_may_meet_what_lies_outside_of_its_scatter() -> None:
    def close(ended: list[Ended[Piece]], order: Order) -> Account:
        return Account()

    bench = Bench()
    pack, work, close_ = bench.agent(order_to_bundle, "pack"), bench.agent(part_to_piece, "work"), bench.agent(close)
    bench.edge(START, pack)
    bench.edge(START, close_)
    bench.edge(pack, work, each="parts")
    bench.edge(work, close_, gather=True)
    bench.edge(close_, END)
    graph = bench.system.build(Order, Account).graph
    assert graph.depth("close", "ended") == graph.depth("close", "order") == 0
