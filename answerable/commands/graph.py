"""`answerable graph`: a system as it was declared."""

from __future__ import annotations

import click

from answerable.commands.options import service_option, store_option
from answerable.commands.programs import find_program
from answerable.commands.reaching import one_system, read
from answerable.commands.saying import say, to_stdout
from answerable.orchestrator.drawing import mermaid, terminal
from answerable.orchestrator.graph import Graph


@click.command()
@click.argument("system", default="")
@click.option("--mermaid", "as_mermaid", is_flag=True, help="As a Mermaid flowchart.")
@service_option
@store_option
def graph(system: str, as_mermaid: bool, service: str, store: str) -> None:
    """Draw SYSTEM: its nodes, its edges, what they carry and what for. Default: the only system of the store."""
    named = system if system or service else read(store, lambda tx: one_system(tx, ""))
    drawn: Graph = find_program(service, named, store).app.graph
    if as_mermaid:
        print(mermaid(drawn), end="")
    else:
        say(terminal(drawn, width=to_stdout().width))
