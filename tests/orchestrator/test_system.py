"""Declaring a system: what is refused at once, what a declaration becomes, and what the type checker refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest

from answerable.agents.calls import POST, Call, Transaction
from answerable.agents.context import Step
from answerable.agents.messages import Message
from answerable.agents.nodes import END, START, Agent, Effect, Receiver
from answerable.agents.options import HOUR, Retry
from answerable.agents.outcomes import Ended, Expired, Rejected
from answerable.agents.people import role
from answerable.agents.prioritization import Demand, Prioritization
from answerable.approvals.node import Approval, exemption
from answerable.errors import DeclarationError, GraphError
from answerable.orchestrator.system import System

CARRIER = Receiver("carrier", keeps_keys_for=24 * HOUR)


class Storm(Message):
    text: str = ""


class Forecast(Message):
    text: str = ""


class Dispatch(Message):
    number: int = 0


class Receipt(Message):
    number: int = 0


class Report(Message):
    text: str = ""


class Plan(Prioritization):
    dispatches: list[Dispatch] = []


def any_system(**options: Any) -> System:
    return System("test", responsible="alice", **options)


async def forecast(storm: Storm) -> Forecast:
    return Forecast(text=storm.text)


def allocate(forecast: Forecast, storm: Storm) -> Plan:
    return Plan(served={})


def report(ended: list[Ended[Receipt]] | Rejected | Expired) -> Report:
    return Report()


def dispatch(order: Dispatch) -> Call[Receipt]:
    response = yield POST("/dispatches", json=order)
    return Receipt.model_validate(response.json())


def ask(order: Dispatch) -> Call[Receipt]:
    response = yield POST("/asked", json=order)
    return Receipt.model_validate(response.json())


# the program of the architecture


def storm_system() -> System:
    system = System("logistics", responsible="alice", tiers=["medical", "essential", "retail"])

    @system.tiers(Storm)
    def orders(storm: Storm) -> Mapping[str, Demand]:
        return {"a": Demand(tier="medical")}

    @exemption(version=1)
    def keeps_tier_order(plan: Plan, storm: Storm) -> bool:
        return True

    def serve_medical_first(plan: Plan, storm: Storm) -> dict[str, Message]:
        return {"floor": plan}

    forecast_ = system.agent(owner="demand-team", timeout=30)(forecast)
    allocate_ = system.agent(owner="allocation-team")(allocate)
    sign_off = system.approval(
        "sign-off",
        of=Plan,
        by=role("dispatch-lead"),
        within=4 * HOUR,
        exempt=keeps_tier_order,
        options=serve_medical_first,
    )
    dispatch_ = system.effect("carrier.dispatch", to=CARRIER, guarantee="idempotent")(dispatch)
    report_ = system.agent(owner="dispatch-team")(report)

    system.edge(START, forecast_, purpose="a storm warning arrived")
    system.edge(START, allocate_, purpose="orders and stock")
    system.edge(forecast_, allocate_, purpose="size the shortage")
    system.edge(allocate_, sign_off, purpose="may medical deliveries wait?")
    system.edge(sign_off, dispatch_, each="dispatches", purpose="tell the carriers")
    system.edge(dispatch_, report_, gather=True, purpose="what became of each")
    system.edge(sign_off.denied, report_, purpose="nothing was sent")
    system.edge(report_, END, purpose="the account")
    return system


def test_the_program_of_the_architecture_builds() -> None:
    app = storm_system().build(Storm, Report)
    graph = app.graph
    assert (graph.system, graph.responsible) == ("logistics", "alice")
    assert graph.tiers == ("medical", "essential", "retail")
    assert graph.demands is not None
    assert graph.demands(Storm()) == {"a": Demand(tier="medical")}
    assert list(graph.nodes) == ["forecast", "allocate", "sign-off", "carrier.dispatch", "report"]
    assert [edge.id for edge in graph.edges] == [
        "START→forecast.storm",
        "START→allocate.storm",
        "forecast→allocate.forecast",
        "allocate→sign-off.message",
        "sign-off→carrier.dispatch.order[dispatches]",
        "carrier.dispatch→report.ended",
        "sign-off.denied→report.ended",
        "report→END.result",
    ]
    assert graph.depth("carrier.dispatch", "order") == 1
    assert graph.depth("report", "ended") == 0


# what a declaration becomes


def test_an_agent_keeps_its_function_and_its_options() -> None:
    node = any_system().agent(owner="team", retry=3, timeout=2.5, limit=4)(forecast)
    assert isinstance(node, Agent)
    assert node.fn is forecast
    assert (node.name, node.owner, node.context, node.optional) == ("forecast", "team", False, False)
    assert (node.options.retry, node.options.timeout, node.options.limit) == (Retry(attempts=3), 2.5, 4)
    assert node.outputs == (Forecast,)


def test_an_agent_may_take_its_step_and_return_nothing() -> None:
    def sometimes(ctx: Step[str], storm: Storm) -> Forecast | None:
        return None

    node = any_system().agent(owner="team", name="now.and-then", retry=Retry(attempts=2, pause_seconds=0))(sometimes)
    assert (node.name, node.context, node.optional) == ("now.and-then", True, True)
    assert [entry.name for entry in node.inputs] == ["storm"]


def test_an_effect_knows_its_receiver_and_its_guarantee() -> None:
    system = any_system()
    gate = system.approval("gate", of=Dispatch, by=role("lead"), within=1)
    node = system.effect("send", to=CARRIER, guarantee="queryable", gate=gate, query=ask, owner="team")(dispatch)
    assert isinstance(node, Effect)
    assert (node.receiver, node.guarantee, node.gate, node.query) == (CARRIER, "queryable", "gate", ask)
    assert (node.inputs[0].types, node.outputs, node.opaque) == ((Dispatch,), (Receipt,), False)
    assert (node.options.retry.attempts, node.options.timeout) == (3, 30)


def test_an_opaque_effect_has_no_receiver() -> None:
    async def store(order: Dispatch) -> Receipt:
        return Receipt()

    node = any_system().opaque_effect("store", guarantee="at_most_once")(store)
    assert (node.opaque, node.guarantee, node.fn, node.options.retry.attempts) == (True, "at_most_once", store, 1)


def test_a_transactional_effect_is_a_plain_function_of_a_transaction_and_a_message() -> None:
    def book(tx: Transaction, order: Dispatch) -> Receipt:
        return Receipt()

    node = any_system().opaque_effect("book", guarantee="transactional")(book)
    assert (node.opaque, node.guarantee, node.fn, node.outputs) == (True, "transactional", book, (Receipt,))
    assert [(read.name, read.types) for read in node.inputs] == [("order", (Dispatch,))]

    async def apart(tx: Transaction, order: Dispatch) -> Receipt:
        return Receipt()

    def without(order: Dispatch) -> Receipt:
        return Receipt()

    wrong: list[Any] = [apart, without]  # the type checker would refuse them too
    for fn in wrong:
        with pytest.raises(DeclarationError, match="plain function of the open transaction and one message"):
            any_system().opaque_effect("book", guarantee="transactional")(fn)


def test_an_approval_has_three_ways_out() -> None:
    node = any_system().approval("ok", of=Plan, by=role("lead"), within=60, may_decide_own=True, owner="team")
    assert isinstance(node, Approval)
    assert (node.outputs, node.denied.outputs) == ((Plan,), (Rejected, Expired))
    assert (node.within, node.may_decide_own, node.owner) == (60, True, "team")


def test_the_function_for_tiers_stays_a_function() -> None:
    system = any_system(tiers=["a"])

    def items(storm: Storm) -> Mapping[str, Demand]:
        return {}

    assert system.tiers(Storm)(items) is items
    assert system.tier_order == ("a",)


def test_a_system_may_be_built_again_after_more_was_declared() -> None:
    system = storm_system()
    first = system.build(Storm, Report)
    late = system.agent(owner="team", name="late")(forecast)
    system.edge(START, late, purpose="look again")
    with pytest.raises(GraphError, match="output-unused"):
        system.build(Storm, Report)
    assert "late" not in first.graph.nodes


# what is refused at once


@pytest.mark.parametrize(
    "name", ["", "two words", "a/b", "a:b", "START", "END", "_rest", "__start__", "sign-off.denied", "x.response", "ä"]
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(DeclarationError, match="name"):
        any_system().approval(name, of=Plan, by=role("lead"), within=1)


def test_two_nodes_of_one_name() -> None:
    system = any_system()
    system.agent(owner="team")(forecast)
    with pytest.raises(DeclarationError, match=r"'forecast'.*another node of that name"):
        system.approval("forecast", of=Plan, by=role("lead"), within=1)


DECLARATIONS: Mapping[str, Callable[[System], object]] = {
    "no owner": lambda s: s.agent(owner=" ")(forecast),
    "timeout=-1 is no time": lambda s: s.agent(owner="team", timeout=-1)(forecast),
    "timeout=0 is no time": lambda s: s.agent(owner="team", timeout=0)(forecast),
    "leaves no try": lambda s: s.agent(owner="team", retry=0)(forecast),
    "leaves no step": lambda s: s.agent(owner="team", limit=0)(forecast),
    "to decide in": lambda s: s.approval("a", of=Plan, by=role("lead"), within=0),
    "within='4h' is no time": lambda s: s.approval("a", of=Plan, by=role("lead"), within=cast(Any, "4h")),
    "execute_within='1h' is no time": lambda s: s.approval(
        "a", of=Plan, by=role("lead"), within=60, execute_within=cast(Any, "1h")
    ),
    "is no exemption": lambda s: s.approval("a", of=Plan, by=role("lead"), within=60, exempt=cast(Any, forecast)),
    "quota=5 is none": lambda s: s.approval("a", of=Plan, by=role("lead"), within=60, quota=cast(Any, 5)),
    "'a': query= and guarantee='queryable'": lambda s: s.effect("a", to=CARRIER, guarantee="queryable"),
    "'b': query= and guarantee='queryable'": lambda s: s.effect("b", to=CARRIER, guarantee="idempotent", query=ask),
    "has no tiers": lambda s: s.tiers(Storm)(items),
    "leaves no round": lambda s: s.loop(s.agent(owner="team")(forecast), at_most=0, then=END),
    "each of its nodes once": lambda s: s.loop(at_most=2, then=END),
    "has no purpose": lambda s: s.edge(START, s.agent(owner="team")(forecast), purpose=" "),
}


def items(storm: Storm) -> Mapping[str, Demand]:
    return {}


@pytest.mark.parametrize("told", DECLARATIONS)
def test_declarations_that_cannot_be(told: str) -> None:
    with pytest.raises(DeclarationError, match=told):
        DECLARATIONS[told](any_system())


def test_a_system_that_nobody_answers_for() -> None:
    with pytest.raises(DeclarationError, match="Responsible Individual"):
        System("test", responsible="")


@pytest.mark.parametrize("tiers", [["a", "a"], [""], "abc"])
def test_tiers_that_are_none(tiers: Any) -> None:
    with pytest.raises(DeclarationError, match="tiers"):
        any_system(tiers=tiers)


def test_tiers_declared_twice() -> None:
    system = any_system(tiers=["a"])
    system.tiers(Storm)(items)
    with pytest.raises(DeclarationError, match="twice"):
        system.tiers(Storm)(items)


def no_call(order: Dispatch) -> Receipt:
    return Receipt()


def two_inputs(order: Dispatch, storm: Storm) -> Call[Receipt]:
    response = yield POST("/x", json=order)
    return Receipt.model_validate(response.json())


def not_a_generator(order: Dispatch) -> Call[Receipt]:
    return dispatch(order)


def a_list(order: list[Dispatch]) -> Call[Receipt]:
    response = yield POST("/x")
    return Receipt.model_validate(response.json())


@pytest.mark.parametrize("fn", [no_call, two_inputs, not_a_generator, a_list])
def test_functions_that_are_no_effect(fn: Any) -> None:
    with pytest.raises(DeclarationError, match="effect 'send'"):
        any_system().effect("send", to=CARRIER, guarantee="idempotent")(fn)


@pytest.mark.parametrize("fn", [allocate, report])
def test_functions_that_are_no_opaque_effect(fn: Any) -> None:
    with pytest.raises(DeclarationError, match="opaque effect 'store'"):
        any_system().opaque_effect("store", guarantee="at_most_once")(fn)


@pytest.mark.parametrize("guarantee", ["exactly_once", "transactional"])
def test_guarantees_that_no_receiver_gives(guarantee: Any) -> None:
    with pytest.raises(DeclarationError, match=guarantee):
        any_system().effect("send", to=CARRIER, guarantee=guarantee)


def test_a_guarantee_that_no_function_gives() -> None:
    guarantee: Any = "idempotent"
    with pytest.raises(DeclarationError, match="idempotent"):
        any_system().opaque_effect("store", guarantee=guarantee)


async def later(storm: Storm) -> bool:
    return True


def of_two(storm: Storm, forecast: Forecast) -> bool:
    return True


def of_text(text: str) -> bool:
    return True


@pytest.mark.parametrize("when", [lambda _: True, later, of_two, of_text, print])
def test_conditions_that_are_none(when: Any) -> None:
    system = any_system()
    node = system.agent(owner="team")(forecast)
    with pytest.raises(DeclarationError, match="edge START → forecast"):
        system.edge(START, node, purpose="test", when=when)


def test_edges_between_other_things_than_nodes() -> None:
    system = any_system()
    node: Any = system.agent(owner="team")(forecast)
    plain: Any = forecast
    end: Any = END
    start: Any = START
    for source, target in ((start, plain), (plain, node), (end, node), (node, start)):
        with pytest.raises(DeclarationError, match="between two nodes"):
            system.edge(source, target, purpose="test")
    for wrong in (start, plain):
        with pytest.raises(DeclarationError, match="of nodes"):
            system.loop(node, wrong, at_most=2, then=END)


def test_nodes_of_another_system() -> None:
    system, other = any_system(), any_system()
    mine = system.agent(owner="team")(forecast)
    theirs = other.agent(owner="team")(forecast)
    gate = other.approval("gate", of=Dispatch, by=role("lead"), within=1)
    with pytest.raises(DeclarationError, match="is no node of system 'test'"):
        system.edge(START, theirs, purpose="test")
    with pytest.raises(DeclarationError, match="is no node of system 'test'"):
        system.edge(gate.denied, END, purpose="test")
    with pytest.raises(DeclarationError, match="is no node of system 'test'"):
        system.loop(mine, theirs, at_most=2, then=END)
    with pytest.raises(DeclarationError, match="is no node of system 'test'"):
        system.effect("send", to=CARRIER, guarantee="idempotent", gate=gate)(dispatch)


def test_each_and_gather_on_one_edge() -> None:
    system = any_system()
    node: Any = system.agent(owner="team")(forecast)
    declare: Any = system.edge
    with pytest.raises(DeclarationError, match="each= and gather="):
        declare(START, node, purpose="test", each="x", gather=True)


def test_what_is_no_message_type() -> None:
    text: Any = str
    system = any_system()
    node = system.agent(owner="team")(forecast)
    with pytest.raises(DeclarationError, match="no message type"):
        system.build(text, Report)
    with pytest.raises(DeclarationError, match="no message type"):
        system.approval("a", of=text, by=role("lead"), within=1)
    with pytest.raises(DeclarationError, match="no message type"):
        system.edge(START, node, purpose="test", carries=text)


# what the type checker refuses, `build` refuses too


def test_wrong_edges_are_errors_in_the_editor() -> None:
    system = any_system()

    @system.agent(owner="team")
    async def first(storm: Storm) -> Forecast:
        return Forecast()

    @system.agent(owner="team")
    def second(ctx: Step[None], forecast: Forecast, storm: Storm) -> Plan | None:
        return None

    @system.agent(owner="team")
    def third(plan: Plan) -> Report:
        return Report()

    system.edge(START, first, purpose="test")
    system.edge(START, second, purpose="test")
    system.edge(first, second, purpose="test")
    system.edge(second, third, purpose="test")
    system.edge(third, END, purpose="test")
    assert len(system.build(Storm, Report).graph.edges) == 5

    system.edge(first, third, purpose="wrong")  # type: ignore[misc]  # the type checker refuses it: what is tested
    system.edge(third, second, purpose="wrong")  # type: ignore[misc]  # as above
    with pytest.raises(GraphError) as caught:
        system.build(Storm, Report)
    assert [problem.code for problem in caught.value.problems] == ["no-match", "no-match"]
