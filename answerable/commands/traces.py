"""`answerable traces`: what happened in a run, as a tree."""

from __future__ import annotations

import click
from rich.console import RenderableType

from answerable.commands.options import store_option
from answerable.commands.reaching import read, whole_id
from answerable.commands.saying import say
from answerable.orchestrator.documents import handles
from answerable.tracing.ledger.entries import records_of
from answerable.tracing.spans.tree import run_tree
from answerable.tracing.storage.store import Tx


@click.group()
def traces() -> None:
    """What happened, step by step."""


def tree_of(tx: Tx, run: str) -> RenderableType:
    """The tree of a run, persons by their handles."""
    return run_tree(records_of(tx, run), handles(tx))


@traces.command()
@click.argument("run")
@store_option
def show(run: str, store: str) -> None:
    """The tree of RUN: who did what, after what, how long it took, who decided, and what left."""
    say(read(store, lambda tx: tree_of(tx, whole_id(tx, "run", run))))
