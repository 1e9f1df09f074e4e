"""`python -m answerable`, and the program `answerable`."""

from __future__ import annotations

from answerable.commands.cli import cli


def main() -> None:
    """Run the command line."""
    cli(prog_name="answerable")


if __name__ == "__main__":
    main()
