"""`answerable exemptions`: what may pass without being asked about, and that the RI accepted it."""

from __future__ import annotations

from typing import Any

import click

from answerable.approvals.node import Approval
from answerable.approvals.who.identity import By, identified
from answerable.commands.acting import as_option, sign_option
from answerable.commands.options import json_option, service_option, store_option, system_option
from answerable.commands.programs import find_program
from answerable.commands.reaching import at_office, one_system, read
from answerable.commands.saying import say, say_json, table
from answerable.errors import UnknownId
from answerable.orchestrator.accepted import exemption_documents
from answerable.orchestrator.documents import handles
from answerable.orchestrator.graph import Graph
from answerable.orchestrator.office import Office


@click.group()
def exemptions() -> None:
    """Named rules that let a message pass an approval."""


@exemptions.command("list")
@service_option
@system_option
@store_option
@json_option
def list_(service: str, system: str, store: str, as_json: bool) -> None:
    """Each exemption that the system declares, or that was accepted in it, and whether it has force."""
    graph = _graph(service, system, store)

    async def work(office: Office) -> list[dict[str, Any]]:
        return await office.store.read(lambda tx: exemption_documents(tx, office.key, [graph], handles(tx)))

    found = [one for one in at_office(store, work) if one["system"] == graph.system]
    if as_json:
        say_json(found)
    else:
        rows = [[one["approval"], one["exemption"], _state(one)] for one in found]
        say(table("approval", "exemption", "state", rows=rows) if rows else "no exemption is declared")


@exemptions.command()
@click.argument("approval")
@as_option
@sign_option
@service_option
@system_option
@store_option
def accept(approval: str, by: By, service: str, system: str, store: str) -> None:
    """Let the exemption of APPROVAL be used, in its present version; only the Responsible Individual may."""
    graph = _graph(service, system, store)
    node = graph.nodes.get(approval)
    if not isinstance(node, Approval):
        raise UnknownId(f"{graph.system!r} has no approval {approval!r}", hint="`answerable graph` draws it")
    at_office(store, lambda office: office.accept_exemption(graph.system, node, by=by))
    which = f" {node.exempt.label}" if node.exempt else ""
    say(f"{identified(by).handle} has accepted the exemption{which} of {approval}")


def _state(one: dict[str, Any]) -> str:
    said = f"accepted by {one['by']}" if one["accepted"] else "has no force"
    return said if one["declared"] else f"{said}, and not declared any more"


def _graph(service: str, system: str, store: str) -> Graph:
    known = system if service else read(store, lambda tx: one_system(tx, system))
    graph: Graph = find_program(service, known, store).app.graph
    return graph
