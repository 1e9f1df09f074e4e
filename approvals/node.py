"""Approvals and exemptions, as a system declares them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from answerable.agents.hints import Input
from answerable.agents.messages import Message
from answerable.agents.nodes import Node, Source
from answerable.agents.outcomes import Expired, Rejected, Response
from answerable.agents.people import Person, Quorum, Role
from answerable.approvals.asking.quotas import Quota

M = TypeVar("M", bound=Message)

AS_PROPOSED = "as-proposed"
AS_EDITED = "as-edited"  # what somebody edited, in a request that is asked anew after that was taken back
DENIED = "denied"
RESPONSE = "response"


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """A named, versioned predicate over a message and the run's input. It has no force until the RI accepts it."""

    name: str
    version: int
    fn: Callable[[Any, Any], bool]

    @property
    def label(self) -> str:
        """How it is named: NAME@VERSION."""
        return f"{self.name}@{self.version}"

    def __call__(self, message: Any, run_input: Any) -> bool:
        return self.fn(message, run_input)


def exemption(*, version: int) -> Callable[[Callable[[Any, Any], bool]], Exemption]:
    """Declare a predicate `(message, run input) -> bool` that may let a message pass an approval without asking.

    Change `version` whenever its meaning changes: each version is accepted anew by the Responsible Individual.
    """

    def declare(fn: Callable[[Any, Any], bool]) -> Exemption:
        return Exemption(name=fn.__name__, version=version, fn=fn)

    return declare


@dataclass(frozen=True, kw_only=True)
class BreakGlass:
    """Who may approve alone, now, what others are asked: for an option of a value of at most `at_most` (None: any).

    `per_day` is how often within 24 hours. Each is an alarm, and reviewed.
    """

    by: Role | Person
    at_most: int | None = None
    per_day: int = 1


class Approval(Node[M, M], Generic[M]):
    """A node that a message passes only with a decision.

    `context` makes of each option what standing rules see of it, a `seen`. `denied` and `response` are its other ways
    out: of a request that was rejected or expired, and of one that was answered with a text.
    """

    def __init__(
        self,
        name: str,
        of: type[M],
        *,
        by: Quorum,
        within: float,
        exempt: Exemption | None,
        options: Callable[[Any, Any], Mapping[str, Message]] | None,
        context: Callable[[Any, Any], BaseModel] | None,
        seen: type[BaseModel] | None,
        denials: int,
        value: Callable[[Any, Any], int] | None,
        above: Mapping[int, Quorum],
        may_decide_own: bool,
        requires: str,
        fresh_seconds: int,
        quota: Quota,
        owner: str,
        execute_within: float,
        facts: Callable[[Any, Any], Any] | None,
        escalate: Sequence[tuple[float, Quorum]],
        break_glass: BreakGlass | None,
    ) -> None:
        super().__init__(name, (Input(name="message", types=(of,)),), (of,), owner)
        self.of = of
        self.by = by
        self.within = within
        self.exempt = exempt
        self.options = options
        self.context = context
        self.seen = seen
        self.denials = denials
        self.value = value
        self.above = above
        self.may_decide_own = may_decide_own
        self.requires = requires
        self.fresh_seconds = fresh_seconds
        self.quota = quota
        self.execute_within = execute_within
        self.facts = facts
        self.escalate = escalate
        self.break_glass = break_glass
        self.denied: Source[Rejected | Expired] = Source(name, (Rejected, Expired), port=DENIED)
        self.response: Source[Response] = Source(name, (Response,), port=RESPONSE)

    @property
    def strictest(self) -> Quorum:
        """Who it takes where a value is above every limit, or not known."""
        return self.above[max(self.above)] if self.above else self.by
