"""Verdicts: what is known of a call after an attempt. Pure, but for the effect's own function.

1. An answer of 2xx is read by the effect's function; 408, 425, 429 and 503 say "not now"; other 5xx mean that nobody
   knows; any other answer is a final no. Source: RFC 9110, section 15.
2. Once nobody knows of one attempt, only a yes or, from a receiver that honours keys, a final no ends it as known. A
   receiver that is away or busy leaves it in doubt, and so does 409: the first is still being worked on.
   Source: draft-ietf-httpapi-idempotency-key-header-07, section 2.7.
3. What happened has happened, also if its answer cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from answerable.agents.calls import Request, Response
from answerable.agents.messages import Message
from answerable.agents.nodes import Effect
from answerable.agents.texts import shortened
from answerable.errors import InvalidMessage
from answerable.orchestrator.running.http import Answered, NotSent, Result, Unknown
from answerable.orchestrator.running.stepping import describe

LONGEST = 500  # characters of an error
NOT_NOW = frozenset({408, 425, 429, 503})
CONFLICT = 409


@dataclass(frozen=True, kw_only=True)
class Done:
    """It happened, and this is the result (None where the answer could not be read; `error` says why)."""

    result: Message | None
    status: int = 0
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Not:
    """It did not happen. `again` says that another attempt may help."""

    error: str
    outcome: Literal["failed", "not-sent"]
    status: int = 0
    again: bool = False


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """Nobody knows whether it happened."""

    error: str


Verdict = Done | Not | Doubt


def judge(effect: Effect[Any, Any], message: Message, result: Result) -> Verdict:
    """What the result of one attempt means (rule 1)."""
    if isinstance(result, NotSent):
        return Not(error=result.error, outcome="not-sent", again=True)
    if isinstance(result, Unknown):
        return Doubt(error=result.error)
    said = f"{effect.receiver} answered {result.status}"
    if 200 <= result.status < 300:
        return read_answer(effect, effect.fn, message, result)
    if result.status in NOT_NOW:
        return Not(error=said, outcome="failed", status=result.status, again=True)
    if result.status >= 500:
        return Doubt(error=said)
    return Not(error=said, outcome="failed", status=result.status)


def concluded(effect: Effect[Any, Any], verdict: Verdict, doubt: Doubt | None) -> Verdict:
    """What is known after an attempt, if `doubt` is what was known before it (rule 2)."""
    if doubt is None or not isinstance(verdict, Not):
        return verdict
    final = effect.guarantee == "idempotent" and not verdict.again and verdict.status != CONFLICT
    return verdict if final else Doubt(error=shortened(f"{doubt.error}; then: {verdict.error}", LONGEST))


def read_answer(effect: Effect[Any, Any], fn: Callable[..., Any], message: Message, answer: Answered) -> Done:
    """Let `fn`, the effect's function or its query, read an answer."""
    call = fn(message)
    try:
        asked = next(call)
        assert isinstance(asked, Request), asked
        call.send(Response(status=answer.status, headers=answer.headers, body=answer.body))
    except StopIteration as stop:
        return made_of(effect, stop.value, status=answer.status)
    except Exception as raised:  # noqa: BLE001 - the effect's function is the user's
        error = f"the answer could not be read: {describe(raised, None)}"
    else:
        call.close()
        error = f"{effect.name} yielded a second request; an effect is one call"
    return Done(result=None, status=answer.status, error=error)


def made_of(effect: Effect[Any, Any], result: Any, *, status: int = 0) -> Done:
    """It happened, and this is what the effect's function made of it, if that is a result."""
    try:
        return Done(result=check_result(effect, result), status=status)
    except (TypeError, InvalidMessage) as error:
        return Done(result=None, status=status, error=describe(error, None))


def check_result(effect: Effect[Any, Any], result: Any) -> Message:
    """`result` as its bytes say it, if it is one that the effect declares.

    Raises: TypeError, InvalidMessage.
    """
    if not isinstance(result, effect.outputs):
        raise TypeError(f"{effect.name} returned {type(result).__name__}, and declares {effect.outputs[0].__name__}")
    message: Message = type(result).from_bytes(result.to_bytes())  # it may have been made without validation
    return message
