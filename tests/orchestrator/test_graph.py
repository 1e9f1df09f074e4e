"""The graph: its ids, its look-ups, gates, and its version."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from answerable.agents.messages import Message
from answerable.agents.nodes import END, START
from answerable.agents.outcomes import Expired, Failed, Rejected, Response
from answerable.errors import GraphError
from answerable.orchestrator.declaring.versions import describe, version_of
from tests.orchestrator.graphs import (
    Account,
    Advice,
    Bench,
    Bundle,
    Draft,
    Order,
    Part,
    Piece,
    Receipt,
    drafting,
    graph_of,
    nested,
    order_or_advice_to_draft,
    order_to_bundle,
    receipts_to_account,
    review,
    send_bundle,
    send_part,
    sending,
)


def is_big(bundle: Bundle) -> bool:
    return len(bundle.parts) > 1


def is_first(part: Part) -> bool:
    return part.number == 0


# look-ups


def test_ids_say_where_an_edge_goes() -> None:
    assert [edge.id for edge in graph_of(sending()).edges] == [
        "START→pack.order",
        "pack→sign-off.message",
        "sign-off→send.part[parts]",
        "send→report.ended",
        "sign-off.denied→report.ended",
        "report→END.result",
    ]


@pytest.mark.parametrize("make", [drafting, sending, nested])
def test_every_edge_is_found_by_its_id_and_its_ends(make: Callable[[], Bench]) -> None:
    graph = graph_of(make())
    assert len({edge.id for edge in graph.edges}) == len(graph.edges)
    for edge in graph.edges:
        assert graph.edge(edge.id) is edge
        assert edge in graph.incoming(edge.target, edge.input)
        assert (edge in graph.outgoing(edge.source, edge.port)) == (not edge.implicit)
    found = [graph.incoming(node, entry.name) for node in (*graph.nodes, "END") for entry in graph.inputs(node)]
    assert sorted(edge.id for edge in itertools.chain(*found)) == sorted(edge.id for edge in graph.edges)


def test_ports_have_their_own_edges() -> None:
    graph = graph_of(sending())
    assert [edge.target for edge in graph.outgoing("sign-off")] == ["send"]
    assert [edge.target for edge in graph.outgoing("sign-off", "denied")] == ["report"]
    assert graph.outgoing("sign-off", "response") == ()
    assert graph.edge("sign-off.denied→report.ended").carries == (Rejected, Expired)


def test_what_a_node_reaches() -> None:
    graph = graph_of(drafting())
    assert graph.reaches("START") == {"write", "review", "give-up", "END"}
    assert graph.reaches("write") == {"write", "review", "give-up", "END"}
    assert graph.reaches("give-up") == {"END"}
    assert graph.reaches("END") == frozenset()


def test_sources_come_before_targets() -> None:
    graph = graph_of(nested())
    assert set(graph.order) == set(graph.nodes)
    for edge in graph.edges:
        if edge.back is None and edge.source in graph.order and edge.target in graph.order:
            assert graph.order.index(edge.source) < graph.order.index(edge.target)


def test_a_loop_knows_its_beginning_and_its_way_out() -> None:
    graph = graph_of(drafting(at_most=3))
    (loop,) = graph.loops
    assert (loop.name, loop.header, loop.at_most, loop.then) == ("review+write", "write", 3, "give-up")
    way_out = graph.edge("review→write.task:Advice~give-up.advice")
    assert (way_out.implicit, way_out.purpose, way_out.carries) == (True, "budget of 3 used up", (Advice,))
    assert graph.edge("review→write.task:Advice").exit == way_out.id


def test_inner_loops_come_before_outer_ones() -> None:
    assert [(loop.name, loop.header) for loop in graph_of(nested()).loops] == [
        ("judge+work", "work"),
        ("collect+judge+plan+settle+work", "plan"),
    ]


def test_every_type_that_a_message_may_have_is_known() -> None:
    kinds = graph_of(sending()).message_types()
    assert set(kinds) == {Order, Bundle, Part, Receipt, Account, Rejected, Expired, Response, Failed}
    assert len(set(kinds)) == len(kinds)


def test_a_source_with_more_types_than_the_target_takes_carries_what_fits() -> None:
    bench = drafting()
    graph = graph_of(bench)
    assert graph.edge("review→END.result:Account").carries == (Account,)
    unnamed = Bench()
    write, look = unnamed.agent(order_or_advice_to_draft, "write"), unnamed.agent(review)
    unnamed.edge(START, write)
    unnamed.edge(write, look)
    unnamed.edge(look, END)
    with pytest.raises(GraphError, match="output-unused"):
        unnamed.system.build(Order, Account)


def test_a_subclass_goes_where_its_base_is_taken() -> None:
    class Letter(Draft):
        pass

    def post(order: Order) -> Draft:
        return Letter()

    def read(message: Message) -> Account:
        return Account()

    bench = Bench()
    bench.chain(bench.agent(post), bench.agent(read))
    assert graph_of(bench).edge("post→read.message").carries == (Draft,)


def test_the_order_of_declarations_does_not_matter() -> None:
    class Backwards(Bench):
        """Declares its edges last to first."""

        def __init__(self) -> None:
            super().__init__()
            self.later: list[tuple[object, object, dict[str, object]]] = []

        def edge(self, source: object, target: object, **how: object) -> None:
            self.later.append((source, target, how))

        def declare(self) -> None:
            for source, target, how in reversed(self.later):
                super().edge(source, target, **how)

    def fill(bench: Bench) -> None:
        pack, report = bench.agent(order_to_bundle, "pack"), bench.agent(receipts_to_account, "report")
        sign_off, send = bench.approval(Bundle), bench.effect(send_part)
        bench.edge(START, pack)
        bench.edge(pack, sign_off)
        bench.edge(sign_off, send, each="parts")
        bench.edge(send, report, gather=True)
        bench.edge(sign_off.denied, report)
        bench.edge(report, END)

    forwards, backwards = Bench(), Backwards()
    fill(forwards)
    fill(backwards)
    backwards.declare()
    one, two = graph_of(forwards), graph_of(backwards)
    assert {edge.id: edge for edge in one.edges} == {edge.id: edge for edge in two.edges}
    assert one.shapes == two.shapes
    assert version_of(one) == version_of(two)


# gates


def gated(**how: object) -> Bench:
    """pack → send, with a gate in between; `how` is that of the edge."""
    bench = Bench()
    pack, report = bench.agent(order_to_bundle, "pack"), bench.agent(receipts_to_account, "report")
    gate = bench.approval(Bundle, "gate")
    send = bench.effect(send_part, gate=gate)
    bench.edge(START, pack)
    bench.edge(pack, send, purpose="send it", **how)
    bench.edge(send, report, gather=True)
    bench.edge(report, END)
    return bench


def test_a_gate_is_put_before_what_is_taken_apart() -> None:
    graph = graph_of(gated(each="parts"))
    before, after = graph.edge("pack→gate.message"), graph.edge("gate→send.part[parts]")
    assert (before.each, before.carries, before.purpose) == (None, (Bundle,), "send it")
    assert (after.each, after.item, after.purpose) == ("parts", Part, "send it")
    assert {edge.source for edge in graph.incoming("send", "part")} == {"gate"}


def test_a_condition_on_the_parts_comes_after_the_gate() -> None:
    graph = graph_of(gated(each="parts", when=is_first))
    assert graph.edge("pack→gate.message").condition is None
    assert graph.edge("gate→send.part[parts]").condition == "is_first"


def test_a_condition_on_the_whole_comes_before_the_gate() -> None:
    bench = Bench()
    pack, gate = bench.agent(order_to_bundle, "pack"), bench.approval(Bundle, "gate")
    send = bench.effect(send_bundle, gate=gate)
    bench.chain(bench.agent(lambda_free_account, "close"))
    bench.edge(START, pack)
    bench.edge(pack, send, when=is_big)
    graph = graph_of(bench)
    assert graph.edge("pack→gate.message").condition == "is_big"
    assert graph.edge("gate→send.bundle").condition is None


def lambda_free_account(order: Order) -> Account:
    return Account()


def test_two_sources_share_one_gate() -> None:
    bench = gated(each="parts")
    again = bench.agent(order_to_bundle, "again")
    bench.edge(START, again)
    bench.edge(again, bench.node("send"), each="parts", purpose="and this")
    graph = graph_of(bench)
    assert [edge.id for edge in graph.incoming("send", "part")] == ["gate→send.part[parts]"]
    assert graph.edge("gate→send.part[parts]").purpose == "and this; send it"
    assert {edge.source for edge in graph.incoming("gate", "message")} == {"pack", "again"}


def test_two_effects_share_one_gate_and_its_source() -> None:
    bench = gated(each="parts")
    other = bench.effect(send_part, "other", gate=bench.node("gate"))
    bench.edge(bench.node("pack"), other, each="parts", purpose="and there")
    graph = graph_of(bench)
    assert [edge.id for edge in graph.incoming("gate", "message")] == ["pack→gate.message"]
    assert graph.edge("pack→gate.message").purpose == "and there; send it"
    assert graph.edge("gate→other.part[parts]").purpose == "and there"


def test_the_same_edge_to_a_gated_effect_twice_is_found() -> None:
    bench = gated(each="parts")
    bench.edge(bench.node("pack"), bench.node("send"), each="parts", purpose="again")
    with pytest.raises(GraphError, match="duplicate-edge"):
        bench.system.build(Order, Account)


def test_an_edge_that_comes_from_the_gate_stays_as_it_is() -> None:
    bench = gated(each="parts")
    bench.edge(bench.node("gate"), bench.node("send"), each="more")
    assert {edge.id for edge in graph_of(bench).incoming("send", "part")} == {
        "gate→send.part[parts]",
        "gate→send.part[more]",
    }


def test_a_gate_of_another_message_does_not_fit() -> None:
    bench = Bench()
    pack, gate = bench.agent(order_to_bundle, "pack"), bench.approval(Piece, "gate")
    send = bench.effect(send_part, gate=gate)
    bench.edge(START, pack)
    bench.edge(pack, send, each="parts")
    with pytest.raises(GraphError) as caught:
        bench.system.build(Order, Account)
    assert ("no-match", "edge pack → gate") in [(found.code, found.where) for found in caught.value.problems]


# versions


def test_a_version_is_a_digest_that_stays() -> None:
    one, two = sending().system.build(Order, Account), sending().system.build(Order, Account)
    assert one.version == two.version == version_of(one.graph)
    assert len(one.version) == 64
    assert int(one.version, 16)


@pytest.mark.parametrize("make", [drafting, sending, nested])
def test_everything_that_was_declared_is_described(make: Callable[[], Bench]) -> None:
    graph = graph_of(make())
    plain = describe(graph)
    assert set(plain["nodes"]) == set(graph.nodes)
    assert set(plain["edges"]) == {edge.id for edge in graph.edges}
    assert set(plain["messages"]) == {kind.__name__ for kind in graph.message_types()}
    assert set(plain["loops"]) == {loop.name for loop in graph.loops}


def test_a_version_changes_with_the_declaration_only() -> None:
    base = version_of(graph_of(drafting(at_most=3)))
    assert version_of(graph_of(drafting(at_most=4))) != base

    patient = drafting(at_most=3)
    patient.system.responsible = "bob"
    assert version_of(graph_of(patient)) == base
