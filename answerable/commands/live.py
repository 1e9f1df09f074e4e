"""The live view of a run: on a terminal the graph as it works; elsewhere a line for each thing that happens.

1. It is told what happens (`Progress`), and shows it; what is counted (hops, calls) is read from the store.
2. It never slows or stops a run: what it cannot read now, it shows later.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text
from sqlalchemy import bindparam, func, select

from answerable.agents.nodes import Agent, Effect
from answerable.agents.texts import plain, shortened
from answerable.approvals.node import Approval
from answerable.errors import StoreError
from answerable.orchestrator.drawing import MARKS, State
from answerable.orchestrator.graph import END_NAME, START_NAME, Graph
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.service import Service
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.runs import crossings, effects, steps

LONGEST_SAID: Final = 80  # characters of what a step emits
REFRESHES_PER_SECOND: Final = 8
LATEST_SHOWN: Final = 4
WIDE: Final = 120  # cells; from here on the purposes of the edges have room

_STATES: Final[Mapping[str, State]] = {
    "working": "working",
    "sent": "working",
    "done": "done",
    "failed": "failed",
    "refused": "failed",
    "waiting": "waiting",
    "in-doubt": "waiting",
    "frozen": "frozen",
}
_HOPS = Statement(
    select(crossings.c.target, func.count()).where(crossings.c.run == bindparam("run")).group_by(crossings.c.target)
)
_STEPS = Statement(
    select(steps.c.node, steps.c.state, func.count())
    .where(steps.c.run == bindparam("run"), steps.c.state.in_(["done", "failed"]))
    .group_by(steps.c.node, steps.c.state)
)
_CALLS = Statement(
    select(effects.c.name, effects.c.state, func.count())
    .where(effects.c.run == bindparam("run"))
    .group_by(effects.c.name, effects.c.state)
)


@dataclass
class NodeView:
    """What is known of one node: how many of its steps work, how many have ended, and since when it works."""

    state: State = "idle"
    working: int = 0
    ended: int = 0
    began: float | None = None
    took: float = 0.0
    said: str = ""


@dataclass
class RunPicture:
    """A run as it looks from outside, kept up to date by `tell`."""

    graph: Graph
    run: str
    clock: Callable[[], float] = time.monotonic
    nodes: dict[str, NodeView] = field(default_factory=dict)
    hops: Mapping[str, int] = field(default_factory=dict)
    calls: Mapping[str, Counter[str]] = field(default_factory=dict)
    latest: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.nodes = {name: NodeView() for name in (START_NAME, *self.graph.order, END_NAME)}
        self.nodes[START_NAME].state = "done"

    def tell(self, progress: Progress) -> None:
        """Something happened."""
        node = self.nodes.get(progress.node)
        if node is None or progress.run != self.run:
            return
        if progress.state == "emitted":
            node.said = shortened(plain(str(progress.value)), LONGEST_SAID)
            return
        if progress.state == "working":
            node.began = node.began if node.working else self.clock()
            node.working += 1
        elif progress.state != "sent":
            node.working = max(0, node.working - 1)
            node.ended += progress.state in ("done", "failed")
            node.took = self.clock() - node.began if node.began is not None else 0.0
        node.state = "working" if node.working else _STATES[progress.state]
        self.latest = [*self.latest[1 - LATEST_SHOWN :], sentence(progress)]

    def count(self, tx: Tx) -> None:
        """Count hops and calls anew; what was done before anybody looked is seen here."""
        for name, state, _ in tx.all(_STEPS, run=self.run):
            if name in self.nodes and self.nodes[name].state == "idle":
                self.nodes[name].state = "failed" if state == "failed" else "done"
        calls: dict[str, Counter[str]] = {}
        for name, state, count in tx.all(_CALLS, run=self.run):
            calls.setdefault(name, Counter())[state] = count
        self.hops = {str(target): int(count) for target, count in tx.all(_HOPS, run=self.run)}
        self.calls = calls

    def drawn(self, width: int) -> RenderableType:
        """The picture, at most `width` cells wide."""
        grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0), width=width)
        for ratio in (None, None, None, 1):
            grid.add_column(no_wrap=True, overflow="ellipsis", ratio=ratio)
        for name, node in self.nodes.items():
            mark, style = MARKS[node.state]
            into = self.hops.get(name, 0)
            grid.add_row(
                Text.assemble((f"{mark} ", style), (plain(name), style)),
                Text(self._kind(name), "dim"),
                Text(f"{into} in" if into else "", "dim", justify="right"),
                Text(self._doing(name, node, wide=width >= WIDE), style if node.state != "idle" else "dim"),
            )
        foot = Text(f"{sum(self.hops.values())} hops", "dim")
        for state, count in sorted(sum(self.calls.values(), Counter[str]()).items()):
            foot.append(f" · {count} calls {state}")
        return Group(grid, foot, *(Text(line, "dim", no_wrap=True, overflow="ellipsis") for line in self.latest))

    def _kind(self, name: str) -> str:
        node = self.graph.nodes.get(name)
        if isinstance(node, Approval):
            return f"asks {node.by}"
        if isinstance(node, Effect):
            return f"calls {node.receiver}" if node.receiver else "effect"
        return str(node.owner) if isinstance(node, Agent) else ""

    def _doing(self, name: str, node: NodeView, *, wide: bool) -> str:
        if name in self.calls:
            return ", ".join(f"{count} {state}" for state, count in sorted(self.calls[name].items()))
        if node.working and node.began is not None:
            return f"works for {self.clock() - node.began:.1f} s" + (f": {node.said}" if node.said else "")
        if node.state == "waiting":
            return "waits for a person"
        if node.state == "idle" and wide:
            purposes = [edge.purpose for edge in self.graph.edges if edge.target == name and not edge.implicit]
            return "; ".join(plain(purpose) for purpose in purposes)
        return f"{node.took:.1f} s" if node.took >= 0.05 else ""


def sentence(progress: Progress) -> str:
    """One thing that happened, in a line."""
    detail = progress.value if progress.state == "emitted" else progress.detail
    words = {"working": "works", "waiting": "waits for a person:", "emitted": "says"}.get(
        progress.state, progress.state
    )
    return f"{plain(progress.node)} {words} {plain(str(detail or ''))}".rstrip()


@contextmanager
def watched(service: Service[Any, Any], run: str, console: Console) -> Iterator[None]:
    """Show what happens in `run` on `console` while the context lasts."""
    if not console.is_terminal:
        with service.watching(lambda progress: _line(console, run, progress)):
            yield
        return
    picture = RunPicture(service.app.graph, run)

    def count() -> None:
        with suppress(StoreError, RuntimeError):  # busy, or closing: the next look will tell
            service.portal.call(service.store.read, picture.count)

    def draw() -> RenderableType:
        count()
        return picture.drawn(console.width)

    with (
        service.watching(picture.tell),
        Live(get_renderable=draw, console=console, refresh_per_second=REFRESHES_PER_SECOND, transient=False),
    ):
        yield


def _line(console: Console, run: str, progress: Progress) -> None:
    if progress.run == run:
        console.print(Text(sentence(progress)), soft_wrap=True)
