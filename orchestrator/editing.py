"""Editing: a person proposes another message, and somebody else decides about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from answerable.agents.messages import Message
from answerable.approvals.asking.requests import RequestRow, get_request
from answerable.approvals.deciding.answering import Once, answer_request
from answerable.approvals.deciding.answers import Answer
from answerable.approvals.deciding.ballots import ballot_of
from answerable.approvals.node import Approval
from answerable.approvals.rules.rows import generation
from answerable.approvals.sealing.keys import Key
from answerable.approvals.who.identity import Identity
from answerable.approvals.who.signatures import Signed, digest_of_message
from answerable.errors import InvalidMessage, NotAsShown
from answerable.orchestrator.running import journal
from answerable.orchestrator.running.asked import causes_of_edit
from answerable.orchestrator.running.crossing import message_id, written
from answerable.orchestrator.running.journal import Guard
from answerable.orchestrator.running.requesting import prepare_request, row_of, write_request
from answerable.orchestrator.running.stepping import read_back
from answerable.orchestrator.running.sums import check_sums
from answerable.orchestrator.runs import get_run
from answerable.tracing.ledger.entries import append_all
from answerable.tracing.people import authority, get_person
from answerable.tracing.storage.store import Tx

if TYPE_CHECKING:
    from answerable.orchestrator.runtime import Runtime  # which loads LangGraph


async def edit_request(
    runtime: Runtime,
    request_id: str,
    message: Message | Mapping[str, Any],
    *,
    by: Identity,
    reason: str,
    seen: str,
    once: Once | None,
    signed: Signed | None = None,
    budget: int = 0,
) -> str:
    """Close a request as edited and make a new one about `message`, in one transaction; the new request's id.

    `seen` is the digest that was shown, or ""; `once` makes repeating it harmless.

    Raises: InvalidMessage if it does not fit the type, or does not add up; NotEligible, AlreadyDecided, NotOpen,
    NotAsShown, UnknownId, NotAuthenticated.
    """
    worker = runtime.worker
    request = await worker.store.read(lambda tx: get_request(tx, request_id))
    row = await worker.store.read(lambda tx: get_run(tx, request.run))
    runtime.check_version(row)
    worker.asking.forget()  # as it asks now: somebody's roles or a rule may have changed since
    asking = await worker.asks(request.approval)
    approval = asking.approval
    edited = read_back(written(message_id(request.step, f"edit:{request.id}:message"), _read(approval, message)))
    person, editors = await worker.store.read(
        lambda tx: _editors(tx, worker.key, request, by.handle, at=worker.store.clock.now())
    )
    execution = await runtime.load(row)
    check_sums(execution.graph, edited.message, await execution.run_input())
    asked = await prepare_request(
        execution,
        approval,
        request.step,
        execution.view.steps[request.step].scope,
        edited,
        causes_of_edit(request, editors),
        edited_from=request,
        edited_by=person,
    )

    given = json.loads(message.to_bytes()) if isinstance(message, Message) else message
    proposes = digest_of_message(given) if signed or by.own else ""

    def work(tx: Tx) -> None:
        answer = Answer(outcome="edited", reason=reason, signed=signed, proposes=proposes, budget=budget)
        now = worker.store.clock.now()
        _, again = answer_request(tx, worker.key, request.id, answer, who=by, at=now, seen=seen, once=once)
        if again:
            return
        if generation(tx, row.system) != asking.generation:
            worker.asking.forget()
            raise NotAsShown(f"whom {request.approval} asks was changed a moment ago", hint="propose it again")
        journal.write_messages(tx, row.id, [edited, *(option.message for option in asked.options[1:])])
        guard = Guard(authority(tx, row.system).responsible, frozenset(), row.status)
        append_all(tx, write_request(tx, execution, guard, asked, row_of(execution, asked)))

    await worker.store.write(work, durable=True)
    worker.committed()
    return asked.id


def _editors(tx: Tx, key: Key, request: RequestRow, handle: str, *, at: int) -> tuple[str, list[str]]:
    """Who edits, and the persons who count as authors of it: for whom they act, too. Raises: UnknownId, NotEligible."""
    person = get_person(tx, handle)
    standing = ballot_of(tx, key, request, at=at).standing_of(person)
    return person.id, [id for id in (person.id, standing.for_person) if id]


def _read(approval: Approval[Any], message: Message | Mapping[str, Any]) -> Message:
    """The message that somebody proposes. Raises: InvalidMessage if it is none, or not of the approval's type."""
    kind: type[Message] = approval.of
    if isinstance(message, Message):
        return kind.from_bytes(message.to_bytes())
    if not isinstance(message, Mapping):
        raise InvalidMessage(
            f"a {type(message).__name__} is no message", hint=f"give a {kind.__name__}, or its fields by name"
        )
    try:
        payload = json.dumps(dict(message)).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMessage(
            f"these fields of a {kind.__name__} are not JSON: {error}", hint="give texts, numbers, lists and mappings"
        ) from error
    return kind.from_bytes(payload)
