"""A collector that is away for ten minutes at 202 spans a second, while the worker is killed three times.

In real time, so these run beside the other tests (`scripts/test`), not among them. `ANSWERABLE_SOAK_SECONDS` says for
how long; `make soak` has it be an hour. What the stock `BatchSpanProcessor` loses in the same minutes is printed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.delivery import measure, say
from benchmarks.worker import SPANS

SECONDS = float(os.environ.get("ANSWERABLE_SOAK_SECONDS", "600"))
KILLS = 3


@pytest.mark.soak
def test_nothing_is_lost_while_the_collector_is_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = measure(tmp_path, seconds=SECONDS, kills=KILLS)
    with capsys.disabled():
        print(f"\n{say(found)}")
    # beside the other tests it has what they leave
    assert found.ours > SPANS * SECONDS / 10, "the worker hardly worked, so nothing was shown"
    assert (found.ours_missing, found.ours_changed) == (0, 0)
    assert found.stock_missing > 0, "the comparison compares nothing"
