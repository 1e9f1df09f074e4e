"""Scopes: what each edge does to them, and that it agrees with what `build` computed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answerable.agents.nodes import END, START
from answerable.orchestrator.graph import END_NAME, START_NAME, Edge, Graph, LoopShape, Shape
from answerable.orchestrator.scopes import (
    Frame,
    LoopFrame,
    OverBudget,
    Scatter,
    ScatterFrame,
    Scope,
    agree,
    cross,
    from_plain,
    gathered,
    item_index,
    land,
    longest,
    to_plain,
)
from tests.orchestrator.graphs import (
    Account,
    Advice,
    Bench,
    Bundle,
    Draft,
    Order,
    advice_to_account,
    drafting,
    graph_of,
    nested,
    review,
    sending,
)

frames = st.one_of(
    st.builds(ScatterFrame, st.sampled_from("ef"), st.sampled_from("st"), st.integers(0, 2)),
    st.builds(LoopFrame, st.sampled_from("lm"), st.integers(0, 2)),
)
scopes = st.lists(frames, max_size=4).map(tuple)


def crossed(scope: Scope, edge: Edge, *, step: str = "step", index: int | None = None) -> Scope:
    """The scope after `edge`, which has budget left."""
    after = cross(scope, edge, step=step, index=index)
    assert not isinstance(after, OverBudget)
    return after


# the algebra


@given(scopes, scopes)
def test_scopes_agree_if_one_is_a_prefix_of_the_other(a: Scope, b: Scope) -> None:
    assert agree(a, b) == (a == b[: len(a)] or b == a[: len(b)])
    assert agree(a, b) == agree(b, a)
    assert agree((), a)
    assert agree(a, a)


@given(scopes)
def test_a_scope_survives_being_written(scope: Scope) -> None:
    plain = to_plain(scope)
    assert from_plain(plain) == scope
    assert all(type(part) in (str, int) for frame in plain for part in frame)


def test_a_scope_is_written_with_the_kind_of_each_frame() -> None:
    scope = (LoopFrame("write+review", 2), ScatterFrame("a→b.c[d]", "step", 7))
    assert to_plain(scope) == [["loop", "write+review", 2], ["scatter", "a→b.c[d]", "step", 7]]


@pytest.mark.parametrize("plain", [[["tunnel", "x", 1]], [["loop", "x"]], [["scatter", "x", "y"]]])
def test_what_is_no_scope_is_refused(plain: list[list[str]]) -> None:
    with pytest.raises(ValueError, match="is no frame of a scope"):
        from_plain(plain)


def test_a_step_has_the_longest_scope_of_what_it_consumed() -> None:
    inner: Scope = (LoopFrame("l", 0), LoopFrame("m", 1))
    assert longest([inner[:1], inner, ()]) == inner
    assert longest([]) == ()


# loops


def test_a_loop_is_entered_repeated_and_left() -> None:
    graph = graph_of(drafting(at_most=3))
    entered = crossed((), graph.edge("START→write.task"), step="0")
    assert entered == (LoopFrame("review+write", 0),)
    assert cross(entered, graph.edge("write→review.draft"), step="1") == entered
    again = crossed(entered, graph.edge("review→write.task:Advice"), step="2")
    assert again == (LoopFrame("review+write", 1),)
    assert cross(again, graph.edge("review→END.result:Account"), step="3") == ()


@pytest.mark.parametrize("at_most", [1, 2, 5])
def test_a_loop_has_as_many_rounds_as_its_budget(at_most: int) -> None:
    graph = graph_of(drafting(at_most=at_most))
    back = graph.edge("review→write.task:Advice")
    scope = crossed((), graph.edge("START→write.task"), step="0")
    rounds = 1
    while not isinstance(after := cross(scope, back, step="s"), OverBudget):
        scope, rounds = after, rounds + 1
    assert rounds == at_most
    assert after == OverBudget("review+write", "review→write.task:Advice~give-up.advice")
    assert cross(scope, graph.edge(after.exit), step="s") == ()


def test_every_item_around_a_loop_has_a_budget_of_its_own() -> None:
    graph = graph_of(nested())
    back = graph.edge("judge→work.part:Part")
    around: Scope = (LoopFrame("collect+judge+plan+settle+work", 0),)
    one, two = (crossed(around, graph.edge("plan→work.part[parts]"), step="s", index=number) for number in (0, 1))
    assert one[-1] == LoopFrame("judge+work", 0)
    used_up = crossed(one, back, step="t")
    assert cross(used_up, back, step="u") == OverBudget("judge+work", "judge→work.part:Part~settle.part")
    assert cross(two, back, step="v") == (*two[:-1], LoopFrame("judge+work", 1))


def test_a_loop_that_is_entered_again_begins_anew() -> None:
    graph = graph_of(nested())
    outer = LoopFrame("collect+judge+plan+settle+work", 1)
    again = cross((outer,), graph.edge("plan→work.part[parts]"), step="s", index=0)
    assert again == (outer, ScatterFrame("plan→work.part[parts]", "s", 0), LoopFrame("judge+work", 0))


def test_an_input_that_is_fed_from_outside_only_stays_outside_of_the_loop() -> None:
    def write(order: Order, task: Order | Advice) -> Draft:
        return Draft()

    bench = Bench()
    write_ = bench.agent(write)
    bench.edge(START, write_, to="order")
    bench.edge(START, write_, to="task")
    in_a_loop(bench, write_)
    graph = graph_of(bench)
    assert cross((), graph.edge("START→write.order"), step="0") == ()
    assert cross((), graph.edge("START→write.task"), step="0") == (LoopFrame("review+write", 0),)
    assert (graph.depth("write", "order"), graph.depth("write", "task")) == (0, 1)


def in_a_loop(bench: Bench, write: object) -> None:
    """Put `write` into a loop with a review, and a way out."""

    def review(draft: Draft) -> Advice | Account:
        return Account()

    def stop(advice: Advice) -> Account:
        return Account()

    look, stop_ = bench.agent(review), bench.agent(stop)
    bench.edge(write, look)
    bench.edge(look, write, carries=Advice)
    bench.edge(look, END, carries=Account)
    bench.edge(stop_, END)
    bench.loop("write", "review", then=stop_)


def refining() -> Bench:
    """An inner loop whose way out is the beginning of the outer one."""

    def plan(task: Order | Advice) -> Draft:
        return Draft()

    def write(task: Draft | Advice) -> Draft:
        return Draft()

    bench = Bench()
    plan_, write_, look = bench.agent(plan), bench.agent(write), bench.agent(review)
    give_up = bench.agent(advice_to_account, "give-up")
    bench.edge(START, plan_)
    bench.edge(plan_, write_)
    bench.edge(write_, look)
    bench.edge(look, write_, carries=Advice)
    bench.edge(look, END, carries=Account)
    bench.edge(give_up, END)
    bench.loop("write", "review", at_most=2, then=plan_)
    bench.loop("plan", "write", "review", at_most=2, then=give_up)
    return bench


def test_a_way_out_may_repeat_the_loop_around_it() -> None:
    graph = graph_of(refining())
    back = graph.edge("review→write.task:Advice")
    inner, outer = "review+write", "plan+review+write"

    def landing(outer_round: int, inner_round: int) -> tuple[str, Scope]:
        scope: Scope = (LoopFrame(outer, outer_round), LoopFrame(inner, inner_round))
        edge, after = land(scope, back, graph, step="s")
        return edge.id, after

    assert landing(0, 0) == (back.id, (LoopFrame(outer, 0), LoopFrame(inner, 1)))
    assert landing(0, 1) == (f"{back.id}~plan.task", (LoopFrame(outer, 1),))
    assert landing(1, 1) == (f"{back.id}~plan.task~give-up.advice", ())


# scatters and gathers


def test_a_scatter_is_pushed_and_its_gather_pops_it() -> None:
    graph = graph_of(sending())
    scatter = graph.edge("sign-off→send.part[parts]")
    inner = cross((), scatter, step="s", index=4)
    assert inner == (ScatterFrame(scatter.id, "s", 4),)
    gather = graph.edge("send→report.ended")
    assert gathered(inner, gather) == (Scatter(scatter.id, "s"), ())
    assert item_index(inner, gather) == 4
    assert cross((), gather, step="g") == ()


def test_a_gather_pops_the_loops_inside_of_its_scatter() -> None:
    graph = graph_of(nested())
    outer = LoopFrame("collect+judge+plan+settle+work", 0)
    item = ScatterFrame("plan→work.part[parts]", "s", 2)
    leaving = graph.edge("judge→report.pieces:Piece")
    inner: Scope = (outer, item, LoopFrame("judge+work", 1))
    assert gathered(inner, leaving) == (Scatter(item.edge, "s"), (outer,))
    assert item_index(inner, leaving) == 2
    assert cross((outer,), leaving, step="g") == ()


def test_a_gather_that_repeats_a_loop_is_counted() -> None:
    graph = graph_of(nested())
    loop = "collect+judge+plan+settle+work"
    gather = graph.edge("collect→plan.start")
    assert cross((LoopFrame(loop, 0),), gather, step="g") == (LoopFrame(loop, 1),)
    last: Scope = (LoopFrame(loop, 2),)
    assert cross(last, gather, step="g") == OverBudget(loop, f"{gather.id}~stop.pieces")
    assert graph.edge(f"{gather.id}~stop.pieces").gather
    assert cross(last, graph.edge(f"{gather.id}~stop.pieces"), step="g") == ()


def test_two_scatters_may_feed_one_input() -> None:
    bench = sending()
    second = bench.approval(Bundle, "second")
    bench.edge(bench.node("pack"), second)
    bench.edge(second, bench.node("send"), each="more")
    graph = graph_of(bench)
    assert graph.depth("send", "part") == 1
    (shape,) = graph.shapes["send", "part"]
    assert not isinstance(shape, LoopShape)
    assert shape.edges == {"sign-off→send.part[parts]", "second→send.part[more]"}


# what build computed is what happens


def scope_of(shape: Shape, draw: Callable[[st.SearchStrategy[int]], int]) -> Scope:
    """Any scope of this shape, with loops that have a round left."""
    made: list[Frame] = []
    for frame in shape:
        if isinstance(frame, LoopShape):
            made.append(LoopFrame(frame.loop, 0))
        else:
            made.append(ScatterFrame(sorted(frame.edges)[0], f"step{len(made)}", draw(st.integers(0, 3))))
    return tuple(made)


def shape_of_steps(graph: Graph, node: str) -> Shape:
    if node == START_NAME:
        return ()
    return max((graph.shapes[node, entry.name] for entry in graph.inputs(node)), key=len)


@pytest.mark.parametrize("make", [drafting, sending, nested, refining])
@given(data=st.data())
def test_every_crossing_on_an_input_has_the_depth_that_build_computed(
    make: Callable[[], Bench], data: st.DataObject
) -> None:
    graph = graph_of(make())
    edge: Edge = data.draw(st.sampled_from(graph.edges))
    scope = scope_of(shape_of_steps(graph, edge.source), data.draw)
    if edge.gather:
        _, scope = gathered(scope, edge)
    after = crossed(scope, edge, index=0 if edge.each else None)
    shape = graph.shapes[edge.target, edge.input]
    assert len(after) == len(shape) == graph.depth(edge.target, edge.input)
    for frame, expected in zip(after, shape, strict=True):
        if isinstance(expected, LoopShape):
            assert isinstance(frame, LoopFrame)
            assert frame.loop == expected.loop
        else:
            assert isinstance(frame, ScatterFrame)
            assert frame.edge in expected.edges


def test_end_has_the_depth_of_a_run() -> None:
    assert graph_of(nested()).depth(END_NAME, "result") == 0
