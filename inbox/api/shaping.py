"""Requests in the shape of LangGraph's `HumanInterrupt`, so that inboxes that know it can show ours.

1. The shape has one proposal. It is what is proposed; the other options stand in the description, and are chosen on our
   page, to which it links.
2. The description is made of declared names, counts and times, and of nothing that an agent wrote: such inboxes render
   it as Markdown.
3. The arguments are the proposed message as it is. One that has control or bidirectional characters may be shown as
   something else elsewhere, so it can be accepted and edited on our page only.
4. An answer in that shape is an answer of a person with a token, to the request with the digest that they were shown.
   Ignoring takes no reason along, and a no needs one, so it is not offered; a text is a no where no agent takes texts.

Source: langgraph.prebuilt.interrupt, and the schema in the README of langchain-ai/agent-inbox.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from answerable.agents.texts import plain
from answerable.approvals.asking.listing import short_tier
from answerable.approvals.asking.requests import RequestRow
from answerable.approvals.node import AS_PROPOSED, RESPONSE
from answerable.errors import InvalidInput
from answerable.inbox.api.bodies import AnyAnswer, Approve, Digest, Edit, Reject, Respond, Taken, Text
from answerable.inbox.desk import Desk
from answerable.tracing.clock import iso
from answerable.tracing.freezes import frozen_for_show
from answerable.tracing.storage.store import Tx


class InterruptAction(BaseModel):
    """What is proposed: the approval that asks, and the message."""

    action: str
    args: dict[str, Any]


class HumanResponse(Taken):
    """An answer in LangGraph's shape, with the digest that was shown.

    "accept" takes what is proposed; "edit" proposes the `args` of its `args` instead; "response" sends the text back,
    or says no with it where no agent takes texts; "ignore" is a no, and needs a `reason`.
    """

    type: Literal["accept", "edit", "response", "ignore"]
    args: InterruptAction | Text | None = None
    digest: Digest
    reason: Text = ""


class InterruptConfig(BaseModel):
    """Which answers are taken."""

    allow_accept: bool
    allow_edit: bool
    allow_respond: bool
    allow_ignore: bool


class Interrupt(BaseModel):
    """A request as LangGraph's `HumanInterrupt`, with its id and digest."""

    id: str
    digest: str
    action_request: InterruptAction
    config: InterruptConfig
    description: str = Field(description="Markdown, of nothing that an agent wrote.")


_MARKDOWN: Final = str.maketrans({each: f"\\{each}" for each in "\\`*_{}[]<>()#+-!|~&"})


def interrupt_of(tx: Tx, desk: Desk, row: RequestRow) -> Interrupt:
    """A request in that shape."""
    frozen = row.is_held(frozen_for_show(tx, row.system))
    decidable = row.state == "open" and not frozen and desk.now < row.expires_at
    honest = _reads_as_written(row.view["message"])
    return Interrupt(
        id=row.id,
        digest=row.digest,
        action_request=InterruptAction(action=row.approval, args=row.view["message"]),
        config=InterruptConfig(
            allow_accept=decidable and honest,
            allow_edit=decidable and honest and row.system in desk.services,
            allow_respond=decidable,
            allow_ignore=False,
        ),
        description=_description(desk, row, honest=honest, frozen=frozen),
    )


def answer_of(desk: Desk, row: RequestRow, said: HumanResponse) -> AnyAnswer:
    """What an answer in that shape means here. Raises: InvalidInput."""
    args = said.args
    if said.type == "accept":
        if isinstance(args, InterruptAction) and not _same(args.args, row.view["message"]):
            raise InvalidInput("this accepts something else than what was proposed", hint='send it as "edit"')
        if isinstance(args, str):
            raise InvalidInput("accepting takes no text", hint='send args: null, or the text as "response"')
        return Approve(answer="approve", digest=said.digest, option=AS_PROPOSED, reason=said.reason)
    if said.type == "edit":
        if not isinstance(args, InterruptAction):
            raise InvalidInput("an edit says what is proposed instead", hint='args: {"action": …, "args": {…}}')
        return Edit(answer="edit", digest=said.digest, message=args.args, reason=said.reason)
    if said.type == "response":
        if not isinstance(args, str):
            raise InvalidInput("a response is a text", hint='args: "…"')
        if _takes_texts(desk, row):
            return Respond(answer="respond", digest=said.digest, text=args)
        return Reject(answer="reject", digest=said.digest, reason=args)
    return Reject(answer="reject", digest=said.digest, reason=said.reason)  # an empty one is refused, as everywhere


def _takes_texts(desk: Desk, row: RequestRow) -> bool:
    service = desk.services.get(row.system)
    return service is not None and bool(service.app.graph.outgoing(row.approval, RESPONSE))


def _description(desk: Desk, row: RequestRow, *, honest: bool, frozen: bool) -> str:
    lines = [f"**{_name(row.approval)}** of {_name(row.system)} asks {_name(row.asks)}."]
    tier = short_tier(row.view)
    lines += [f"**{_name(tier)} goes short as proposed.**"] if tier else []
    lines += [
        f"{_name(option['name'])}: {len(option['calls'])} call{'' if len(option['calls']) == 1 else 's'}"
        + "".join(f", {_name(name)} {served} of {demand}" for name, (demand, served) in (option["tiers"] or {}).items())
        for option in row.view["options"]
    ]
    if not honest:
        lines.append("The proposal has characters that mislead. It can be accepted on the page only.")
    lines.append("It is frozen now." if frozen else f"Decide by {iso(row.expires_at)}. After that it counts as a no.")
    if not _takes_texts(desk, row):
        lines.append("A response is a no: its text is the reason.")
    lines.append(f"Everything that a yes releases, to the byte: {desk.origins[0]}/requests/{row.id}")
    return "\n\n".join(lines)


def _name(text: str) -> str:
    return plain(text).translate(_MARKDOWN)


def _reads_as_written(message: Any) -> bool:
    """Whether no text in it has characters that are not shown as what they are; newlines and tabs are."""
    said = json.dumps(message, ensure_ascii=False)
    return plain(said) == said


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
