"""The worker: what all executions of a service share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from answerable.agents.messages import Message
from answerable.approvals.rules.judging import RuleBook
from answerable.approvals.sealing.keys import Key
from answerable.orchestrator.graph import Graph
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.running.accepted import Asking, AskingBook
from answerable.tracing.storage.store import Store


@dataclass(frozen=True, kw_only=True)
class Worker:
    """What all executions of a service share. `name` tells this process from others; `host` stands on records."""

    graph: Graph
    store: Store
    key: Key
    name: str
    host: str
    deps: Any
    origins: Mapping[str, str]
    types: Mapping[str, type[Message]]
    progress: Callable[[Progress], None]
    sampled: Callable[[str], bool]  # whether a run is projected to spans
    committed: Callable[[], None]  # told after each commit, so that what follows the ledger may go on
    rules: RuleBook = field(default_factory=RuleBook)
    asking: AskingBook = field(default_factory=AskingBook)

    async def asks(self, approval: str) -> Asking:
        """How an approval asks now, or did a moment ago. Raises: StoreError."""
        return await self.asking.get(self.graph, self.store, self.key, approval)
