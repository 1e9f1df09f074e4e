"""What became of something that did not simply succeed: the framework's own messages.

`Rejected`, `Expired` and `Failed` leave an approval by `approval.denied`, and stand in a gather beside the results.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from answerable.agents.messages import Message

T = TypeVar("T", bound=Message)


class Rejected(Message):
    """A person said no. `by` is the opaque id of the person; `reason` is their text."""

    approval: str
    request: str
    by: str
    reason: str


class Expired(Message):
    """Nobody decided in time, which is a no. `waited_seconds` is how long the request was open."""

    approval: str
    request: str
    waited_seconds: float


class Failed(Message):
    """A step or an effect ended without a result. `error` says why."""

    node: str
    error: str


class Response(Message):
    """A person answered with a text instead of a yes or no; leaves an approval by `approval.response`."""

    approval: str
    request: str
    by: str
    text: str


class Ended(BaseModel, Generic[T]):
    """How one item of a scatter ended, as a gather lists it.

    `index` is the item's place in the list that was taken apart (from 0); `outcome` is a result, or why there is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int
    outcome: T | Rejected | Expired | Failed

    @property
    def result(self) -> T | None:
        """The result, or None where there is none."""
        return None if isinstance(self.outcome, Rejected | Expired | Failed) else self.outcome
