"""The tree of a run in the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from answerable.agents.texts import plain
from answerable.tracing.ledger.entries import Entry
from answerable.tracing.spans.tree import length, run_tree
from tests.support.story import DESK, LEAD, RI, Story, whole_run

NAMES = {RI: "alice", LEAD: "lead", DESK: "night-desk"}

WHOLE = """\
logistics  run_11111111111111111111111111111111
started by night-desk, answered for by alice
├── forecast  100 ms  unfinished  this attempt did not finish
├── forecast  100 ms · waited 300 ms  done
│   ├── plan  100 ms · waited 100 ms  done
│   │   └── review  100 ms · waited 100 ms  done
│   └── plan  100 ms · waited 100 ms  done
│       └── sign-off  600 ms · waited 200 ms · 60 inversions  done
│           ├── awaiting a decision  700 ms  approved (as-proposed) by lead
│           ├── carrier.dispatch  withdrawn
│           ├── carrier.dispatch  300 ms · waited 300 ms  done
│           │   └── POST  100 ms · HTTP 201  done
│           ├── carrier.dispatch  400 ms · waited 700 ms  done
│           │   ├── POST  100 ms  unanswered  no answer was recorded
│           │   └── POST  100 ms · HTTP 201  done
│           ├── carrier.dispatch  200 ms  in-doubt
│           │   ├── POST  100 ms  in-doubt  ReadTimeout
│           │   └── in doubt  100 ms  done by lead
│           └── carrier.dispatch  100 ms · waited 1.6 s  done
│               └── report  100 ms · waited 200 ms  done
└── run done
done, 14 messages crossed an edge, 34 spans, 1 left over
"""


def shown(story: Story, *, width: int = 80, first: int = 10_000) -> str:
    entries = [Entry(id=place, seq=None, record=read.record) for place, read in enumerate(story.placed()[:first])]
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(run_tree(entries, NAMES))
    printed = console.file
    assert isinstance(printed, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in printed.getvalue().splitlines())


def test_a_whole_run() -> None:
    assert shown(whole_run()) == WHOLE


def test_what_goes_on_is_shown_where_it_belongs() -> None:
    story = Story()
    story.start()
    taken = story.cross("START", "sign-off")
    step = story.step_id("sign-off")
    request = story.ask("sign-off", step, {"as-proposed": ("eff_1",)})
    story.finish("sign-off", "sign-off", [taken], role="approval")
    story.cross("START", "forecast")
    story.begin("forecast", "forecast", attempt=2)
    lines = shown(story, width=100).splitlines()
    assert lines[3].startswith("│   └── awaiting a decision") and lines[3].endswith(request)
    assert lines[4] == "└── forecast  attempt 2, not finished"
    assert lines[5] == "running, 2 messages crossed an edge, 2 spans, 1 messages wait"


def test_a_call_without_an_answer_is_never_left_out() -> None:
    story = Story()
    story.start()
    request = story.ask("sign-off", "", {"as-proposed": ("eff_1",)})
    story.send("eff_1", "", story.decide(request, "sign-off", ""))
    assert "carrier.dispatch  sent eff_1" in shown(story)
    story.doubt("eff_1", "")
    assert "carrier.dispatch  in-doubt eff_1" in shown(story)


def test_what_others_wrote_cannot_move_the_cursor_or_turn_the_text() -> None:
    story = Story()
    story.start()
    taken = story.cross("START", "forecast")
    story.finish("forecast", "forecast", [taken], outcome="failed", error="\x1b[2J\u202eevil [bold]x[/bold]")
    text = shown(story)
    assert "\x1b" not in text and "\u202e" not in text
    assert "\\u001b[2J\\u202eevil [bold]x[/bold]" in text


def test_a_person_that_nobody_knows_stays_an_id_and_no_records_are_no_tree() -> None:
    story = Story()
    story.start()
    story.records[0] = story.records[0].model_copy(update={"started_by": "prs_0123456789abcdef"})
    assert "started by prs_01234567, answered for by alice" in shown(story)
    assert shown(Story()) == "nothing is recorded of this run\n"


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (-5, "0 ms"),
        (15_400, "15 ms"),
        (2_440_000, "2.4 s"),
        (200_000_000, "3 min 20 s"),
        (18_420_000_000, "5 h 7 min"),
        (187_200_000_000, "2 d 4 h"),
    ],
)
def test_lengths(micros: int, text: str) -> None:
    assert length(micros) == text


def test_plain_keeps_what_is_printable() -> None:
    assert plain("Zürich → 東京") == "Zürich → 東京"
    assert plain("a\nb") == "a\\u000ab"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a b-ü \U0001f469\u200d", "a b-ü \U0001f469\\u200d"),
        ("\u202eevil\x1b[2J\x07", "\\u202eevil\\u001b[2J\\u0007"),
        ("\u3164\u2800\u034f", "\\u3164\\u2800\\u034f"),  # printable, and not to be seen
        ("\ufe01\U000e0101\U000e0041", "\\ufe01\\U000e0101\\U000e0041"),  # hidden words
        ("a\nb\u2028c", "a\\u000ab\\u2028c"),
        ("❤\ufe0f", "❤\ufe0f"),
    ],
)
def test_what_is_not_seen_or_reads_otherwise_is_shown_as_what_it_is(text: str, shown: str) -> None:
    assert plain(text) == shown
