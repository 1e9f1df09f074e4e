"""Drawings of a graph: as Mermaid for a page, and as lines for a terminal.

1. Every edge is drawn, with what it carries and what it is for; the implicit ones out of a loop are dashed.
2. A line that is too long for the terminal ends in "…".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from rich.text import Text

from answerable.agents.nodes import Agent, Effect, Node
from answerable.approvals.node import Approval
from answerable.orchestrator.graph import END_NAME, START_NAME, Edge, Graph, Loop

State: TypeAlias = Literal["idle", "working", "waiting", "done", "failed", "frozen"]

MARKS: Mapping[State, tuple[str, str]] = {
    "idle": ("○", "dim"),
    "working": ("◐", "cyan"),
    "waiting": ("◆", "yellow"),
    "done": ("●", "green"),
    "failed": ("✗", "red"),
    "frozen": ("■", "blue"),
}


def mermaid(graph: Graph) -> str:
    """The graph as a Mermaid flowchart. Loops are boxes, approvals hexagons, effects have double sides."""
    ids = {node: f"n{place}" for place, node in enumerate((START_NAME, *graph.nodes, END_NAME))}
    lines = ["flowchart TD", f'  {ids[START_NAME]}(["{START_NAME}"])']
    lines.extend(_mermaid_nodes(graph, ids, inside=None, indent="  "))
    lines.append(f'  {ids[END_NAME]}(["{END_NAME}"])')
    for edge in graph.edges:
        arrow = "-.->" if edge.implicit else "-->"
        label = _escaped(f"{carried(edge)}: {edge.purpose}")
        lines.append(f'  {ids[edge.source]} {arrow}|"{label}"| {ids[edge.target]}')
    return "\n".join(lines) + "\n"


def terminal(graph: Graph, *, width: int, states: Mapping[str, State] | None = None) -> Text:
    """The graph as lines of at most `width` cells: every node, and under it the edges that leave it.

    `states` (node → state) marks and colours the nodes; a node that is not in it is idle.
    """
    lines = [Text.assemble((graph.system, "bold"), f", answered for by {graph.responsible}")]
    if graph.segment_after is not None:
        lines.append(Text(f"a wait of more than {graph.segment_after:g} s begins a new trace", "dim"))
    for name in (START_NAME, *graph.order, END_NAME):
        lines.append(_node_line(graph, name, states))
        leaving = [edge for edge in graph.edges if edge.source == name]
        lines.extend(_edge_line(edge, last=edge is leaving[-1]) for edge in leaving)
    lines.extend(Text(f"↻ {_loop_label(loop)}, then {loop.then}", "dim") for loop in graph.loops)
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n").join(lines)


def carried(edge: Edge) -> str:
    """What crosses `edge`, in words: `Plan`, `Rejected | Expired`, `each Dispatch of dispatches`, `all Receipt`."""
    kinds = " | ".join(kind.__name__ for kind in edge.crossing_types)
    if edge.each is not None:
        kinds = f"each {kinds} of {edge.each}"
    if edge.gather:
        kinds = f"all {kinds}"
    return kinds if edge.condition is None else f"{kinds} when {edge.condition}"


def _mermaid_nodes(graph: Graph, ids: Mapping[str, str], *, inside: Loop | None, indent: str) -> Iterable[str]:
    for name, node in graph.nodes.items():
        if _innermost(graph, name) is inside:
            opening, closing = _mermaid_shape(node)
            yield f'{indent}{ids[name]}{opening}"{_escaped(name)}"{closing}'
    for place, loop in enumerate(graph.loops):
        if _around(graph, loop) is inside:
            yield f'{indent}subgraph l{place}["{_escaped(_loop_label(loop))}"]'
            yield from _mermaid_nodes(graph, ids, inside=loop, indent=indent + "  ")
            yield f"{indent}end"


def _mermaid_shape(node: Node[Any, Any]) -> tuple[str, str]:
    if isinstance(node, Approval):
        return "{{", "}}"
    return ("[[", "]]") if isinstance(node, Effect) else ("[", "]")


def _innermost(graph: Graph, node: str) -> Loop | None:
    """The smallest loop that `node` lies in; `Graph.loops` has inner ones first."""
    return next((loop for loop in graph.loops if node in loop.nodes), None)


def _around(graph: Graph, loop: Loop) -> Loop | None:
    """The smallest loop that `loop` lies in."""
    return next((outer for outer in graph.loops if loop.nodes < outer.nodes), None)


def _loop_label(loop: Loop) -> str:
    return f"loop {loop.name}, at most {loop.at_most}"


def _escaped(text: str) -> str:
    """`text` for a quoted Mermaid label: its special characters as entities, so that none ends the label."""
    return "".join(f"#{ord(letter)};" if letter in '"#;<>&|`\\\n\r' else letter for letter in text)


def _node_line(graph: Graph, name: str, states: Mapping[str, State] | None) -> Text:
    mark, style = MARKS[(states or {}).get(name, "idle")]
    line = Text.assemble((f"{mark} ", style), (name, "bold" if states is None else style))
    node = graph.nodes.get(name)
    if isinstance(node, Agent):
        line.append(f"  agent of {node.owner}", "dim")
    elif isinstance(node, Approval):
        line.append(f"  approval by {node.by}", "dim")
    elif isinstance(node, Effect):
        to = "opaque" if node.receiver is None else f"to {node.receiver}"
        line.append(f"  effect {to}, {node.guarantee}", "dim")
    return line


def _edge_line(edge: Edge, *, last: bool) -> Text:
    branch = ("╰" if last else "├") + ("╌" if edge.implicit else "─")
    port = f"{edge.port}: " if edge.port else ""
    return Text.assemble(
        (f"  {branch} ", "dim"), f"{port}{carried(edge)} → {edge.target}", (f"  {edge.purpose}", "dim italic")
    )
