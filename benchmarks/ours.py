"""Answerable with everything on: records, crossings and messages in SQLite, spans projected, stored and exported.

The run is awaited, then everything that follows from it: every record has its place in the ledger, every span is
projected and accepted by the collector. Steps commit with `synchronous=NORMAL`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from answerable import END, START, Message, System
from benchmarks.chains import Run

EXPORT_SECONDS = 60.0


class Text(Message):
    """What is handed on."""

    text: str


@asynccontextmanager
async def ours(folder: Path, steps: int, text: str) -> AsyncIterator[Run]:
    """A chain of agents; its spans leave over OTLP HTTP as the environment says."""
    app = chain_of(steps).build(Text, Text)
    sent = Text(text=text)
    async with app.connect(f"sqlite:///{folder / 'ours.db'}") as service:

        async def run() -> None:
            done = await service.arun(sent, by="night-desk")
            assert done.status == "done" and done.result == sent, done
            assert await service.flow.drain(EXPORT_SECONDS), "the spans did not leave in time"

        yield run


def chain_of(steps: int) -> System:
    """The chain as a system."""
    system = System("chain", responsible="alice")
    before: Any = START
    for number in range(steps):
        node = system.agent(owner="team", name=f"n{number}")(_agent())
        system.edge(before, node, purpose="hand it on")
        before = node
    system.edge(before, END, purpose="hand it on")
    return system


def _agent() -> Any:
    async def agent(given: Text) -> Text:
        return Text(text=given.text)

    return agent
