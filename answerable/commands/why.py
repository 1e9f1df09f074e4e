"""`answerable why` and `answerable impact`: what led to something, and what followed from it, as a story."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
from rich.text import Text

from answerable.commands.exits import DONE, PARTIAL
from answerable.commands.options import json_option, reader_option, store_option
from answerable.commands.reaching import check_there, read_evidence
from answerable.commands.saying import say, say_json, to_stderr
from answerable.tracing.evidence.handing.handing import write_whole
from answerable.tracing.evidence.story.answers import explain
from answerable.tracing.evidence.story.document import document_of
from answerable.tracing.evidence.story.page import page_of
from answerable.tracing.evidence.story.story import Story
from answerable.tracing.evidence.story.terminal import in_terminal
from answerable.tracing.evidence.telling.labels import Question
from answerable.tracing.ledger.naming import catch_up
from answerable.tracing.storage.store import Tx, open_store

_FILE: Final = click.Path(dir_okay=False, path_type=Path)


def _command(question: Question) -> Callable[[Callable[..., None]], click.Command]:
    """A command that answers this question."""

    def decorate(function: Callable[..., None]) -> click.Command:
        @click.argument("id")
        @store_option
        @reader_option
        @json_option
        @click.option("--html", "page", type=_FILE, metavar="FILE", help="Write it as one HTML file, to be passed on.")
        @click.pass_context
        def command(ctx: click.Context, id: str, store: str, by: str, as_json: bool, page: Path | None) -> None:
            story = _read(question, id, store=store, by=by, form="html" if page else "json" if as_json else "terminal")
            if page is not None:
                write_whole(page, page_of(story).encode(), replace=True)
                to_stderr().print(Text(f"{question} {story.focus.id} is told in {page}"), soft_wrap=True)
            if as_json:
                say_json(document_of(story))
            elif page is None:
                say(in_terminal(story))
            ctx.exit(PARTIAL if story.partial else DONE)

        return click.command(question, help=function.__doc__)(command)

    return decorate


@_command("why")
def why(**_: Any) -> None:
    """What led to ID, who decided, and who answered for it.

    ID is that of an effect, message, crossing, step, request, decision or run, or what messages are about, such as a
    shipment's number.
    """


@_command("impact")
def impact(**_: Any) -> None:
    """Everything that followed from ID: messages, steps, requests, decisions, calls.

    ID is that of an effect, message, crossing, step, request, decision or run, or what messages are about, such as a
    shipment's number.
    """


def _read(question: Question, given: str, *, store: str, by: str, form: str) -> Story:
    check_there(store)

    async def prepare() -> None:
        opened = open_store(store)
        try:
            await catch_up(opened)
        finally:
            opened.close()

    def work(tx: Tx) -> tuple[Story, list[str]]:
        story = explain(tx, given, question)
        return story, list(dict.fromkeys((story.focus.id, story.run)))

    asyncio.run(prepare())
    return read_evidence(store, work, by=by, what=question, form=form)
