"""How a command ends: its exit code.

| code | meaning |
|---|---|
| 0 | done |
| 1 | refused or failed: the error on stderr says why, and what to do |
| 2 | the command was not written as it has to be |
| 3 | a run waits for a person, or stands still because it is frozen |
| 4 | a run has ended otherwise than done: denied, stuck, failed or cancelled |
| 5 | what was compared differs: Jaeger does not hold what the ledger says, or the ledger what was recorded |
| 6 | an answer is partial: some of what it rests on is damaged or missing |
| 130 | stopped with Ctrl-C; nothing that was recorded is lost |
"""

from __future__ import annotations

from typing import Final

DONE: Final = 0
REFUSED: Final = 1
WAITING: Final = 3
ENDED_OTHERWISE: Final = 4
DIFFERS: Final = 5
PARTIAL: Final = 6
INTERRUPTED: Final = 130

_STANDING = ("running", "waiting", "frozen")


def exit_code(status: str) -> int:
    """The exit code of a command that leaves a run with this status."""
    if status == "done":
        return DONE
    return WAITING if status in _STANDING else ENDED_OTHERWISE
