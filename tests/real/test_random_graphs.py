"""Fifty random systems in one Jaeger: its System Architecture page shows each as exactly the edges that were crossed.

The systems are always the same ones. All of their runs go through the outboxes of their stores into one Jaeger, under
names of their own, as the systems of a company would.
"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given, reject

from tests.properties.evidence import Evidence, played
from tests.properties.receiver import Receiver
from tests.real.jaeger_client import Jaeger
from tests.real.seen import check_traces, crossed, shown
from tests.reference.graphs import valid_worlds
from tests.reference.interpreter import TooLarge
from tests.reference.specs import World

GRAPHS = 50
FEWEST_EDGES = 4  # crossed in a run; of smaller graphs there are enough elsewhere


class EnoughError(Exception):
    """There are as many systems as are wanted."""


def worlds() -> list[World]:
    """The systems."""
    found: dict[str, World] = {}

    @hypothesis.settings(
        max_examples=10 * GRAPHS,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(world=valid_worlds())
    def collect(world: World) -> None:
        if len(found) == GRAPHS:
            raise EnoughError
        if repr(world) in found:
            reject()
        named = world.called(f"graph-{len(found)}")
        try:
            account = named.case().account()
        except TooLarge:
            reject()
        if len({crossing.edge for crossing in account.crossings.values()}) >= FEWEST_EDGES:
            found[repr(world)] = named

    with pytest.raises(EnoughError):
        collect()
    assert len(found) == GRAPHS
    return list(found.values())


def test_the_page_is_the_graph(jaeger: Jaeger, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in jaeger.exporting().items():
        monkeypatch.setenv(name, value)
    systems = worlds()
    runs: list[Evidence] = [played(world.case(), receiver, run=f"run-of-{world.system}") for world in systems]
    edges = 0
    for world, run in zip(systems, runs, strict=True):
        nodes = [node.name for node in world.nodes]
        seen, wanted = shown(jaeger, [world.system], nodes), crossed(run.placed)
        assert seen == wanted, f"missing {wanted - seen}, surplus {seen - wanted} in {world!r}"
        edges += len(wanted)
        check_traces(jaeger, run.placed)
    names = {world.system for world in systems} | {node.name for world in systems for node in world.nodes}
    assert len(shown(jaeger, names, [])) == edges  # and nothing leads from one system to another
