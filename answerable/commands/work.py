"""`answerable work`: a worker, for as long as it is let.

It ends well on SIGTERM, with which containers and service managers stop a program, as on Ctrl-C: what is being done is
left where a crash would leave it, and what can be handed over at once is.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from answerable.commands.options import service_option, store_option
from answerable.commands.programs import find_program
from answerable.commands.reaching import check_there, one_system, read
from answerable.commands.saying import say


class _Stopped(KeyboardInterrupt):
    """SIGTERM came."""


@click.command()
@click.argument("system", default="")
@service_option
@store_option
def work(system: str, service: str, store: str) -> None:
    """Work for SYSTEM until stopped: what was decided, is overdue or was left behind goes on here."""
    check_there(store)
    with until_told():
        named = system if service else read(store, lambda tx: one_system(tx, system))
        with find_program(service, named, store) as opened:
            say(f"working for {opened.app.graph.system}")
            opened.serve()


@contextmanager
def until_told() -> Iterator[None]:
    """As long as the context lasts, SIGTERM ends it."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
        raise _Stopped

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except _Stopped:
        say("told to stop; what was recorded is kept")
    finally:
        signal.signal(signal.SIGTERM, before)
