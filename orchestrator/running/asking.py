"""Asking: what an approval does with a message that comes to it.

1. Its step writes its request (`requesting.py`), and ends. Nothing waits in it; `routing.py` sends on what is decided.
   Where it can, it does so in the transaction of the step before it (`inward.py`).
2. An exemption that the RI accepted, and that says yes to this message and the run's input, decides at once; the
   grants cite it. One that raises means: ask. Else a standing rule may decide (`ruling.py`). What was revoked before
   is asked of a person.
3. It asks by the rules of deciding that are in force, whatever is declared here (`accepted.py`).
4. What is beyond the quota of its source is not asked (`flooding.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from answerable.agents.copies import own
from answerable.agents.messages import Message
from answerable.approvals.accepting.exemptions import is_accepted
from answerable.approvals.deciding.answers import Passing
from answerable.approvals.deciding.recording import record_passing
from answerable.approvals.node import AS_PROPOSED, Approval
from answerable.errors import UnknownOrigin
from answerable.orchestrator.running.accepted import Asking
from answerable.orchestrator.running.anew import Before, what_was_revoked
from answerable.orchestrator.running.asked import causes_of, causes_of_edit
from answerable.orchestrator.running.ending import Ending
from answerable.orchestrator.running.execution import Execution
from answerable.orchestrator.running.flooding import QuotaReached, check_quota, source_of_step, stop_source
from answerable.orchestrator.running.journal import Guard
from answerable.orchestrator.running.offering import OPTIONS_WITHIN_SECONDS
from answerable.orchestrator.running.requesting import Asked, prepare_request, row_of, stored_message, write_request
from answerable.orchestrator.running.ruling import RulesChanged, Ruling, check_asking, judged, rule_on
from answerable.orchestrator.running.stepping import call_user, describe
from answerable.orchestrator.running.view import Ready
from answerable.tracing.failpoints import failpoint
from answerable.tracing.storage.store import Tx


async def run_approval(execution: Execution, approval: Approval[Any], ready: Ready) -> set[str]:
    """Ask about one message; the nodes that have something to do now (none, unless it passed by itself)."""
    now = execution.worker.store.clock.now()
    source = source_of_step(execution, ready)
    attempt = await execution.begin(ready, also=(source,))
    if attempt == 0:
        return set()
    while True:
        try:
            return await _ask(execution, approval.name, ready, source, attempt=attempt, started_at=now)
        except RulesChanged:
            continue
        except QuotaReached:
            if not await stop_source(execution, approval, source):
                return {approval.name}
            execution.view.blocked.add(ready.step)
            return set()


async def _ask(
    execution: Execution, name: str, ready: Ready, source: str, *, attempt: int, started_at: int
) -> set[str]:
    """Ask by the rules that are in force now. Raises: RulesChanged, QuotaReached; nothing was written then."""
    asking = await execution.worker.asks(name)
    approval = asking.approval
    (arrival,) = ready.combination.values()
    message = await execution.message(execution.view.crossings[arrival.id].message)
    stored = await stored_message(execution, execution.view.crossings[arrival.id].message, message)
    before: Before | None = None
    if ready.generation:
        before = await execution.worker.store.read(lambda tx: what_was_revoked(tx, execution.run.id, ready))
    causes = await causes_of(execution, ready)
    if before is not None and before.edited:
        causes = replace(causes, editors=causes_of_edit(before.request, causes.editors).editors)
    try:
        asked = await prepare_request(execution, approval, ready.step, ready.scope, stored, causes, before=before)
    except UnknownOrigin:  # not the message's fault: the run goes on in a service that knows it
        raise
    except Exception as error:  # noqa: BLE001 - an effect's function is the user's; its failure is the step's
        ending = Ending(error=describe(error, None))
        return await execution.finish(ready, ending, attempt=attempt, started_at=started_at)
    exempt = "" if before else await exempted(execution, approval, message)
    settle = await settling(execution, asking, asked, source=source, exempt=exempt, ruled=not (exempt or before))
    woken = await execution.finish(ready, settle, attempt=attempt, started_at=started_at)
    failpoint("request:after-commit")
    return woken


async def settling(
    execution: Execution, asking: Asking, asked: Asked, *, source: str, exempt: str, ruled: bool
) -> Callable[[Tx, Guard], Ending]:
    """What writes a request, in the transaction that ends its step, with the decision where it passes by itself.

    That raises RulesChanged or QuotaReached before it writes anything. `exempt` (NAME@VERSION) lets it pass; `ruled`
    says whether a standing rule may.
    """
    approval, key, at = asked.approval, execution.worker.key, execution.worker.store.clock.now()
    rules = await judged(execution, asking.place, asked.said["options"], at=at) if ruled else None

    def settle(tx: Tx, guard: Guard) -> Ending:
        check_asking(execution, guard, asking)
        ruling = rule_on(tx, execution, guard, asked.said, rules, at=at) if rules else Ruling()
        passing = Passing(outcome="exempted", option=AS_PROPOSED, by=exempt) if exempt else ruling.passing
        if passing is None:
            check_quota(tx, execution, approval, source, at=at)
        asks = source if passing is None else ""
        request = row_of(execution, asked, source=asks, capped=ruling.capped, passed=passing is not None)
        records = write_request(tx, execution, guard, asked, request)
        produced = [option.message for option in asked.options[1:]]
        failpoint("request:before-commit")
        if passing is None:
            return Ending(produced=produced, records=records, waits_for=asked.id)
        records += record_passing(tx, key, request, passing, responsible=guard.responsible, at=at)
        out = next(one.out for one in asked.options if one.name == passing.option)
        return Ending(produced=produced, out=out, records=records)

    return settle


async def exempted(execution: Execution, approval: Approval[Any], message: Message) -> str:
    """NAME@VERSION of the exemption that lets this message pass, or ""."""
    if approval.exempt is None:
        return ""
    key, system = execution.worker.key, execution.run.system
    if not await execution.worker.store.read(lambda tx: is_accepted(tx, key, system, approval)):
        return ""
    try:
        run_input = own(await execution.run_input())
        said = await call_user(approval.exempt.fn, own(message), run_input, within=OPTIONS_WITHIN_SECONDS)
    except Exception:  # noqa: BLE001 - the user's predicate; one that raises means: ask
        return ""
    return approval.exempt.label if said is True else ""
