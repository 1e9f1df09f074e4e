"""The program `answerable`: its commands, and how each of them fails.

1. A command's module is imported when the command is used, so that no command waits for what only another one needs.
2. An error of ours is one block on stderr, with its code and what to do; anything else is a bug, with its traceback.
3. The exit codes are in `exits.py`.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, Final

import click

from answerable.commands.exits import INTERRUPTED, REFUSED
from answerable.commands.options import TOKEN
from answerable.commands.saying import say_error, to_stderr
from answerable.errors import AnswerableError

COMMANDS: Final = {
    "approvals": "approvals",
    "approve": "decisions",
    "bundle": "bundle",
    "decisions": "decided",
    "delegate": "delegating",
    "delegations": "delegating",
    "demo": "demo",
    "edit": "decisions",
    "effects": "effects",
    "exemptions": "exemptions",
    "freeze": "freezes",
    "freezes": "freezes",
    "graph": "graph",
    "handover": "handover",
    "impact": "why",
    "holds": "holds",
    "inbox": "inbox",
    "keys": "keys",
    "ledger": "ledger",
    "notify": "notify",
    "people": "people",
    "reject": "decisions",
    "respond": "decisions",
    "rules": "rules",
    "reviews": "reviews",
    "revoke": "revoking",
    "runs": "runs",
    "serve": "serve",
    "show": "inbox",
    "store": "store",
    "thaw": "freezes",
    "token": "tokens",
    "traces": "traces",
    "why": "why",
    "work": "work",
}
"""Each command and the module of this package that has it, under the same name."""


class Program(click.Group):
    """The commands of `COMMANDS`, with our errors."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every command, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """One command, imported now."""
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"answerable.commands.{COMMANDS[name]}"), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, and say what went wrong."""
        ctx.meta[TOKEN] = os.environ.pop(TOKEN, "")
        try:
            return super().invoke(ctx)
        except AnswerableError as error:
            say_error(error)
            ctx.exit(REFUSED)
        except KeyboardInterrupt:
            to_stderr().print("stopped; what was recorded is kept")
            ctx.exit(INTERRUPTED)


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 waiting for a person, 4 a run ended otherwise "
    "than done, 5 what was compared differs, 6 an answer is partial, 130 stopped with Ctrl-C.",
)
@click.version_option(package_name="answerable")
def cli() -> None:
    """Multi-agent systems that somebody answers for."""
