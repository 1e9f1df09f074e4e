"""Each mistake with loops and scopes is told by its code, and names what it is about."""

from __future__ import annotations

from answerable.agents.nodes import END, START
from tests.orchestrator.graphs import (
    Account,
    Advice,
    Bench,
    Bundle,
    Draft,
    Order,
    Part,
    Piece,
    advice_to_account,
    draft_to_account,
    drafting_without_loop,
    nested,
    only,
    order_or_advice_to_draft,
    order_to_bundle,
    part_to_piece,
    piece_to_account,
    pieces_to_account,
    pieces_to_draft,
    problems,
    review,
)

# loops


def test_a_cycle_without_a_budget() -> None:
    bench = drafting_without_loop()
    bench.edge(bench.node("review"), bench.node("give-up"), carries=Advice)
    only(bench, "cycle-unbounded", "write", "review", "system.loop(write, review")


def loop_bench(*loops: tuple[tuple[str, ...], str]) -> Bench:
    """write ⇄ review, and refine ⇄ check behind it; `loops` are (nodes, then)."""

    def refine(task: Account | Advice) -> Draft:
        return Draft()

    bench = Bench()
    write, look = bench.agent(order_or_advice_to_draft, "write"), bench.agent(review, "review")
    refine_, check = bench.agent(refine), bench.agent(review, "check")
    give_up = bench.agent(advice_to_account, "give-up")
    bench.edge(START, write)
    bench.edge(write, look)
    bench.edge(look, write, carries=Advice)
    bench.edge(look, refine_, carries=Account)
    bench.edge(refine_, check)
    bench.edge(check, refine_, carries=Advice)
    bench.edge(check, END, carries=Account)
    bench.edge(give_up, END)
    for names, then in loops:
        bench.loop(*names, then=bench.node(then))
    return bench


def test_loops_that_overlap() -> None:
    bench = loop_bench((("write", "review", "refine"), "give-up"), (("refine", "check"), "give-up"))
    only(bench, "loops-overlap", "refine+review+write", "check+refine")


def test_two_loops_side_by_side_are_right() -> None:
    bench = loop_bench((("write", "review"), "give-up"), (("refine", "check"), "give-up"))
    assert [loop.header for loop in bench.system.build(Order, Account).graph.loops] == ["refine", "write"]


def test_a_way_out_that_lies_inside() -> None:
    bench = loop_bench((("write", "review"), "write"), (("refine", "check"), "give-up"))
    only(bench, "loop-then-inside", "review+write", "write")


def test_a_way_out_that_does_not_take_it() -> None:
    bench = drafting_without_loop()
    bench.edge(bench.node("review"), bench.node("give-up"), carries=Advice)
    bench.loop("write", "review", then=END)
    only(bench, "loop-then-type", "review→write.task:Advice", "Advice", "END", "Account")


def test_a_node_that_does_not_repeat() -> None:
    bench = loop_bench((("write", "review", "give-up"), "check"), (("refine", "check"), "give-up"))
    only(bench, "loop-idle-node", "give-up")


def test_two_cycles_are_not_one_loop() -> None:
    bench = loop_bench((("write", "review", "refine", "check"), "give-up"))
    only(bench, "loop-idle-node", "check+refine+review+write", "falls apart")


def test_a_cycle_beside_the_beginning_of_its_loop() -> None:
    bench = Bench()

    def second(task: Draft | Advice) -> Advice:
        return Advice()

    write, next_ = bench.agent(order_or_advice_to_draft, "write"), bench.agent(second)
    give_up = bench.agent(advice_to_account, "give-up")
    bench.edge(START, write)
    bench.edge(write, next_)
    bench.edge(next_, next_)
    bench.edge(next_, write)
    bench.edge(give_up, END)
    bench.system.loop(write, next_, at_most=2, then=give_up)
    only(bench, "loop-second-cycle", "begins at write", "second")


def test_a_loop_that_nothing_begins() -> None:
    def write(order: Order, advice: Advice) -> Draft:
        return Draft()

    bench = Bench()
    write_, look = bench.agent(write), bench.agent(review, "review")
    give_up = bench.agent(advice_to_account, "give-up")
    bench.edge(START, write_)
    bench.edge(write_, look)
    bench.edge(look, write_, carries=Advice)
    bench.edge(look, END, carries=Account)
    bench.edge(give_up, END)
    bench.system.loop(write_, look, at_most=2, then=give_up)
    only(bench, "loop-no-entry", "review+write", "A | B")


def test_an_input_that_only_the_loop_itself_feeds() -> None:
    def write(task: Order | Advice, account: Account) -> Draft:
        return Draft()

    def stop(last: Advice | Account) -> Account:
        return Account()

    bench = Bench()
    write_, look = bench.agent(write), bench.agent(review, "review")
    give_up = bench.agent(stop, "give-up")
    bench.edge(START, write_)
    bench.edge(write_, look)
    bench.edge(look, write_, carries=Advice)
    bench.edge(look, write_, carries=Account)
    bench.edge(look, END, carries=Account)
    bench.edge(give_up, END)
    bench.system.loop(write_, look, at_most=2, then=give_up)
    only(bench, "loop-never-begins", "review+write", "'account'", "write")


def test_an_outer_loop_that_begins_in_the_middle_of_an_inner_one() -> None:
    bench = Bench()

    def first(task: Order | Advice) -> Draft:
        return Draft()

    def second(task: Order | Draft) -> Advice:
        return Advice()

    def third(advice: Advice) -> Draft:
        return Draft()

    first_, second_, third_ = bench.agent(first), bench.agent(second), bench.agent(third)
    give_up, close = bench.agent(advice_to_account, "give-up"), bench.agent(draft_to_account, "close")
    bench.edge(START, first_)
    bench.edge(first_, second_)
    bench.edge(second_, first_)
    bench.edge(second_, third_)
    bench.edge(third_, second_)
    bench.edge(START, second_)
    bench.edge(give_up, END)
    bench.edge(close, END)
    bench.loop("first", "second", then=give_up)
    bench.loop("second", "third", "first", then=close)
    only(bench, "loops-overlap", "first+second+third", "begins at second")


# scopes


def test_mixed_scopes_on_one_input() -> None:
    bench = Bench()

    def close(task: Order | Piece) -> Account:
        return Account()

    pack, work, close_ = bench.agent(order_to_bundle, "pack"), bench.agent(part_to_piece, "work"), bench.agent(close)
    bench.edge(START, pack)
    bench.edge(START, close_)
    bench.edge(pack, work, each="parts")
    bench.edge(work, close_)
    bench.edge(close_, END)
    assert {problem.code for problem in problems(bench)} == {"mixed-scopes"}
    told = str(problems(bench)[0])
    for word in ("close.task", "START→close.task", "work→close.task", "once", "for each item of pack→work.part[parts]"):
        assert word in told


def test_a_join_of_unrelated_scopes() -> None:
    bench = Bench()

    def join(left: Piece, right: Part) -> Account:
        return Account()

    pack, work, join_ = bench.agent(order_to_bundle, "pack"), bench.agent(part_to_piece, "work"), bench.agent(join)
    bench.edge(START, pack)
    bench.edge(pack, work, each="parts")
    bench.edge(work, join_)
    bench.edge(pack, join_, each="more")
    bench.edge(join_, END)
    only(bench, "unrelated-scopes", "join", "'right'", "[parts]", "[more]")


def test_a_gather_of_what_nobody_took_apart() -> None:
    bench = Bench()

    def piece(order: Order) -> Piece:
        return Piece()

    make, close = bench.agent(piece), bench.agent(pieces_to_account, "close")
    bench.edge(START, make)
    bench.edge(make, close, gather=True)
    bench.edge(close, END)
    only(bench, "gather-without-scatter", "piece→close.pieces")


def test_a_gather_inside_a_loop_of_a_scatter_outside_of_it() -> None:
    bench = Bench()

    def work(task: Part | Draft) -> Piece:
        return Piece()

    pack, work_ = bench.agent(order_to_bundle, "pack"), bench.agent(work)
    gather, stop = bench.agent(pieces_to_draft, "gather"), bench.agent(draft_to_account, "stop")
    bench.edge(START, pack)
    bench.edge(pack, work_, each="parts")
    bench.edge(work_, gather, gather=True)
    bench.edge(gather, work_)
    bench.edge(stop, END)
    bench.system.loop(work_, gather, at_most=2, then=stop)
    assert problems(bench)[0].code == "gather-without-scatter"
    assert "gather+work" in problems(bench)[0].what


def test_a_scatter_that_is_left_open_when_the_loop_repeats() -> None:
    bench = Bench()

    def pack(task: Order | Piece) -> Bundle:
        return Bundle()

    pack_, work = bench.agent(pack), bench.agent(part_to_piece, "work")
    close = bench.agent(piece_to_account, "close")
    bench.edge(START, pack_)
    bench.edge(pack_, work, each="parts")
    bench.edge(work, pack_)
    bench.edge(close, END)
    bench.system.loop(pack_, work, at_most=2, then=close)
    found = problems(bench)
    assert {problem.code for problem in found} == {"scatter-left-open"}
    assert {problem.where for problem in found} == {"work→pack.task", "work→pack.task~close.piece"}


def test_a_scatter_that_is_left_open_when_the_loop_is_left() -> None:
    bench = nested()
    leak = bench.agent(piece_to_account, "leak")
    bench.edge(bench.node("judge"), leak, carries=Piece)
    bench.edge(leak, END)
    assert ("scatter-left-open", "judge→leak.piece:Piece") in [(found.code, found.where) for found in problems(bench)]


def test_one_scatter_gathered_on_two_edges_into_one_input() -> None:
    bench = sending_on()
    other = bench.agent(part_to_piece, "other")
    bench.edge(bench.node("pack"), other, each="more")
    bench.edge(other, bench.node("close"), gather=True)
    assert bench.system.build(Order, Account).graph.depth("close", "pieces") == 0  # each list has its own gather
    again = bench.agent(piece_to_piece, "again")
    bench.edge(bench.node("work"), again)
    bench.edge(again, bench.node("close"), gather=True)
    only(bench, "gather-twice", "work→close.pieces", "again→close.pieces", "pack→work.part[parts]", "close")


def piece_to_piece(piece: Piece) -> Piece:
    return piece


def sending_on() -> Bench:
    """A scatter over one agent, gathered."""
    bench = Bench()
    pack, work = bench.agent(order_to_bundle, "pack"), bench.agent(part_to_piece, "work")
    close = bench.agent(pieces_to_account, "close")
    bench.edge(START, pack)
    bench.edge(pack, work, each="parts")
    bench.edge(work, close, gather=True)
    bench.edge(close, END)
    return bench
