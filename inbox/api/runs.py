"""/api/v1/runs: what is going on, and how it went."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from answerable.agents.texts import plain
from answerable.approvals.who.identity import Identity
from answerable.inbox.api.answers import DecisionAnswer
from answerable.inbox.api.cursors import Cursor, Filter, Id, Limit, after, cursor_of
from answerable.inbox.api.links import FROM_RUN, FROM_RUNS
from answerable.inbox.desk import Desk
from answerable.inbox.entering import desk_of, reader
from answerable.inbox.problems import documented
from answerable.orchestrator.documents import handles, run_document, run_line
from answerable.orchestrator.running.journal import read_steps
from answerable.orchestrator.runs import get_run, page_of_runs
from answerable.tracing.storage.store import Tx

Status = Literal["", "running", "waiting", "frozen", "done", "denied", "stuck", "failed", "cancelled"]

router = APIRouter(prefix="/runs", tags=["runs"])


class RunLine(BaseModel):
    """A run in a list."""

    run: str
    system: str
    version: str
    status: str
    detail: str
    responsible: str
    started_by: str
    started_at: str
    ended_at: str | None


class RunList(BaseModel):
    """Some runs, newest first; `next` is the cursor of the following page."""

    runs: list[RunLine]
    next: str | None


class EdgeLine(BaseModel):
    """A declared edge, or one that was crossed `count` times."""

    source: str
    target: str
    carries: str
    count: int = 0


class StepLine(BaseModel):
    """One step of a run."""

    id: str
    node: str
    state: str
    attempt: int
    error: str


class RunAnswer(RunLine):
    """A run with its edges, steps, requests, decisions and calls."""

    edges_declared: list[EdgeLine]
    edges_crossed: list[EdgeLine]
    records: int
    spans: int
    steps: list[StepLine]
    requests: list[dict[str, Any]]
    decisions: list[DecisionAnswer]
    effects: list[dict[str, Any]]
    effects_by_state: dict[str, int]
    result: Any


@router.get("", responses=documented(links=FROM_RUNS))
async def list_runs(
    desk: Annotated[Desk, Depends(desk_of)],
    _: Annotated[Identity, Depends(reader)],
    status: Status = "",
    system: Filter = "",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> RunList:
    """Runs, newest first."""
    where = after(cursor, "newest", (int, str))

    def look(tx: Tx) -> RunList:
        names = handles(tx)
        rows = page_of_runs(tx, status=status, system=system, before=where or None, most=limit + 1)
        last = rows[limit - 1] if len(rows) > limit else None
        return RunList(
            runs=[RunLine(**_shown(run_line(tx, row, names))) for row in rows[:limit]],
            next=cursor_of("newest", (last.started_at, last.id) if last else ()),
        )

    return await desk.office.store.read(look)


@router.get("/{run}", responses=documented(links=FROM_RUN))
async def get_one_run(
    run: Id, desk: Annotated[Desk, Depends(desk_of)], _: Annotated[Identity, Depends(reader)]
) -> RunAnswer:
    """One run: its edges with how often they were crossed, its steps, requests, decisions and calls."""

    def look(tx: Tx) -> RunAnswer:
        service = desk.services.get(get_run(tx, run).system)
        document = run_document(tx, run, graph=service.app.graph if service else None)
        steps = [
            StepLine(id=one.id, node=one.node, state=one.state, attempt=one.attempt, error=plain(one.error))
            for one in read_steps(tx, run)
        ]
        return RunAnswer(**_shown(document), steps=steps)

    return await desk.office.store.read(look)


def _shown(document: dict[str, Any]) -> dict[str, Any]:
    """A run's document; why it ended as it did may be what an agent's function said."""
    return {**document, "detail": plain(document["detail"])}
