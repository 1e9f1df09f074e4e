"""The reference interpreter against small systems whose dataflow was worked out by hand, rule by rule."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from answerable.agents.messages import Message
from answerable.agents.nodes import END, START
from answerable.agents.outcomes import Ended, Expired, Failed, Rejected, Response
from answerable.approvals.node import exemption
from tests.reference.interpreter import Account, Answer, Asked, Trouble, interpret
from tests.reference.systems import Again, Batch, Item, Sketch, entered_twice

GATHERED = list[Ended[Item]]


def run(sketch: Sketch, run_input: Message, **how: Any) -> Account:
    app = sketch.system.build(type(run_input), Item)
    return interpret(app.graph, run_input, functions=sketch.pure, **how)


def plus(number: int) -> Any:
    return lambda item: Item(value=item.value + number)


def total(items: Any, **others: Any) -> Item:
    """The sum of the results; others count tenfold, losses a thousand."""
    lost = sum(1000 for ended in items if ended.result is None)
    more = sum(10 * other.value for other in others.values())
    return Item(value=sum(ended.result.value for ended in items if ended.result is not None) + lost + more)


def spread(item: Item) -> Batch:
    """As many items as its value says, numbered from 1."""
    return Batch(items=[Item(value=number + 1) for number in range(item.value)])


def edges_crossed(account: Account) -> Counter[str]:
    return Counter(crossing.edge for crossing in account.crossings.values())


def nodes_run(account: Account) -> Counter[str]:
    return Counter(step.node for step in account.steps.values())


def values(account: Account, edge: str) -> list[int]:
    found = [crossing.message for crossing in account.crossings.values() if crossing.edge == edge]
    return sorted(message.value for message in found if isinstance(message, Item | Again))


def only_gather(account: Account) -> list[tuple[int, str, int | None]]:
    """The items of the one gather: index, type, and the value of a result."""
    (gather,) = account.gathers.values()
    return sorted(
        (index, type(message).__name__, message.value if isinstance(message, Item) else None)
        for index, _, message in gather.items
    )


def test_a_chain_hands_one_message_on() -> None:
    sketch = Sketch()
    one = sketch.agent("one", {"item": Item}, Item, plus(1))
    two = sketch.agent("two", {"item": Item}, Item, plus(10))
    sketch.edge(START, one)
    sketch.edge(one, two)
    sketch.edge(two, END)
    account = run(sketch, Item(value=5))
    assert (account.status, account.results) == ("done", (Item(value=16),))
    assert edges_crossed(account) == {"START→one.item": 1, "one→two.item": 1, "two→END.result": 1}
    assert nodes_run(account) == {"one": 1, "two": 1}
    assert account.leftovers == frozenset()


def join_over_unequal_paths(when: Any = None) -> Sketch:
    sketch = Sketch()
    far = sketch.agent("far", {"item": Item}, Item, plus(1))
    farther = sketch.agent("farther", {"item": Item}, Item, plus(10))
    join = sketch.agent("join", {"a": Item, "b": Item}, Item, lambda a, b: Item(value=100 * a.value + b.value))
    sketch.edge(START, far)
    sketch.edge(far, farther, when=when)
    sketch.edge(START, join, to="a")
    sketch.edge(farther, join, to="b")
    sketch.edge(join, END)
    return sketch


def test_a_join_over_unequal_paths_runs_once() -> None:
    account = run(join_over_unequal_paths(), Item(value=5))
    assert account.results == (Item(value=516),)
    assert nodes_run(account) == {"far": 1, "farther": 1, "join": 1}


def test_a_condition_that_says_no_leaves_the_other_half_of_a_join_over() -> None:
    def never(item: Item) -> bool:
        return item.value > 100

    account = run(join_over_unequal_paths(never), Item(value=5))
    assert (account.status, account.results) == ("stuck", ())
    assert [account.crossings[name].edge for name in account.leftovers] == ["START→join.a"]


@pytest.mark.filterwarnings("ignore::answerable.orchestrator.declaring.checks.GraphWarning")
def test_duplicates_in_one_scope_multiply() -> None:
    sketch = Sketch()
    names = ["one", "two", "three"]
    makers = [sketch.agent(name, {"item": Item}, Item, plus(place)) for place, name in enumerate(names)]
    join = sketch.agent("join", {"a": Item, "b": Item}, Item, lambda a, b: Item(value=10 * a.value + b.value))
    for maker in makers:
        sketch.edge(START, maker)
        sketch.edge(maker, join, to="a")
    sketch.edge(makers[0], join, to="b")
    sketch.edge(makers[1], join, to="b")
    sketch.edge(join, END)
    account = run(sketch, Item(value=1))
    assert sorted(result.value for result in account.results if isinstance(result, Item)) == [11, 12, 21, 22, 31, 32]


def scattered(when: Any = None, work: Any = None) -> Sketch:
    """START → spread → work for each → close with the list and the run's input."""
    sketch = Sketch()
    spread_ = sketch.agent("spread", {"item": Item}, Batch, spread)
    work_ = sketch.agent("work", {"item": Item}, Item, work or plus(100))
    close = sketch.agent("close", {"items": GATHERED, "start": Item}, Item, total)
    sketch.edge(START, spread_)
    sketch.edge(spread_, work_, each="items")
    sketch.edge(work_, close, gather=True, when=when)
    sketch.edge(START, close)
    sketch.edge(close, END)
    return sketch


def test_a_scatter_is_gathered_item_by_item() -> None:
    account = run(scattered(), Item(value=3))
    assert only_gather(account) == [(0, "Item", 101), (1, "Item", 102), (2, "Item", 103)]
    assert account.results == (Item(value=306 + 30),)
    assert edges_crossed(account)["work→close.items"] == 3
    assert nodes_run(account) == {"spread": 1, "work": 3, "close": 1}


def test_an_empty_scatter_is_gathered_as_an_empty_list() -> None:
    account = run(scattered(), Item(value=0))
    assert only_gather(account) == []
    assert account.results == (Item(value=0),)


def test_what_a_condition_drops_is_absent_and_what_fails_is_listed() -> None:
    def even(item: Item) -> bool:
        return item.value % 2 == 0

    def work(item: Item) -> Item:
        if item.value == 4:
            raise Trouble
        return item

    account = run(scattered(even, work), Item(value=5))
    assert only_gather(account) == [(1, "Item", 2), (3, "Failed", None)]
    (gather,) = account.gathers.values()
    assert (gather.size, gather.absent) == (5, 3)
    assert account.results == (Item(value=2 + 1000 + 50),)


def test_an_outer_message_serves_every_item_and_items_do_not_mix() -> None:
    sketch = Sketch()
    spread_ = sketch.agent("spread", {"item": Item}, Batch, spread)
    left = sketch.agent("left", {"item": Item}, Item, plus(0))
    right = sketch.agent("right", {"item": Item}, Item, plus(10))
    other = sketch.agent("other", {"item": Item}, Item, plus(20))

    def beside(a: Item, b: Item, c: Item) -> Item:
        return Item(value=a.value * 10000 + b.value * 100 + c.value)

    join = sketch.agent("join", {"a": Item, "b": Item, "c": Item}, Item, beside)
    close = sketch.agent("close", {"items": GATHERED}, Item, total)
    sketch.edge(START, spread_)
    sketch.edge(spread_, left, each="items")
    sketch.edge(left, right)
    sketch.edge(left, join, to="a")
    sketch.edge(right, join, to="b")
    sketch.edge(START, other)
    sketch.edge(other, join, to="c")
    sketch.edge(join, close, gather=True)
    sketch.edge(close, END)
    account = run(sketch, Item(value=3))
    assert values(account, "join→close.items") == [1_11_23, 2_12_23, 3_13_23]
    assert nodes_run(account)["join"] == 3


def nested_scatters() -> Sketch:
    """Each of n items is taken apart again; the inner gathers, then the outer one."""
    sketch = Sketch()
    spread_ = sketch.agent("spread", {"item": Item}, Batch, spread)
    again = sketch.agent("again", {"item": Item}, Batch, spread)
    work = sketch.agent("work", {"item": Item}, Item, fail_at(3))
    inner = sketch.agent("inner", {"items": GATHERED}, Item, total)
    outer = sketch.agent("outer", {"items": GATHERED}, Item, total)
    sketch.edge(START, spread_)
    sketch.edge(spread_, again, each="items")
    sketch.edge(again, work, each="items")
    sketch.edge(work, inner, gather=True)
    sketch.edge(inner, outer, gather=True)
    sketch.edge(outer, END)
    return sketch


def fail_at(value: int) -> Any:
    def work(item: Item) -> Item:
        if item.value == value:
            raise Trouble
        return item

    return work


def test_a_gather_pops_the_innermost_scatter_only() -> None:
    account = run(nested_scatters(), Item(value=3))
    assert nodes_run(account) == {"spread": 1, "again": 3, "work": 6, "inner": 3, "outer": 1}
    # the third item of the third batch fails: the inner gather says so, and the outer one hears of it by its sum alone
    assert values(account, "inner→outer.items") == [1, 1 + 2, 1 + 2 + 1000]
    assert account.results == (Item(value=1007),)
    assert sorted(len(gather.items) for gather in account.gathers.values()) == [1, 2, 3, 3]


def test_a_gather_waits_for_another_that_leads_to_it() -> None:
    """close.items and late.items gather one scatter; what late makes of it joins each item, and is gathered by end."""
    sketch = Sketch()
    spread_ = sketch.agent("spread", {"item": Item}, Batch, spread)
    work = sketch.agent("work", {"item": Item}, Item, plus(0))
    late = sketch.agent("late", {"items": GATHERED}, Item, total)
    join = sketch.agent("join", {"a": Item, "b": Item}, Item, lambda a, b: Item(value=100 * a.value + b.value))
    end = sketch.agent("end", {"items": GATHERED}, Item, total)
    sketch.edge(START, spread_)
    sketch.edge(spread_, work, each="items")
    sketch.edge(work, late, gather=True)
    sketch.edge(work, join, to="a")
    sketch.edge(late, join, to="b")
    sketch.edge(join, end, gather=True)
    sketch.edge(end, END)
    account = run(sketch, Item(value=2))
    assert values(account, "join→end.items") == [103, 203]
    assert account.results == (Item(value=306),)


def loop(at_most: int = 3, again: Any = None) -> Sketch:
    """write → review, and again until the value is 3 or more; what is still less then goes to give-up (plus 100)."""
    sketch = Sketch()
    write = sketch.agent("write", {"task": Item | Again}, Item, plus_any(0))
    review = sketch.agent("review", {"item": Item}, Item | Again, again or review_until(3))
    give_up = sketch.agent("give-up", {"task": Again}, Item, plus_any(100))
    sketch.edge(START, write)
    sketch.edge(write, review)
    sketch.edge(review, write, carries=Again)
    sketch.edge(review, END, carries=Item)
    sketch.edge(give_up, END)
    sketch.system.loop(write, review, at_most=at_most, then=give_up)
    return sketch


def plus_any(number: int) -> Any:
    return lambda task: Item(value=task.value + number)


def review_until(value: int) -> Any:
    return lambda item: item if item.value >= value else Again(value=item.value + 1)


@pytest.mark.parametrize(
    ("start", "rounds", "result"), [(3, 1, 3), (2, 2, 3), (1, 3, 3), (0, 3, 103), (-5, 3, -2 + 100)]
)
def test_a_loop_has_a_budget_and_a_way_out(start: int, rounds: int, result: int) -> None:
    account = run(loop(), Item(value=start))
    assert nodes_run(account)["write"] == nodes_run(account)["review"] == rounds
    assert account.results == (Item(value=result),)
    back = edges_crossed(account)["review→write.task:Again"]
    assert back == rounds - 1
    assert nodes_run(account)["give-up"] == (1 if result >= 98 or result == -2 + 100 else 0)


def test_a_round_meets_its_own_messages_and_those_from_outside() -> None:
    """review joins what write gave in this round with a loop invariant, and with what write gave by a longer way."""
    sketch = Sketch()
    write = sketch.agent("write", {"task": Item | Again}, Item, plus_any(0))
    check = sketch.agent("check", {"item": Item}, Item, plus(1000))
    outside = sketch.agent("outside", {"item": Item}, Item, plus(0))

    def judge(item: Item, checked: Item, constant: Item) -> Item | Again:
        assert checked.value == item.value + 1000, "two rounds were mixed"
        return Again(value=item.value + 1) if item.value < constant.value + 2 else item

    review = sketch.agent("review", {"item": Item, "checked": Item, "constant": Item}, Item | Again, judge)
    give_up = sketch.agent("give-up", {"task": Again}, Item, plus_any(100))
    sketch.edge(START, write)
    sketch.edge(START, outside)
    sketch.edge(write, check)
    sketch.edge(write, review, to="item")
    sketch.edge(check, review, to="checked")
    sketch.edge(outside, review, to="constant")
    sketch.edge(review, write, carries=Again)
    sketch.edge(review, END, carries=Item)
    sketch.edge(give_up, END)
    sketch.system.loop(write, check, review, at_most=5, then=give_up)
    account = run(sketch, Item(value=7))
    assert account.results == (Item(value=9),)
    assert nodes_run(account) == {"write": 3, "check": 3, "outside": 1, "review": 3}


def test_every_item_has_a_budget_of_its_own() -> None:
    sketch = Sketch()
    spread_ = sketch.agent("spread", {"item": Item}, Batch, spread)
    write = sketch.agent("write", {"task": Item | Again}, Item, plus_any(0))
    review = sketch.agent("review", {"item": Item}, Item | Again, review_until(3))
    give_up = sketch.agent("give-up", {"task": Again}, Item, plus_any(100))
    meet = sketch.agent("meet", {"item": Item}, Item, plus(0))
    close = sketch.agent("close", {"items": GATHERED}, Item, total)
    sketch.edge(START, spread_)
    sketch.edge(spread_, write, each="items")
    sketch.edge(write, review)
    sketch.edge(review, write, carries=Again)
    sketch.edge(review, meet, carries=Item)
    sketch.edge(give_up, meet)
    sketch.edge(meet, close, gather=True)
    sketch.edge(close, END)
    sketch.system.loop(write, review, at_most=2, then=give_up)
    account = run(sketch, Item(value=3))
    # 1 → 2 → over budget; 2 → 3; 3 at once
    assert values(account, "meet→close.items") == [3, 3, 103]
    assert only_gather(account) == [(0, "Item", 103), (1, "Item", 3), (2, "Item", 3)]


def test_a_gather_that_repeats_a_loop_has_one_list_for_each_round() -> None:
    """plan scatters, judge gathers and repeats; the way out takes the list."""
    sketch = Sketch()

    def plan(task: Item | Again) -> Batch:
        return spread(Item(value=task.value))

    def judge(items: Any) -> Item | Again:
        return Again(value=len(items) + 1)

    plan_ = sketch.agent("plan", {"task": Item | Again}, Batch, plan)
    work = sketch.agent("work", {"item": Item}, Item, plus(0))
    judge_ = sketch.agent("judge", {"items": GATHERED}, Item | Again, judge)
    give_up = sketch.agent("give-up", {"task": Again}, Item, plus_any(100))
    sketch.edge(START, plan_)
    sketch.edge(plan_, work, each="items")
    sketch.edge(work, judge_, gather=True)
    sketch.edge(judge_, plan_, carries=Again)
    sketch.edge(judge_, END, carries=Item)
    sketch.edge(give_up, END)
    sketch.system.loop(plan_, work, judge_, at_most=3, then=give_up)
    account = run(sketch, Item(value=1))
    assert sorted(gather.size for gather in account.gathers.values()) == [1, 2, 3]
    assert account.results == (Item(value=104),)


def two_loops(inner_rounds: int) -> Sketch:
    """An inner loop whose way out is the header of the outer one, which it thereby repeats."""
    sketch = Sketch()
    plan = sketch.agent("plan", {"task": Item | Again}, Item, plus_any(10))
    write = sketch.agent("write", {"task": Item | Again}, Item, plus_any(0))
    review = sketch.agent("review", {"item": Item}, Item | Again, lambda item: Again(value=item.value + 1))
    give_up = sketch.agent("give-up", {"task": Again}, Item, plus_any(100))
    sketch.edge(START, plan)
    sketch.edge(plan, write)
    sketch.edge(write, review)
    sketch.edge(review, write, carries=Again)
    sketch.edge(review, END, carries=Item)
    sketch.edge(give_up, END)
    sketch.system.loop(write, review, at_most=inner_rounds, then=plan)
    sketch.system.loop(plan, write, review, at_most=2, then=give_up)
    return sketch


def test_a_way_out_that_repeats_an_outer_loop_and_is_itself_over_budget() -> None:
    account = run(two_loops(3), Item(value=0))
    # 10, 11, 12, and 13 is over the inner budget: 23, 24, 25, and 26 is over both budgets
    assert values(account, "write→review.item") == [10, 11, 12, 23, 24, 25]
    assert account.results == (Item(value=126),)
    assert nodes_run(account) == {"plan": 2, "write": 6, "review": 6, "give-up": 1}


def test_a_failure_outside_of_a_scatter_ends_the_run_as_failed() -> None:
    sketch = Sketch()
    work = sketch.agent("work", {"item": Item}, Item, fail_at(1))
    sketch.edge(START, work)
    sketch.edge(work, END)
    account = run(sketch, Item(value=1))
    assert (account.status, account.results) == ("failed", ())
    assert run(sketch, Item(value=2)).status == "done"


def approved(*, denied: bool = False, **options: Any) -> Sketch:
    """Each item is approved by itself and then gathered. With `denied`, a no is worked on and gathered too."""
    sketch = Sketch()
    spread_ = sketch.agent("spread", {"item": Item}, Batch, spread)
    sign_off = sketch.approval("sign-off", **options)
    work = sketch.agent(
        "work", {"item": Item | Rejected | Expired}, Item, lambda item: Item(value=getattr(item, "value", 7))
    )
    close = sketch.agent("close", {"items": GATHERED}, Item, total)
    sketch.edge(START, spread_)
    sketch.edge(spread_, sign_off, each="items")
    sketch.edge(sign_off, work)
    if denied:
        sketch.edge(sign_off.denied, work)
    sketch.edge(work, close, gather=True)
    sketch.edge(close, END)
    return sketch


def answers(script: dict[tuple[int, int], Answer]) -> Any:
    """Answers by the value that is asked about, and how often it was edited."""

    def answer(asked: Asked) -> Answer | None:
        assert isinstance(asked.message, Item)
        return script.get((asked.message.value, asked.edits))

    return answer


YES, NO, NOBODY = Answer(kind="approve"), Answer(kind="reject", text="no"), Answer(kind="expire")


def test_an_open_request_holds_its_gather_and_nothing_else() -> None:
    account = run(approved(), Item(value=3), answers=answers({(1, 0): YES}))
    assert account.status == "waiting"
    assert [asked.message for asked in account.requests] == [Item(value=2), Item(value=3)]
    assert values(account, "work→close.items") == [1]
    assert account.gathers == {}


def test_every_kind_of_answer_in_one_gather() -> None:
    script = {
        (1, 0): Answer(kind="edit", edited=Item(value=50)),
        (50, 1): YES,
        (2, 0): NO,
        (3, 0): NOBODY,
        (4, 0): Answer(kind="approve", option="double"),
    }

    def double(item: Item, start: Item) -> dict[str, Item]:
        return {"double": Item(value=item.value * 2)}

    account = run(approved(options=double), Item(value=4), answers=answers(script))
    assert only_gather(account) == [(0, "Item", 50), (1, "Rejected", None), (2, "Expired", None), (3, "Item", 8)]
    assert account.status == "done"


def test_a_no_that_is_taken_up_is_not_listed() -> None:
    account = run(approved(denied=True), Item(value=2), answers=answers({(1, 0): YES, (2, 0): NO}))
    assert only_gather(account) == [(0, "Item", 1), (1, "Item", 7)]


def test_a_no_without_a_way_on_ends_the_run_as_denied() -> None:
    sketch = Sketch()
    sign_off = sketch.approval("sign-off")
    sketch.edge(START, sign_off)
    sketch.edge(sign_off, END)
    assert run(sketch, Item(value=1), answers=answers({(1, 0): NO})).status == "denied"
    assert run(sketch, Item(value=1), answers=answers({(1, 0): NOBODY})).status == "denied"
    assert run(sketch, Item(value=1)).status == "waiting"


def test_a_response_goes_round_in_a_loop() -> None:
    sketch = Sketch()

    def write(task: Any) -> Item:
        return Item(value=int(task.text) if isinstance(task, Response) else task.value)

    write_ = sketch.agent("write", {"task": Item | Response}, Item, write)
    sign_off = sketch.approval("sign-off")
    give_up = sketch.agent("give-up", {"task": Response}, Item, lambda task: Item(value=-len(task.text)))
    sketch.edge(START, write_)
    sketch.edge(write_, sign_off)
    sketch.edge(sign_off.response, write_)
    sketch.edge(sign_off, END)
    sketch.edge(give_up, END)
    sketch.system.loop(write_, sign_off, at_most=3, then=give_up)
    tell = {(value, 0): Answer(kind="respond", text=str(value + 1)) for value in (1, 2, 3, 5, 6)}
    assert run(sketch, Item(value=1), answers=answers(tell)).results == (Item(value=-1),)
    assert run(sketch, Item(value=5), answers=answers({**tell, (6, 0): YES})).results == (Item(value=6),)
    assert run(sketch, Item(value=1), answers=answers({(1, 0): tell[1, 0]})).requests[0].message == Item(value=2)


@exemption(version=1)
def small(item: Item, start: Item) -> bool:
    return item.value < start.value


def test_an_accepted_exemption_lets_pass_and_one_that_is_not_accepted_does_not() -> None:
    sketch = approved(exempt=small)
    accepted = run(sketch, Item(value=3), accepted=frozenset({"sign-off"}))
    assert [asked.message for asked in accepted.requests] == [Item(value=3)]
    assert values(accepted, "work→close.items") == [1, 2]
    assert len(run(sketch, Item(value=3)).requests) == 3


def test_effects_follow_what_was_approved() -> None:
    sketch = Sketch()
    spread_ = sketch.agent("spread", {"item": Item}, Batch, spread)
    sign_off = sketch.approval("sign-off", Batch)
    send = sketch.effect("send")
    close = sketch.agent("close", {"items": GATHERED}, Item, total)
    sketch.edge(START, spread_)
    sketch.edge(spread_, sign_off)
    sketch.edge(sign_off, send, each="items")
    sketch.edge(send, close, gather=True)
    sketch.edge(close, END)

    def receiver(effect: str, message: Item) -> Item:
        if message.value == 2:
            raise Trouble
        return Item(value=message.value + 10)

    account = run(sketch, Item(value=3), answers=lambda _asked: YES, effects=receiver)
    assert only_gather(account) == [(0, "Item", 11), (1, "Failed", None), (2, "Item", 13)]
    assert run(sketch, Item(value=3), effects=receiver).status == "waiting"


def test_names_do_not_depend_on_what_messages_say() -> None:
    first, second = run(scattered(), Item(value=2)), run(scattered(work=plus(7)), Item(value=2))
    assert set(first.crossings) == set(second.crossings)
    assert set(first.steps) == set(second.steps)
    assert first.results != second.results


def test_a_gather_waits_for_an_earlier_round_that_can_still_come_to_it() -> None:
    """Two messages enter one loop in one scope. One waits in round 0; the other's list of round 1 has to wait for it,
    as what the first one sends in its round 1 will join every item of that list."""
    sketch = entered_twice()
    waiting = run(sketch, Item(value=0), answers=answers({(1, 0): YES}))
    assert waiting.gathers == {}
    done = run(sketch, Item(value=0), answers=lambda _asked: YES)
    assert sorted(len(gather.items) for gather in done.gathers.values()) == [2, 2, 2, 2]


def test_failures_and_denials_are_told_apart() -> None:
    account = run(approved(), Item(value=2), answers=answers({(1, 0): YES, (2, 0): NO}))
    kinds = Counter(type(message) for gather in account.gathers.values() for _, _, message in gather.items)
    assert kinds == {Item: 1, Rejected: 1}
    assert kinds[Failed] == 0
