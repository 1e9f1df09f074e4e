"""A scripted approver: what a person would answer, said by a test.

1. It answers as a person who was registered with the role that the request asks, or as the person whom it names.
2. The rules are those of real decisions: who may not decide is refused here as well.
3. A request that it leaves open keeps the run waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from answerable.agents.messages import Message
from answerable.agents.people import Role
from answerable.approvals.node import AS_PROPOSED, Approval
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
        by = answer.by or await self._somebody(service, request)
        if isinstance(answer, Approve):
            await service.aapprove(request.id, option=answer.option, by=by, reason=answer.reason)
        elif isinstance(answer, Reject):
            await service.areject(request.id, by=by, reason=answer.reason)
        elif isinstance(answer, Respond):
            await service.arespond(request.id, answer.text, by=by)
        else:
            assert isinstance(answer, Edit), answer
            made = await service.aedit(request.id, answer.message, by=by, reason=answer.reason)
            self._edits[made.id] = self._edits.get(request.id, 0) + 1
        return True

    async def _somebody(self, service: Service[Any, Any], request: OpenRequest) -> str:
        """A person who may decide this, and wrote none of the edits that led to it."""
        approval = service.app.graph.nodes[request.approval]
        assert isinstance(approval, Approval), request.approval
        if not isinstance(approval.by, Role):
            return approval.by.handle
        handle = f"test-{approval.by.name}-{self._edits.get(request.id, 0) + 1}"
        await service.people.aadd(handle, roles=[approval.by.name])
        return handle
