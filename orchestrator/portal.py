"""The blocking edge: a service's own event loop, in a thread, for scripts and notebooks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractContextManager
from threading import Event
from typing import Any, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

T = TypeVar("T")


class Portal:
    """Runs coroutines of one service on one event loop, whichever thread asks."""

    def __init__(self) -> None:
        self._manager: AbstractContextManager[BlockingPortal] | None = None
        self._portal: BlockingPortal | None = None

    @property
    def running(self) -> bool:
        """Whether the loop runs."""
        return self._portal is not None

    def start(self) -> None:
        """Start the loop's thread."""
        self._manager = start_blocking_portal("asyncio", name="answerable-service")
        self._portal = self._manager.__enter__()

    def stop(self) -> None:
        """End the thread, once everything on its loop has ended."""
        if self._manager is not None:
            self._manager.__exit__(None, None, None)
        self._manager = self._portal = None

    def call(self, fn: Callable[..., Coroutine[Any, Any, T]], /, *args: Any, **kwargs: Any) -> T:
        """Run `fn(*args, **kwargs)` on the loop and wait. Ctrl-C cancels it there and waits until it has let go."""
        if self._portal is None:
            raise RuntimeError("the service is not open: use `with app.connect(…) as service:`")
        let_go = Event()

        async def run() -> T:
            try:
                return await fn(*args, **kwargs)
            finally:
                let_go.set()

        future: Future[T] = self._portal.start_task_soon(run)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            let_go.wait()
            raise
