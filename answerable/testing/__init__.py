"""Help for the tests of one's own system: scripted agents, a scripted approver, a clock, a receiver with a journal."""

from answerable.testing.clock import FakeClock
from answerable.testing.deciding import Answer, Approve, Edit, Reject, Respond, Wait
from answerable.testing.receiver import FakeReceiver, Received, Reply, nowhere
from answerable.testing.running import arun, run
from answerable.testing.scripts import overridden, script

__all__ = [
    "Answer",
    "Approve",
    "Edit",
    "FakeClock",
    "FakeReceiver",
    "Received",
    "Reject",
    "Reply",
    "Respond",
    "Wait",
    "arun",
    "nowhere",
    "overridden",
    "run",
    "script",
]
