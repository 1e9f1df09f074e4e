"""Whom a request asks: who it takes for each option, and who is too close to it.

1. Who is too close follows from the causal path: the agents whose steps led here (their owners, and the persons they
   act for), and whoever edited or answered with a text at an approval on it.
2. Where an approval has thresholds, each option is valued by itself, and asks whom the highest one says that its value
   is above. A value that cannot be had asks the strictest, and says so. What a person edited is valued anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from answerable.agents.copies import own
from answerable.agents.messages import Message
from answerable.agents.nodes import Agent
from answerable.agents.people import Quorum
from answerable.approvals.asking.requests import RequestRow, requests_of
from answerable.approvals.deciding.decisions import decision_on
from answerable.approvals.node import Approval
from answerable.approvals.rules.contexts import LARGEST
from answerable.errors import InvalidInput
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.stepping import call_user, describe
from answerable.orchestrator.running.upstream import upstream
from answerable.orchestrator.running.view import Ready
from answerable.tracing.storage.store import Tx

VALUE_WITHIN_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Causes:
    """What led to a request: agents by name, persons by id."""

    agents: Sequence[str]
    editors: Sequence[str] = ()
    responders: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Valued:
    """What an option is worth, if that is asked and known, whom that asks, and why it is not known."""

    whom: Quorum
    value: int | None = None
    trouble: str = ""


async def causes_of(execution: Execution, ready: Ready, *, sent: bool = False) -> Causes:
    """What led to a step, by everything that it consumed; `sent`: to what this step, an agent's, sends on."""
    agents, approvals = _upstream(execution, ready)
    agents |= {ready.node} if sent else set()
    run = execution.run.id
    if not approvals:
        return Causes(agents=sorted(agents))
    editors, responders = await execution.worker.store.read(lambda tx: _authors(tx, run, approvals))
    return Causes(agents=sorted(agents), editors=editors, responders=responders)


def causes_of_edit(request: RequestRow, editors: Sequence[str]) -> Causes:
    """What led to a request about a message that these persons edited."""
    asked = request.body["asked"]
    return Causes(
        agents=asked["agents"],
        editors=list(dict.fromkeys((*asked["editors"], *editors))),
        responders=asked["responders"],
    )


def asked_body(execution: Execution, approval: Approval[Any], causes: Causes) -> dict[str, Any]:
    """Whom an approval asks and who is too close, as a request's body has it."""
    nodes = [node for name in causes.agents if (node := execution.graph.nodes.get(name))]
    return {
        "by": approval.by.as_json(),
        "denials": approval.denials,
        "started_by": execution.run.started_by,
        "agents": list(causes.agents),
        "owners": sorted({node.owner for node in nodes if node.owner}),
        "acting_for": sorted({node.acts_for for node in nodes if isinstance(node, Agent) and node.acts_for}),
        "editors": list(causes.editors),
        "responders": list(causes.responders),
        "may_decide_own": approval.may_decide_own,
        "requires": approval.requires,
        "fresh_seconds": approval.fresh_seconds,
    }


async def valued(approval: Approval[Any], message: Message, run_input: Any) -> Valued:
    """What an option is worth, and whom that asks."""
    if approval.value is None:
        return Valued(whom=approval.by)
    try:
        found = await call_user(approval.value, own(message), own(run_input), within=VALUE_WITHIN_SECONDS)
        if isinstance(found, bool) or not isinstance(found, int) or abs(found) > LARGEST:
            raise InvalidInput(f"{found!r:.100} is no whole number up to {LARGEST:,}")
    except Exception as error:  # noqa: BLE001 - the user's function; one that fails asks the strictest
        return Valued(whom=approval.strictest, trouble=describe(error, VALUE_WITHIN_SECONDS))
    exceeded = [limit for limit in approval.above if found > limit]
    return Valued(whom=approval.above[max(exceeded)] if exceeded else approval.by, value=found)


def _upstream(execution: Execution, ready: Ready) -> tuple[set[str], set[str]]:
    """The agents whose steps led to this one, by name; and the steps of approvals that did."""
    agents: set[str] = set()
    approvals: set[str] = set()
    view = execution.view
    step, crossing = view.steps.__getitem__, view.crossings.__getitem__  # all of it is there
    path = upstream(ready.node, ready.consumed.values(), step=step, crossing=crossing, gathers=view.gathers)
    for id in {one.step for _, one in path if one.step}:
        name = view.steps[id].node
        node = execution.graph.nodes[name]
        if isinstance(node, Agent):
            agents.add(name)
        elif isinstance(node, Approval):
            approvals.add(id)
    return agents, approvals


def _authors(tx: Tx, run: str, steps: set[str]) -> tuple[list[str], list[str]]:
    """Who edited, and who answered with a text, at these steps of approvals."""
    editors: dict[str, None] = {}
    responders: dict[str, None] = {}
    for request in requests_of(tx, run):
        if request.step in steps:
            asked = request.body["asked"]
            editors |= dict.fromkeys(asked["editors"])
            responders |= dict.fromkeys(asked["responders"])
            decision = decision_on(tx, request.id)
            if decision is not None and decision.outcome == "answered":
                responders |= dict.fromkeys(decision.people)
    return list(editors), list(responders)
