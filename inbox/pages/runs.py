"""Pages of runs: the list, and one with its graph, its timeline and its calls."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from answerable.approvals.who.identity import Identity
from answerable.inbox.api.cursors import Cursor, Filter, Id, cursor_of
from answerable.inbox.api.runs import Status
from answerable.inbox.desk import Desk
from answerable.inbox.entering import desk_of, page_reader
from answerable.inbox.graphs import draw_run
from answerable.inbox.pages.rendering import page
from answerable.inbox.pages.wrong import place_in_list
from answerable.orchestrator.documents import handles, run_document
from answerable.orchestrator.running.journal import read_steps
from answerable.orchestrator.runs import get_run, page_of_runs
from answerable.tracing.evidence.story.terminal import MARKS
from answerable.tracing.evidence.story.timeline import timeline
from answerable.tracing.freezes import frozen_for_show
from answerable.tracing.ids import trace_id
from answerable.tracing.storage.store import Tx

PAGE_ROWS: Final = 50
MOST_LINES: Final = 500

router = APIRouter(include_in_schema=False)


@router.get("/runs")
async def list_runs(
    request: Request,
    desk: Annotated[Desk, Depends(desk_of)],
    who: Annotated[Identity, Depends(page_reader)],
    status: Status = "",
    system: Filter = "",
    cursor: Cursor = "",
) -> Response:
    """Runs, newest first."""
    where = place_in_list(cursor, "newest", (int, str))

    def look(tx: Tx) -> tuple[list[Any], dict[str, str]]:
        return (
            page_of_runs(tx, status=status, system=system, before=where or None, most=PAGE_ROWS + 1),
            handles(tx),
        )

    rows, names = await desk.office.store.read(look)
    last = rows[PAGE_ROWS - 1] if len(rows) > PAGE_ROWS else None
    following = cursor_of("newest", (last.started_at, last.id) if last else ())
    values: dict[str, Any] = {
        "rows": rows[:PAGE_ROWS],
        "names": names,
        "next": following,
        "status": status,
        "system": system,
    }
    return page(request, "runs.html", who=who, first=not cursor, **values)


@router.get("/runs/{id}")
async def one_run(
    id: Id, request: Request, desk: Annotated[Desk, Depends(desk_of)], who: Annotated[Identity, Depends(page_reader)]
) -> Response:
    """One run."""

    def look(tx: Tx) -> dict[str, Any]:
        row = get_run(tx, id)
        service = desk.services.get(row.system)
        graph = service.app.graph if service else None
        document, steps = run_document(tx, id, graph=graph), read_steps(tx, id)
        lines = timeline(tx, id)
        frozen = frozen_for_show(tx, row.system)
        return {
            "row": row,
            "run": document,
            "steps": steps,
            "lines": lines[-MOST_LINES:] if lines is not None else None,
            "older": max(0, len(lines) - MOST_LINES) if lines is not None else 0,
            "marks": {sort: mark for sort, (mark, _) in MARKS.items()},
            "drawing": draw_run(document, steps, graph, frozen),
            "frozen": sorted(frozen),
            "whole": graph is not None,
        }

    values = await desk.office.store.read(look)
    traces = f"{desk.jaeger}/trace/{trace_id(id):032x}" if desk.jaeger else ""
    return page(request, "run.html", who=who, traces=traces, **values)
