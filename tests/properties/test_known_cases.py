"""Systems that once went wrong, or that random ones seldom reach, played against the interpreter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from answerable.agents.messages import Message
from answerable.agents.nodes import END, START
from answerable.agents.outcomes import Ended
from tests.properties.playing import Disorder, Game, url_in
from tests.properties.receiver import Receiver
from tests.reference.interpreter import Answer, Trouble
from tests.reference.specs import Case, build
from tests.reference.systems import Again, Batch, Item, Sketch, entered_twice

pytestmark = pytest.mark.anyio

GATHERED = list[Ended[Item]]
YES = Answer(kind="approve")


def same(**given: Any) -> Item:
    (only,) = given.values()
    return Item(value=only.value)


def two_of(task: Any) -> Batch:
    return Batch(items=[Item(value=task.value)] * 2)


def both(a: Item, b: Item) -> Item:
    return Item(value=100 * a.value + b.value)


def case(sketch: Sketch, value: int, answer: Any = lambda _asked: YES) -> Case:
    return Case(
        sketch=sketch,
        app=build(sketch, Item),
        run_input=Item(value=value),
        answer=answer,
        receive=lambda _effect, _message: Item(value=0),
    )


async def play(case: Case, folder: Path, receiver: Receiver, seed: int = 0) -> tuple[Message, ...]:
    """What reached END, once everything agreed with the interpreter."""
    await Game(case=case, url=url_in(folder), receiver=receiver, disorder=Disorder(seed=seed)).play()
    return case.account().results


async def test_two_scatters_in_one_round_do_not_wait_for_each_other(tmp_path: Path, receiver: Receiver) -> None:
    """Each item is worked on beside the whole plan; both lists meet in a judge who begins another round."""
    sketch = Sketch()
    plan = sketch.agent("plan", {"task": Item | Again}, Batch, two_of)
    context = sketch.agent("context", {"plan": Batch}, Item, lambda plan: plan.items[0])
    left = sketch.agent("left", {"a": Item, "b": Item}, Item, both)
    right = sketch.agent("right", {"a": Item, "b": Item}, Item, both)
    judge = sketch.agent(
        "judge", {"left": GATHERED, "right": GATHERED}, Item | Again, lambda left, right: Again(value=len(left + right))
    )
    way_out = sketch.agent("way-out", {"task": Again}, Item, same)
    sketch.edge(START, plan)
    sketch.edge(plan, context)
    for worker, to in ((left, "left"), (right, "right")):
        sketch.edge(plan, worker, each="items", to="a")
        sketch.edge(context, worker, to="b")
        sketch.edge(worker, judge, gather=True, to=to)
    sketch.edge(judge, plan, carries=Again)
    sketch.edge(judge, END, carries=Item)
    sketch.edge(way_out, END)
    sketch.system.loop(plan, context, left, right, judge, at_most=2, then=way_out)
    results = await play(case(sketch, 1), tmp_path, receiver)
    assert results == (Item(value=4),)


@pytest.mark.parametrize("seed", range(4))
async def test_a_gather_waits_for_an_earlier_round_that_can_still_come_to_it(
    tmp_path: Path, receiver: Receiver, seed: int
) -> None:
    """Two messages are in one loop; what the later sends in its second round joins each item of the earlier one's."""
    await play(case(entered_twice(), 0), tmp_path, receiver, seed)


async def test_a_failure_that_one_gather_lists_is_not_listed_by_another_behind_it(
    tmp_path: Path, receiver: Receiver
) -> None:
    """`first` gathers what failed; what follows from it joins every item, and is gathered by `second`."""
    sketch = Sketch()
    spread = sketch.agent("spread", {"item": Item}, Batch, lambda item: Batch(items=[item, item]))
    risky = sketch.agent("risky", {"item": Item}, Item, fail)
    steady = sketch.agent("steady", {"item": Item}, Item, same)
    first = sketch.agent("first", {"items": GATHERED}, Item, lambda items: Item(value=len(items)))
    join = sketch.agent("join", {"a": Item, "b": Item}, Item, both)
    second = sketch.agent("second", {"items": GATHERED}, Item, lambda items: Item(value=len(items)))
    sketch.edge(START, spread)
    fork = sketch.agent("fork", {"item": Item}, Item, same)
    sketch.edge(spread, fork, each="items")
    sketch.edge(fork, risky)
    sketch.edge(fork, steady)
    sketch.edge(risky, first, gather=True)
    sketch.edge(steady, join, to="a")
    sketch.edge(first, join, to="b")
    sketch.edge(join, second, gather=True)
    sketch.edge(second, END)
    results = await play(case(sketch, 1), tmp_path, receiver)
    assert results == (Item(value=2),)


def fail(item: Item) -> Item:
    raise Trouble


def nothing(task: Again) -> None:
    """An agent that ends a way."""


@pytest.mark.parametrize(("at_most", "listed"), [(1, 1), (2, 2)])
async def test_what_fails_in_the_last_round_was_on_its_way_to_no_other(
    tmp_path: Path, receiver: Receiver, at_most: int, listed: int
) -> None:
    """`judge` comes to the gather by another round only: where there is none left, its failure is not listed there."""
    sketch = Sketch()
    head = sketch.agent("head", {"task": Item | Again}, Item, same)
    judge = sketch.agent("judge", {"item": Item}, Again, fail)
    close = sketch.agent("close", {"items": GATHERED}, Item, lambda items: Item(value=len(items)))
    way_out = sketch.agent("way-out", {"task": Again}, None, nothing)
    spread = sketch.agent("spread", {"item": Item}, Batch, lambda item: Batch(items=[item]))
    sketch.edge(START, spread)
    sketch.edge(spread, head, each="items")
    sketch.edge(head, judge)
    sketch.edge(judge, head)
    sketch.edge(head, close, gather=True)
    sketch.edge(close, END)
    sketch.system.loop(head, judge, at_most=at_most, then=way_out)
    assert await play(case(sketch, 1), tmp_path, receiver) == (Item(value=listed),)


async def test_a_way_out_that_repeats_an_outer_loop(tmp_path: Path, receiver: Receiver) -> None:
    sketch = Sketch()
    plan = sketch.agent("plan", {"task": Item | Again}, Item, same)
    write = sketch.agent("write", {"task": Item | Again}, Item, same)
    review = sketch.agent("review", {"item": Item}, Item | Again, lambda item: Again(value=item.value + 1))
    give_up = sketch.agent("give-up", {"task": Again}, Item, same)
    sketch.edge(START, plan)
    sketch.edge(plan, write)
    sketch.edge(write, review)
    sketch.edge(review, write, carries=Again)
    sketch.edge(review, END, carries=Item)
    sketch.edge(give_up, END)
    sketch.system.loop(write, review, at_most=2, then=plan)
    sketch.system.loop(plan, write, review, at_most=3, then=give_up)
    results = await play(case(sketch, 0), tmp_path, receiver)
    assert results == (Item(value=6),)


async def test_two_runs_of_one_system_on_one_store(tmp_path: Path, receiver: Receiver) -> None:
    """The run's input is taken apart by START itself, which has no step that would tell the runs apart."""
    sketch = Sketch()
    work = sketch.agent("work", {"item": Item}, Item, same)
    close = sketch.agent("close", {"items": GATHERED}, Item, lambda items: Item(value=len(items)))
    sketch.edge(START, work, each="items")
    sketch.edge(work, close, gather=True)
    sketch.edge(close, END)
    app = build(sketch, Batch)
    async with app.connect(url_in(tmp_path)) as service:
        for number in (2, 3):
            run = await service.arun(Batch(items=[Item(value=1)] * number), by="starter")
            assert (run.status, run.result) == ("done", Item(value=number))
