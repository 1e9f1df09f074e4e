"""Answerable: multi-agent systems that somebody answers for.

Everything that happens is a record; everything you see is a projection of records. Declare a `System` of agents, edges,
approvals and effects, `build()` it, `connect()` it to a store, and `run()` it.
"""

from answerable.agents.calls import DELETE, PATCH, POST, PUT, Call, Request, Response, Transaction, request
from answerable.agents.context import Step
from answerable.agents.messages import Message
from answerable.agents.nodes import END, START, Agent, Effect, Receiver
from answerable.agents.options import DAY, HOUR, MINUTE, SECOND, Retry
from answerable.agents.outcomes import Ended, Expired, Failed, Rejected
from answerable.agents.people import person, quorum, role
from answerable.agents.prioritization import Demand, Prioritization, tally
from answerable.approvals.asking.quotas import Quota
from answerable.approvals.node import Approval, BreakGlass, exemption
from answerable.errors import AnswerableError
from answerable.orchestrator.app import App
from answerable.orchestrator.reports import Run
from answerable.orchestrator.service import Service
from answerable.orchestrator.system import System

__all__ = [
    "DAY",
    "DELETE",
    "END",
    "HOUR",
    "MINUTE",
    "PATCH",
    "POST",
    "PUT",
    "SECOND",
    "START",
    "Agent",
    "AnswerableError",
    "App",
    "Approval",
    "BreakGlass",
    "Call",
    "Demand",
    "Effect",
    "Ended",
    "Expired",
    "Failed",
    "Message",
    "Prioritization",
    "Quota",
    "Receiver",
    "Rejected",
    "Request",
    "Response",
    "Retry",
    "Run",
    "Service",
    "Step",
    "System",
    "Transaction",
    "exemption",
    "person",
    "quorum",
    "request",
    "role",
    "tally",
]
