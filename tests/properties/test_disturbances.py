"""What disturbs a run changes nothing of what it comes to."""

from __future__ import annotations

from hypothesis import event, given
from hypothesis import strategies as st

from tests.properties.evidence import played
from tests.properties.playing import Disorder
from tests.properties.profiles import examples
from tests.properties.receiver import Receiver
from tests.reference.graphs import valid_worlds
from tests.reference.specs import World

seeds = st.integers(0, 2**16)
deaths = st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=5).map(tuple)
cancels = st.lists(st.integers(1, 200), min_size=1, max_size=6).map(tuple)


@examples(80)
@given(world=valid_worlds(), disorder=st.builds(Disorder, seed=seeds, slowest=st.just(4), forget=st.just(True)))
def test_lost_checkpoints(receiver: Receiver, world: World, disorder: Disorder) -> None:
    """All of LangGraph's checkpoints are deleted, between two advances and in the middle of one."""
    played(world.case(), receiver, disorder)


@examples(100)
@given(world=valid_worlds(), disorder=st.builds(Disorder, seed=seeds, slowest=st.just(6), meanwhile=st.just(True)))
def test_decisions_while_others_work(receiver: Receiver, world: World, disorder: Disorder) -> None:
    """People decide while steps are running; nothing that they say is lost or used twice."""
    played(world.case(), receiver, disorder)


@examples(100)
@given(world=valid_worlds(), disorder=st.builds(Disorder, seed=seeds, slowest=st.just(6), rivals=st.just(True)))
def test_two_workers_on_one_run(receiver: Receiver, world: World, disorder: Disorder) -> None:
    """A worker is thought to be dead, and is not; a second one takes the run over while the first goes on."""
    evidence = played(world.case(), receiver, disorder)
    event(f"lost {evidence.lost_leases} leases")


@examples(150)
@given(world=valid_worlds(), disorder=st.builds(Disorder, seed=seeds, slowest=st.just(4), deaths=deaths))
def test_dying_processes(receiver: Receiver, world: World, disorder: Disorder) -> None:
    """A process ends with a transaction, before or after its commit; another goes on."""
    evidence = played(world.case(), receiver, disorder)
    event(f"died {evidence.died} times")


@examples(100)
@given(world=valid_worlds(), disorder=st.builds(Disorder, seed=seeds, slowest=st.just(4), cancels=cancels))
def test_cancelled_advances(receiver: Receiver, world: World, disorder: Disorder) -> None:
    """Whoever waits for a run is cancelled, as Ctrl-C does, and asks again in the same process."""
    played(world.case(), receiver, disorder)
