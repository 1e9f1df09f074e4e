"""A standing rule has force as long as those who approved it could approve it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from answerable.agents.options import HOUR
from answerable.agents.people import quorum
from answerable.orchestrator.ruled import rule_lines
from answerable.orchestrator.service import Service
from answerable.testing import FakeClock, FakeReceiver
from tests.approvals.rules.ruled import SHORT, active, proposed, rule_file, ruled
from tests.orchestrator.letters import LEAD, Ask, serving

pytestmark = pytest.mark.anyio

Losing = Callable[[Service[Any, Any]], Awaitable[None]]


async def _states(service: Service[Any, Any]) -> dict[str, tuple[str, str]]:
    found = await service.store.read(lambda tx: rule_lines(tx, service.office.key, at=service.store.clock.now()))
    return {one["rule"]: (one["state"], one["lacks"]) for one in found}


async def _status(service: Service[Any, Any]) -> str:
    return (await service.arun(Ask(text="hi"), by="nils")).status


async def _loses_the_role(service: Service[Any, Any]) -> None:
    await service.people.aadd("dora", roles=["cook"])


async def _is_erased(service: Service[Any, Any]) -> None:
    await service.office.keeping.erase_person("dora", by="alice", reason="she asked for it")


async def _comes_to_own_the_writer(service: Service[Any, Any]) -> None:
    await service.people.aadd("dora", roles=["lead"], teams=["writers"])


@pytest.mark.parametrize("loses", [_loses_the_role, _is_erased, _comes_to_own_the_writer])
async def test_a_rule_is_suspended_when_its_approver_could_not_approve_it_now(store_url: str, loses: Losing) -> None:
    """A service that has read the rules before finds it, though another one changed the registry."""
    with FakeReceiver() as receiver:
        async with (
            serving(ruled(), store_url, receiver.origin) as service,
            serving(ruled(), store_url, receiver.origin) as other,
        ):
            await active(service)
            assert await _status(service) == "done"
            await loses(other)
            assert await _status(service) == "waiting"
            assert await _states(service) == {"short-letters@1": ("suspended", '1 of role("lead")')}


async def test_it_has_force_again_with_the_role_or_with_a_new_version(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(ruled(), store_url, receiver.origin, people={"emil": "lead"}) as service:
            await active(service)
            await _loses_the_role(service)
            assert await _status(service) == "waiting"
            await service.people.aadd("dora", roles=["lead"])
            assert await _status(service) == "done"
            await _loses_the_role(service)
            await active(service, rule_file(version="2"), by="emil")
            assert await _status(service) == "done"
            assert {label: state for label, (state, _) in (await _states(service)).items()} == {
                "short-letters@1": "suspended",
                "short-letters@2": "active",
            }


async def test_of_several_who_approved_it_as_many_are_left_as_it_takes_or_it_is_suspended(store_url: str) -> None:
    with FakeReceiver() as receiver:
        app, people = ruled(by=quorum(2, LEAD)), {"emil": "lead", "otto": "lead"}
        async with serving(app, store_url, receiver.origin, people=people) as service:
            rule = await active(service)
            await service.office.rules.approve(rule.head.id, by="emil")
            assert await _status(service) == "done"
            await service.people.aadd("otto", roles=[])  # who had no part in it
            assert await _status(service) == "done"
            await service.people.aadd("emil", roles=[])
            assert await _status(service) == "waiting"
            assert (await _states(service))["short-letters@1"] == ("suspended", '1 of role("lead")')


async def test_the_approval_of_a_responsible_individual_ends_with_the_handover(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(ruled(), store_url, receiver.origin, people={"emil": "lead"}) as service:
            await active(service, by="alice")
            assert await _status(service) == "done"
            await service.office.handover("letters", to="emil", by="alice", reason="a new job")
            await service.office.accept_handover("letters", by="emil")
            assert await _status(service) == "waiting"


async def test_who_approved_as_a_delegate_stands_for_whoever_gave_the_delegation(store_url: str) -> None:
    clock = FakeClock()
    with FakeReceiver() as receiver:
        people = {"petra": "cook"}
        async with serving(ruled(), store_url, receiver.origin, people=people, clock=clock) as service:
            await service.people.adelegate(by="dora", to="petra", seconds=HOUR, reason="at the dentist's")
            await active(service, by="petra")
            clock.advance(2 * HOUR)
            await service.people.aadd("petra", roles=[])
            assert await _status(service) == "done"
            await _loses_the_role(service)
            assert await _status(service) == "waiting"


async def test_what_a_suspended_rule_forbids_stays_forbidden(store_url: str) -> None:
    forbids = SHORT.replace("permit", "forbid").replace("<= 10", ">= 1").replace("short-letters", "none")
    for line in ('option = "as-proposed"\n', 'effects = ["post"]\n', '[[caps]]\nof = "count"\nmost = 3\nper = "day"\n'):
        forbids = forbids.replace(line, "")
    forbids = forbids.replace("decides = true", "decides = false")
    with FakeReceiver() as receiver:
        async with serving(ruled(), store_url, receiver.origin, people={"emil": "lead"}) as service:
            await active(service, by="emil")
            assert await _status(service) == "done"
            made = await proposed(service, rule_file(forbids))
            await service.office.rules.approve(made.head.id, by="dora")
            assert await _status(service) == "waiting"
            await _loses_the_role(service)
            assert (await _states(service))["none@1"][0] == "suspended"
            assert await _status(service) == "waiting"
