"""`python -m answerable`, and the program `answerable`."""

from __future__ import annotations

import gc
import sys

INTERRUPTED = 130  # as `commands/exits.py` says it; nothing of ours is imported yet


def main() -> None:
    """Run the command line. Ctrl-C while its commands are still being imported ends it like any other Ctrl-C."""
    try:
        gc.disable()  # what is imported stays: looking through it again and again is a sixth of a command's start
        from answerable.commands.cli import cli  # here, so that Ctrl-C while it is imported is noticed, too

        gc.freeze()
        gc.enable()
        cli(prog_name="answerable")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
