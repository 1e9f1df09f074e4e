"""Offering: the options of a request, and what is computed of each.

`as-proposed` is always an option; the approval's `options` function offers others, and `as-edited` is what somebody
edited before that was taken back. Of each it is computed what would
leave with it, the exact calls, what it means for the tiers, what it is worth, and what rules see of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from answerable.agents.copies import own
from answerable.agents.messages import Message
from answerable.agents.prioritization import Tally
from answerable.approvals.asking.requests import PlannedCall
from answerable.approvals.node import AS_EDITED, AS_PROPOSED, Approval
from answerable.errors import InvalidMessage
from answerable.orchestrator.running.asked import Valued, valued
from answerable.orchestrator.running.crossing import Outflow, Written, message_id, outflow, written
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.planning import plan_calls
from answerable.orchestrator.running.ruling import seen_of
from answerable.orchestrator.running.stepping import call_user, describe
from answerable.orchestrator.running.sums import count, tally_of
from answerable.orchestrator.scopes import Scope

OPTIONS_WITHIN_SECONDS = 120.0
MOST_OPTIONS = 20


@dataclass(frozen=True, kw_only=True)
class Option:
    """One answer that a request offers: the message that it lets through, what would leave with it, and the calls.

    `counted` is what it means for the tiers, `worth` whom it asks, `seen` what rules see of it (None: nothing, as
    `unseen` says).
    """

    name: str
    message: Written
    out: Outflow
    calls: Sequence[PlannedCall]
    counted: Tally | None
    worth: Valued
    seen: dict[str, Any] | None
    unseen: str

    @property
    def inversions(self) -> int | None:
        return self.counted.inversions if self.counted else None

    def shown(self) -> dict[str, Any]:
        """What the view says of it."""
        return {
            "name": self.name,
            "message": json.loads(self.message.payload),
            "tiers": tally_of(self.counted),
            "inversions": self.inversions,
            "calls": [
                {"name": call.name, "method": call.method, "url": call.origin + call.path, "body": _shown(call.body)}
                for call in self.calls
            ],
            "value": self.worth.value,
            "asks": str(self.worth.whom),
            "trouble_with_value": self.worth.trouble,
        }

    def bound(self) -> dict[str, Any]:
        """What the body says of it."""
        return {
            "name": self.name,
            "message": self.message.ref.model_dump(),
            "payload": sha256(self.message.payload).hexdigest(),
            "calls": [{"effect": call.effect, "name": call.name, "digest": call.digest} for call in self.calls],
            "context": self.seen,
            "value": self.worth.value,
            "by": self.worth.whom.as_json(),
        }


async def options_of(
    execution: Execution,
    approval: Approval[Any],
    step: str,
    scope: Scope,
    proposed: Written,
    run_input: Any,
    *,
    edit: str,
    edited: Message | None,
    now: int,
) -> tuple[list[Option], str]:
    """The options about a message, "as-proposed" first, and why there are no others, if computing them failed.

    `edit` is the prefix of an edited message's slots, or ""; `edited` is what an edit said that was taken back, if one
    was. Raises: BrokenCondition, UnknownOrigin.
    """
    offered: dict[str, Message] = {}
    trouble = ""
    if approval.options is not None:
        try:
            offered = await _offered(approval, proposed.message, run_input)
        except Exception as error:  # noqa: BLE001 - the user's function; the request is made without its options
            trouble = describe(error, OPTIONS_WITHIN_SECONDS)
    if edited is not None:
        offered[AS_EDITED] = edited
    named = [(AS_PROPOSED, proposed)]
    named += [(name, written(message_id(step, f"{edit}option:{name}"), offered[name])) for name in sorted(offered)]
    options = []
    for name, one in named:
        out = _leaving(execution, approval, step, f"{edit}option:{name}", scope, one, now=now)
        options.append(await _option(execution, approval, name, one, out, run_input))
    return options, trouble


async def _option(
    execution: Execution, approval: Approval[Any], name: str, one: Written, out: Outflow, run_input: Any
) -> Option:
    """One option, with all that is computed of it."""
    calls, counted = plan_calls(execution, out), count(execution.graph, one.message, run_input)
    worth = await valued(approval, one.message, run_input)
    seen, unseen = seen_of(execution, approval, one.message, run_input, calls=calls, counted=counted, value=worth.value)
    return Option(name=name, message=one, out=out, calls=calls, counted=counted, worth=worth, seen=seen, unseen=unseen)


async def _offered(approval: Approval[Any], message: Message, run_input: Any) -> dict[str, Message]:
    assert approval.options is not None
    offered: Mapping[str, Any] = await call_user(
        approval.options, own(message), own(run_input), within=OPTIONS_WITHIN_SECONDS
    )
    for name, option in offered.items():
        if not isinstance(option, approval.of):
            raise InvalidMessage(
                f"option {name!r} of {approval.name} is {type(option).__name__}, not {approval.of.__name__}"
            )
        option.from_bytes(option.to_bytes())  # made without validation?
        if name in (AS_PROPOSED, AS_EDITED) or not name.replace("-", "").replace("_", "").isalnum():
            raise InvalidMessage(f"{name!r} is no name for an option of {approval.name}")
    if len(offered) > MOST_OPTIONS:
        raise InvalidMessage(
            f"{approval.name} offers {len(offered)} options; nobody can weigh more than {MOST_OPTIONS}"
        )
    return dict(offered)


def _leaving(
    execution: Execution, approval: Approval[Any], step: str, slot: str, scope: Scope, one: Written, *, now: int
) -> Outflow:
    """What follows when `one` leaves the approval by its ordinary output. Raises: BrokenCondition."""
    out = outflow(
        execution.graph, execution.run.id, approval.name, "", step=step, slot=slot, scope=scope, sent=one, now=now
    )
    out.check()
    return out


def _shown(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")
