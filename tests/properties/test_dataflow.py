"""Random systems come to the same in the product and in the reference interpreter, whatever the order of things.

What is compared, at each rest of a run: every step with what it consumed, every crossing with its scope and message,
every gather with its items, the open requests, the status, the result, and in the end what was left over.
"""

from __future__ import annotations

from hypothesis import event, given
from hypothesis import strategies as st

from answerable.errors import DeclarationError, GraphError
from tests.properties.evidence import played
from tests.properties.playing import Disorder
from tests.properties.profiles import examples
from tests.properties.receiver import Receiver
from tests.reference.graphs import changed_worlds, valid_worlds
from tests.reference.specs import World

orders = st.builds(Disorder, seed=st.integers(0, 2**16), slowest=st.sampled_from([0, 3, 12]))


@examples(300)
@given(world=valid_worlds(), disorder=orders)
def test_random_systems_in_random_orders(receiver: Receiver, world: World, disorder: Disorder) -> None:
    played(world.case(), receiver, disorder)


@examples(60)
@given(world=valid_worlds(most_nodes=28), disorder=orders)
def test_larger_systems(receiver: Receiver, world: World, disorder: Disorder) -> None:
    played(world.case(), receiver, disorder)


@examples(600)
@given(world=changed_worlds(), disorder=orders)
def test_a_changed_system_is_refused_or_runs_as_it_should(receiver: Receiver, world: World, disorder: Disorder) -> None:
    try:
        case = world.case()
    except GraphError as error:
        event(f"refused as a whole: {error.problems[0].code}")
    except DeclarationError:
        event("refused at a line")
    else:
        event("accepted")
        played(case, receiver, disorder)
