"""A story in the terminal, at any width; the places of its records stand beside it where there is room.

What somebody else wrote is shown as plain text: control and bidirectional characters are made visible.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text as RichText

from answerable.agents.texts import plain
from answerable.tracing.clock import Micros
from answerable.tracing.evidence.story.story import Story
from answerable.tracing.evidence.telling.words import Line, Text, plural, spelled

WIDE: Final = 110  # cells from which on the places of records are shown
_STYLES: Final = {
    "": "",
    "person": "bold magenta",
    "node": "bold",
    "type": "cyan",
    "strong": "bold",
    "good": "green",
    "bad": "red",
    "open": "yellow",
    "quiet": "dim",
    "purpose": "italic",
    "agent": "italic yellow",
    "said": "italic",
    "payload": "",
}
MARKS: Final = {
    "start": ("▶", "bold"),
    "request": ("?", "bold yellow"),
    "decision": ("◆", "bold magenta"),
    "done": ("→", "bold green"),
    "sent": ("→", "bold yellow"),
    "failed": ("✗", "bold red"),
    "died": ("✗", "red"),
    "doubt": ("!", "bold red"),
    "alarm": ("!", "bold red"),
    "refused": ("✗", "bold red"),
    "freeze": ("■", "bold blue"),
    "authority": ("◇", "magenta"),
    "result": ("■", "bold green"),
    "end": ("■", "bold"),
}


def in_terminal(story: Story, *, zone: tzinfo | None = None) -> RenderableType:
    """A story to be printed; times in `zone`, the local one if None."""
    parts: list[RenderableType] = [RichText.assemble(_rich(story.title), style="bold underline")]
    about = "" if story.focus.id == story.run else f"{story.focus.id} in "
    parts.append(RichText(plain(f"{about}{story.run}"), "dim"))
    parts += [RichText(f"Partial: {plain(why)}", "bold red") for why in story.partial]
    parts.append(RichText())
    parts += [_rich(sentence) for sentence in story.answer]
    parts.append(RichText())
    parts.append(_Lines(story, zone))
    for note in story.notes:
        parts += [RichText(), _rich(note)]
    return Group(*parts)


class _Lines:
    """The lines, as a table that knows how wide it may be."""

    def __init__(self, story: Story, zone: tzinfo | None) -> None:
        self.story = story
        self.zone = zone

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.max_width >= WIDE
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0), expand=False)
        table.add_column(no_wrap=True, style="dim")
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        if wide:
            table.add_column(no_wrap=True, style="dim", justify="right")
        day = ""
        for line in self.story.lines:
            when = self._when(line.at)
            if when[:10] != day:
                day = when[:10]
                table.add_row(*(RichText(""),) * 2, RichText(f"{day} ({self._zone(line.at)})", "dim"))
            row: list[RenderableType] = [RichText(when[11:19]), RichText.assemble(MARKS.get(line.sort, ("·", "dim")))]
            row.append(Group(*self._told(line)))
            if wide:
                row.append(RichText(_records(line)))
            table.add_row(*row)
        yield table

    def _told(self, line: Line) -> Iterator[RenderableType]:
        told = _rich(line.text)
        if line.count > 1:
            told.append(f"  × {line.count}, until {self._when(line.until)[11:19]}", style="bold")
        yield told
        for more in line.more:
            yield Padding(_rich(more), (0, 0, 0, 2))
        if line.table:
            yield Padding(_table(line.table), (0, 0, 0, 2))

    def _when(self, at: Micros) -> str:
        return self._local(at).isoformat(sep=" ")

    def _zone(self, at: Micros) -> str:
        return f"times in {self._local(at).tzname()}"

    def _local(self, at: Micros) -> datetime:
        return datetime.fromtimestamp(at / 1e6, UTC).astimezone(self.zone)


def _table(rows: Sequence[Sequence[Text]]) -> Table:
    head, *others = rows
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for place, cell in enumerate(head):
        table.add_column(_rich(cell), justify="right" if place else "left", overflow="fold")
    for row in others:
        table.add_row(*map(_rich, row))
    return table


def _records(line: Line) -> str:
    return f"record {line.seqs[0]}" if line.count == 1 else plural(len(line.seqs), "record")


def _rich(words: Text) -> RichText:
    return RichText.assemble(*((plain(spelled(piece)), _STYLES[piece.kind]) for piece in words))
