"""Runs, requests and effects as plain JSON values: for `--json`, for what is printed, for the HTTP API.

Persons appear by handle; a decision of no person (an exemption, the passing of time) says what it was by.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, select

from answerable.approvals.asking.requests import RequestRow, requests_of
from answerable.approvals.deciding.decisions import Decision, decisions_of
from answerable.approvals.deciding.reviews import Review
from answerable.approvals.gate import EffectRow, effects_of
from answerable.approvals.voting.delegations import Delegation
from answerable.approvals.voting.votes import Vote, votes_of
from answerable.orchestrator.graph import Edge, Graph
from answerable.orchestrator.runs import RunRow, get_run
from answerable.tracing.clock import iso
from answerable.tracing.freezes import SOURCE, Freeze, frozen_for_show
from answerable.tracing.ledger.entries import Entry, records_of
from answerable.tracing.ledger.placed import as_placed
from answerable.tracing.ledger.records.kept import ERASED
from answerable.tracing.ledger.records.steps import Crossed
from answerable.tracing.people import all_people, authority
from answerable.tracing.spans.projection import span_count
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import grants
from answerable.tracing.storage.tables.runs import messages

_GRANTS = Statement(select(grants.c.effect, grants.c.id, grants.c.decision).where(grants.c.run == bindparam("run")))
_PAYLOAD = Statement(
    select(messages.c.payload).where(messages.c.run == bindparam("run"), messages.c.id == bindparam("message"))
)


def run_document(tx: Tx, run: str, *, graph: Graph | None = None) -> dict[str, Any]:
    """Everything about a run. Edges that were declared are known with the graph only. Raises: UnknownId."""
    row, names = get_run(tx, run), handles(tx)
    entries = records_of(tx, run)
    effects, frozen = effect_documents(tx, run), frozen_for_show(tx, row.system)
    declared = {} if graph is None else {edge.id: edge_document(edge) for edge in graph.edges}
    return {
        **run_line(tx, row, names),
        "edges_declared": list(declared.values()),
        "edges_crossed": _crossed(entries, declared),
        "records": len(entries),
        "spans": span_count(as_placed(entries)),
        "requests": [request_document(request, frozen) for request in requests_of(tx, run)],
        "votes": [vote_document(vote, names) for vote in votes_of(tx, run)],
        "decisions": [decision_document(decision, names) for decision in decisions_of(tx, run)],
        "effects": effects,
        "effects_by_state": dict(sorted(Counter(effect["state"] for effect in effects).items())),
        "result": _result(tx, row),
    }


def run_line(tx: Tx, row: RunRow, names: Mapping[str, str]) -> dict[str, Any]:
    """A run in a line of a list."""
    responsible = authority(tx, row.system).responsible
    return {
        "run": row.id,
        "system": row.system,
        "version": row.version,
        "status": row.status,
        "detail": row.detail,
        "responsible": names.get(responsible, responsible),
        "started_by": names.get(row.started_by, row.started_by),
        "started_at": iso(row.started_at),
        "ended_at": iso(row.ended_at),
    }


def request_document(row: RequestRow, frozen: frozenset[str]) -> dict[str, Any]:
    """A request, without what it shows, where these targets of its system are frozen."""
    return {
        "id": row.id,
        "run": row.run,
        "approval": row.approval,
        "state": row.state,
        "frozen": row.state == "open" and row.is_held(frozen),
        "inversions": row.view["options"][0]["inversions"],
        "options": list(row.options),
        "digest": row.digest,
        "asks": row.asks,
        "made_at": iso(row.made_at),
        "decide_by": iso(row.expires_at),
        "execute_within_seconds": row.body["execute_within_seconds"],
        "edited_from": row.edited_from,
        "capped": row.capped,
        "in_place_of": row.in_place_of,
        "stage": row.stage,
        "escalates_at": iso(row.escalates_at),
    }


def decision_document(decision: Decision, names: Mapping[str, str]) -> dict[str, Any]:
    """A decision."""
    return {
        "id": decision.id,
        "request": decision.request,
        "option": decision.option,
        "by": names.get(decision.by, decision.by),
        "for_person": names.get(decision.for_person, decision.for_person),
        "voters": [names.get(one, one) for one in json.loads(decision.voters)],
        "outcome": decision.outcome,
        "assurance": decision.assurance,
        "reason": decision.reason,
        "at": iso(decision.at),
        "revoked": decision.revoked,
        "code": decision.code,
        "broke_glass": bool(decision.broke_glass),
    }


def vote_document(vote: Vote, names: Mapping[str, str]) -> dict[str, Any]:
    """A vote."""
    return {
        "id": vote.id,
        "request": vote.subject,
        "answer": vote.answer,
        "option": vote.option,
        "by": names.get(vote.by, vote.by),
        "for_person": names.get(vote.for_person, vote.for_person),
        "assurance": vote.assurance,
        "reason": vote.reason,
        "at": iso(vote.at),
    }


def delegation_document(one: Delegation, names: Mapping[str, str], *, at: int) -> dict[str, Any]:
    """A delegation, as it stands at a time."""
    return {
        "id": one.id,
        "from": names.get(one.giver, one.giver),
        "to": names.get(one.taker, one.taker),
        "system": one.system,
        "approval": one.approval,
        "state": one.state(at=at),
        "until": iso(one.until),
        "reason": one.reason,
        "at": iso(one.at),
    }


def review_document(one: Review, names: Mapping[str, str], *, at: int) -> dict[str, Any]:
    """A review, as it stands at a time."""
    return {
        "id": one.id,
        "of": one.of,
        "system": one.system,
        "approval": one.approval,
        "run": one.run,
        "decision": one.decision,
        "state": one.state(at=at),
        "made_at": iso(one.made_at),
        "due": iso(one.due_at),
        "verdict": one.verdict,
        "by": names.get(one.by, one.by),
        "at": iso(one.at),
    }


def effect_documents(tx: Tx, run: str) -> list[dict[str, Any]]:
    """The effects of a run."""
    granted = {effect: (grant, decision) for effect, grant, decision in tx.all(_GRANTS, run=run)}
    return [effect_document(row, *granted.get(row.id, (None, None))) for row in effects_of(tx, run)]


def effect_document(row: EffectRow, grant: str | None = None, decision: str | None = None) -> dict[str, Any]:
    """An effect; `grant` and `decision` are null where nothing was granted."""
    return {
        "id": row.id,
        "run": row.run,
        "name": row.name,
        "state": row.state,
        "idempotency_key": row.idempotency_key,
        "grant": grant,
        "decision": decision,
        "receiver": row.receiver,
        "guarantee": row.guarantee,
        "attempts": row.attempt,
        "sent_at": iso(row.sent_at),
        "detail": row.detail,
    }


def freeze_document(one: Freeze, names: Mapping[str, str]) -> dict[str, Any]:
    """A freeze; `by` is "" for a source that went beyond its quota."""
    return {
        "id": one.id,
        "system": one.system,
        "target": target_shown(one.target, names),
        "state": one.state,
        "by": names.get(one.by, one.by),
        "reason": one.reason,
        "at": iso(one.at),
        "in_flight": list(one.in_flight),
    }


def target_shown(target: str, names: Mapping[str, str]) -> str:
    """What is frozen; a person in it (source:NODE@PERSON) by their handle."""
    where, at, person = target.rpartition("@")
    return f"{where}@{names[person]}" if at and person in names and target.startswith(f"{SOURCE}:") else target


def edge_document(edge: Edge) -> dict[str, Any]:
    """A declared edge. An edge that takes a list apart, or gathers one, carries what crosses it one by one."""
    return {
        "source": edge.source,
        "target": edge.target,
        "carries": " | ".join(kind.__name__ for kind in edge.crossing_types),
    }


def handles(tx: Tx) -> dict[str, str]:
    """Each person's handle, by their id."""
    return {person.id: person.handle for person in all_people(tx)}


def _crossed(entries: list[Entry], declared: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every edge that was crossed, as declared (else by id), how often, and what it carries (else: what crossed)."""
    counts: Counter[str] = Counter()
    found: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        record = entry.record
        if isinstance(record, Crossed):
            counts[record.edge] += 1
            seen = {"source": record.source, "target": record.target, "carries": record.message.type}
            found.setdefault(record.edge, declared.get(record.edge, seen))
    places = {id: place for place, id in enumerate(declared)}
    inorder = sorted(found, key=lambda id: (places.get(id, len(places)), id))
    return [{**found[id], "count": counts[id]} for id in inorder]


def _result(tx: Tx, row: RunRow) -> Any:
    stored = tx.one(_PAYLOAD, run=row.id, message=row.result) if row.result else None
    if stored is None:
        return None
    return json.loads(bytes(stored[0])) if stored[0] else ERASED
