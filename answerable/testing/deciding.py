"""A scripted approver: what a person would answer, said by a test.

1. It answers as somebody who was registered with the role that the request asks, or as the person whom it names; where
   it takes several people, as all of them, one after the other.
2. The rules are those of real decisions: who may not decide is refused here as well.
3. A request that it leaves open keeps the run waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from answerable.agents.messages import Message
from answerable.agents.people import Person, Role
from answerable.approvals.node import AS_PROPOSED
from answerable.orchestrator.reports import OpenRequest
from answerable.orchestrator.service import Service


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an approver says. `by` is the handle of who says it; "" means one who was made for it."""

    by: str = ""


@dataclass(frozen=True, kw_only=True)
class Approve(Answer):
    """Choose an option."""

    option: str = AS_PROPOSED
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Reject(Answer):
    """Say no."""

    reason: str = "the test says no"


@dataclass(frozen=True, kw_only=True)
class Respond(Answer):
    """Answer with a text, which leaves by `approval.response`."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Edit(Answer):
    """Propose another message: a new request, which the approver is asked about next."""

    message: Message | Mapping[str, Any]
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Wait(Answer):
    """Leave it open."""


Approver: TypeAlias = Callable[[OpenRequest], Answer] | Iterable[Answer] | Answer


class ScriptedApprover:
    """Answers requests from one answer for all, from a list in order (then it waits), or from a function."""

    def __init__(self, approver: Approver) -> None:
        self._answers: Callable[[OpenRequest], Answer]
        if callable(approver):
            self._answers = approver
        elif isinstance(approver, Answer):
            self._answers = lambda _request: approver
        else:
            left = iter(approver)
            self._answers = lambda _request: next(left, Wait())
        self._edits: dict[str, int] = {}  # request → how many edits led to it
        self._left_open: set[str] = set()

    async def answer(self, service: Service[Any, Any], request: OpenRequest) -> bool:
        """Decide one open request; False if it is left open. Raises what the decision raises."""
        if request.id in self._left_open:
            return False
        answer = self._answers(request)
        if isinstance(answer, Wait):
            self._left_open.add(request.id)
            return False
        option = answer.option if isinstance(answer, Approve) else AS_PROPOSED
        people = [answer.by] if answer.by else await self._people(service, request, option)
        by = people[0]
        if isinstance(answer, Approve):
            for each in people:
                await service.aapprove(request.id, option=option, by=each, reason=answer.reason)
        elif isinstance(answer, Reject):
            for each in people[: request.asked.denials]:
                await service.areject(request.id, by=each, reason=answer.reason)
        elif isinstance(answer, Respond):
            await service.arespond(request.id, answer.text, by=by)
        else:
            assert isinstance(answer, Edit), answer
            made = await service.aedit(request.id, answer.message, by=by, reason=answer.reason)
            self._edits[made.id] = self._edits.get(request.id, 0) + 1
        return True

    async def _people(self, service: Service[Any, Any], request: OpenRequest, option: str) -> list[str]:
        """As many as it takes who may decide this, and wrote none of the edits that led to it."""
        found: list[str] = []
        for places in request.asked.whom(option).ways[0]:
            roles = [one.name for one in places.of if isinstance(one, Role)]
            named = (one.handle for one in places.of if isinstance(one, Person) and one.handle not in found)
            for _ in range(places.people):
                if roles:
                    found.append(f"test-{roles[0]}-{len(found) + self._edits.get(request.id, 0) + 1}")
                    await service.people.aadd(found[-1], roles=roles[:1])
                else:
                    found.append(next(named))
        return found
