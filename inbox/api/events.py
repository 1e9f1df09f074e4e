"""/api/v1/events: what happens, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse

from answerable.approvals.who.credentials import check_standing
from answerable.approvals.who.identity import Identity
from answerable.errors import AnswerableError, TooManyRequests
from answerable.inbox.api.cursors import Filter
from answerable.inbox.desk import Desk
from answerable.inbox.entering import desk_of, reader
from answerable.inbox.feed import Feed
from answerable.inbox.problems import documented

MOST_STREAMS: Final = 20  # of one person, over all their pages

router = APIRouter(prefix="/events", tags=["events"])


@router.get(
    "",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **documented()},
)
async def events(
    request: Request,
    desk: Annotated[Desk, Depends(desk_of)],
    who: Annotated[Identity, Depends(reader)],
    run: Filter = "",
) -> StreamingResponse:
    """A `record` event for each thing that happens from now on, in every run or in one.

    It says what kind of record, of which run, about which request, and when; what it says is read from its own page.
    """
    feed: Feed = request.app.state.feed
    streams: dict[str, int] = request.app.state.streams
    if streams.get(who.handle, 0) >= MOST_STREAMS:
        raise TooManyRequests(f"{who.handle} listens in {MOST_STREAMS} places already", hint="close a page")
    return StreamingResponse(_told(desk, feed, streams, who, run), media_type="text/event-stream")


async def _told(desk: Desk, feed: Feed, streams: dict[str, int], who: Identity, run: str) -> AsyncIterator[str]:
    streams[who.handle] = streams.get(who.handle, 0) + 1
    try:
        async for one in feed.listen():
            if one is None:
                if not await _stands(desk, who):
                    return
                yield ": here\n\n"
            elif not run or one.run == run:
                yield one.as_event()
    finally:
        streams[who.handle] -= 1


async def _stands(desk: Desk, who: Identity) -> bool:
    try:
        await desk.office.store.read(lambda tx: check_standing(tx, desk.office.key, who, at=desk.now, lock=False))
    except AnswerableError:
        return False
    return True
