"""The blocking edge: a service's own event loop, in a thread, for scripts and notebooks.

1. The thread is a daemon: a script that forgot to close its service ends all the same, and nothing recorded is lost.
2. Ctrl-C cancels the call on the loop, and waits until it has let go.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class Portal:
    """Runs coroutines of one service on one event loop, whichever thread asks."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def running(self) -> bool:
        """Whether the loop runs."""
        return self._loop is not None

    def start(self) -> None:
        """Start the loop's thread. Raises: RuntimeError if it runs already."""
        if self.running:
            raise RuntimeError("the service is open already: close it before you open it again")
        started: Future[asyncio.AbstractEventLoop] = Future()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._work, args=(started,), name="answerable-service", daemon=True)
        self._thread.start()
        self._loop = started.result()

    def stop(self) -> None:
        """End the thread, once every call on its loop has ended."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
        self._thread = self._loop = None

    def call(self, fn: Callable[..., Coroutine[Any, Any, T]], /, *args: Any, **kwargs: Any) -> T:
        """Run `fn(*args, **kwargs)` on the loop and wait. Ctrl-C cancels it there and waits until it has let go.

        Raises: RuntimeError if the service is not open, or if this is the loop's own thread; what `fn` raises.
        """
        if self._loop is None:
            raise RuntimeError("the service is not open: use `with app.connect(…) as service:`")
        if threading.current_thread() is self._thread:
            raise RuntimeError("this is the service's own loop: await the verb with an `a` before its name")
        outcome: Future[T] = Future()
        tasks: list[asyncio.Task[T]] = []

        def begin() -> None:
            task = asyncio.get_running_loop().create_task(fn(*args, **kwargs))
            tasks.append(task)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(lambda done: _hand_over(done, outcome))

        self._loop.call_soon_threadsafe(begin)
        try:
            return outcome.result()
        except KeyboardInterrupt:
            if not outcome.done():
                self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks])
                wait([outcome])
            raise

    def _work(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        async def until_stopped() -> None:
            started.set_result(asyncio.get_running_loop())
            await self._stopping.wait()
            while self._tasks:
                await asyncio.wait(self._tasks)

        asyncio.run(until_stopped())


def _hand_over(done: asyncio.Task[T], outcome: Future[T]) -> None:
    if done.cancelled():
        outcome.cancel()
        outcome.set_running_or_notify_cancel()  # tells those who `wait()`
    elif (error := done.exception()) is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(done.result())


class HasPortal(Protocol):
    """What has blocking verbs."""

    portal: Portal


def blocking(
    verb: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Any, P], T]:
    """The blocking form of an async verb: the same, on the service's own event loop."""

    @wraps(verb)
    def call(self: HasPortal, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.portal.call(verb, self, *args, **kwargs)

    return call
