"""What an approval declares, read and checked at its own line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from answerable.agents.hints import is_message
from answerable.agents.messages import Message
from answerable.agents.people import Whom, as_quorum
from answerable.approvals.asking.quotas import Quota
from answerable.approvals.node import Approval, BreakGlass, Exemption
from answerable.approvals.who.identity import ASSURANCES
from answerable.errors import DeclarationError
from answerable.orchestrator.declaring.clocks import check_glass, check_times, escalation
from answerable.orchestrator.declaring.deciders import check_denials, check_quota, thresholds
from answerable.orchestrator.declaring.functions import parameter_hints, seen_type

M = TypeVar("M", bound=Message)


def read_approval(
    name: str,
    *,
    of: type[M],
    by: Whom,
    within: float,
    exempt: Exemption | None,
    options: Callable[[M, Any], Mapping[str, Message]] | None,
    context: Callable[[M, Any], BaseModel] | None,
    denials: int,
    value: Callable[[M, Any], int] | None,
    above: Mapping[int, Whom] | None,
    may_decide_own: bool,
    requires: Literal["", "token", "oidc", "signed"],
    fresh: int,
    quota: Quota,
    owner: str,
    execute_within: float,
    facts: Callable[[M, Any], Mapping[str, Any] | Awaitable[Mapping[str, Any]]] | None,
    escalate: Mapping[float, Whom] | None,
    break_glass: BreakGlass | None,
) -> Approval[M]:
    """The node that `System.approval` declares, where its arguments are told. Raises: DeclarationError."""
    what = f"approval {name!r}"
    if not is_message(of):
        raise DeclarationError(f"{what}: of={of!r} is no message type")
    for given, fn in {"options": options, "context": context, "value": value, "facts": facts}.items():
        if fn is not None and not callable(fn):
            raise DeclarationError(f"{what}: {given}={fn!r} is no function", hint="of the message and the run's input")
    check_times(within, execute_within, what=what)
    if requires not in ("", *ASSURANCES[1:]):
        raise DeclarationError(
            f"{what}: requires={requires!r} is no assurance", hint=f"one of {', '.join(ASSURANCES[1:])}"
        )
    if not isinstance(fresh, int) or fresh < 0:
        raise DeclarationError(f"{what}: fresh={fresh!r} is no whole number of seconds")
    check_glass(break_glass, valued=value is not None, what=what)
    stages = escalation(escalate or {}, by=by, within=within, what=what)
    if options is not None:
        parameter_hints(options, what=what)
    if facts is not None:
        parameter_hints(facts, what=what)
    if exempt is not None:
        if not isinstance(exempt, Exemption):
            name_it = "@exemption(version=1) above its function"
            raise DeclarationError(f"{what}: exempt={exempt!r} is no exemption", hint=name_it)
        parameter_hints(exempt.fn, what=what)
    check_quota(quota, what=what)
    limits = thresholds(value, above, used=bool(break_glass and break_glass.at_most is not None), what=what)
    check_denials(denials, (as_quorum(by), *limits.values(), *(to for _, to in stages)), what=what)
    seen = None if context is None else seen_type(context, what=what)
    if value is not None:
        parameter_hints(value, what=what)
    return Approval(
        name,
        of,
        by=as_quorum(by),
        within=within,
        exempt=exempt,
        options=options,
        context=context,
        seen=seen,
        denials=denials,
        value=value,
        above=limits,
        may_decide_own=may_decide_own,
        requires=requires,
        fresh_seconds=fresh,
        quota=quota,
        owner=owner,
        execute_within=execute_within,
        facts=facts,
        escalate=stages,
        break_glass=break_glass,
    )
