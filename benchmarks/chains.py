"""Chains: the same work for everybody, `steps` trivial nodes one after another that hand a text on.

1. A chain is an async context manager. It builds its graph, opens a database in the given folder, and gives a function
   that runs the graph once: that call, to its end, is what is measured.
2. What a run leaves to be done later belongs to it: whoever exports spans has them delivered before the call returns.
3. A chain imports only its own libraries, so that its memory is its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

Run = Callable[[], Awaitable[None]]
Chain = Callable[[Path, int, str], AbstractAsyncContextManager[Run]]  # folder, steps, text

SAVERS = ("sqlite_saver", "async_sqlite_saver")  # as they are shipped
NAMES = ("bare", *SAVERS, "sqlite_saver_normal", "openinference", "ours")


def chain(name: str, *, saver: str = "sqlite_saver") -> Chain:
    """The chain of this name; `saver` is what the traced peer stores its steps with."""
    if name == "ours":
        from benchmarks.ours import ours

        return ours
    from benchmarks import peers

    return peers.traced(saver) if name == "openinference" else peers.CHAINS[name]
