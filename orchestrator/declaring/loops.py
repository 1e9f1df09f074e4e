"""Loops: where each begins, which edges repeat it, and how it is left when its budget is used up.

1. Loops lie side by side or one inside the other. Every node of a loop is on a cycle within it.
2. Its header is the node that is entered from outside on an input that is also fed from inside, and that all of its
   cycles, those of inner loops aside, pass through; the first such one in the order of `loop(…)`.
3. An edge within a loop into its header is its back edge. Each has an implicit exit edge from the same output to
   `then`, which takes what it carries.
4. A cycle that no loop's back edges cut has no budget, and is a mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from answerable.errors import Problem
from answerable.orchestrator.declaring.declared import Declaration, DeclaredLoop
from answerable.orchestrator.declaring.resolve import inputs_of, listed, names
from answerable.orchestrator.graph import END_NAME, Edge, Loop, reachable


def close_loops(edges: Sequence[Edge], of: Declaration) -> tuple[list[Edge], list[Loop], list[Problem]]:
    """The edges with back edges marked and exit edges added, the loops (inner before outer), and what is wrong."""
    edges = list(edges)
    problems = list(_shape_problems(of.loops))
    loops: list[Loop] = []
    if not problems:
        for declared in sorted(of.loops, key=lambda loop: (len(loop.nodes), loop.name)):
            header = _idle(declared, edges) or _header(declared, edges, of.loops)
            if isinstance(header, Problem):
                problems.append(header)
                break  # what lies around it cannot be judged
            loop = Loop(
                name=declared.name,
                nodes=frozenset(declared.nodes),
                header=header,
                at_most=declared.at_most,
                then=declared.then.node,
            )
            loops.append(loop)
            edges, wrong = _close(loop, edges, of)
            problems.extend(wrong)
    if not problems:
        problems.extend(_never_begun(edges))
        problems.extend(_unbounded(edges, of))
    return edges, loops, problems


def on_cycles(edges: Iterable[Edge], nodes: Iterable[str]) -> frozenset[str]:
    """Those of `nodes` that lie on a cycle of `edges` within `nodes`."""
    inside = list(nodes)
    closure = reachable([edge for edge in edges if edge.source in inside and edge.target in inside], inside)
    return frozenset(node for node in inside if node in closure[node])


def _shape_problems(loops: Sequence[DeclaredLoop]) -> Iterator[Problem]:
    for place, loop in enumerate(loops):
        nodes = set(loop.nodes)
        where = f"loop {loop.name}"
        for other in loops[:place]:
            shared = nodes & set(other.nodes)
            if shared and not (nodes < set(other.nodes) or nodes > set(other.nodes)):
                yield Problem(
                    code="loops-overlap",
                    where=f"{where}, loop {other.name}",
                    what=f"they share {', '.join(sorted(shared))}, and neither lies inside the other",
                    do="put one inside the other, or make one loop of both",
                )
        if loop.then.node in nodes:
            yield Problem(
                code="loop-then-inside",
                where=where,
                what=f"its way out, {loop.then.node}, is a part of it",
                do="let then= name a node outside of the loop",
            )


def _idle(loop: DeclaredLoop, edges: Sequence[Edge]) -> Problem | None:
    nodes = set(loop.nodes)
    closure = reachable([edge for edge in edges if edge.source in nodes and edge.target in nodes], loop.nodes)
    if all(nodes <= closure[node] for node in nodes):
        return None
    idle = sorted(node for node in nodes if node not in closure[node])
    return Problem(
        code="loop-idle-node",
        where=f"loop {loop.name}",
        what=f"{', '.join(idle)} never repeats in it" if idle else "it falls apart into several loops",
        do="name exactly the nodes that repeat together, or add the edge that is missing",
    )


def _header(loop: DeclaredLoop, edges: Sequence[Edge], loops: Sequence[DeclaredLoop]) -> str | Problem:
    body = set(loop.nodes)
    outlets = {other.then.node for other in loops if other is not loop}
    entries = []
    for node in loop.nodes:
        feeds = [edge for edge in edges if edge.target == node]
        outside = {edge.input for edge in feeds if edge.source not in body}
        inside = {edge.input for edge in feeds if edge.source in body}
        if outside & inside or (node in outlets and inside):
            entries.append(node)
    if not entries:
        return Problem(
            code="loop-no-entry",
            where=f"loop {loop.name}",
            what="no input is fed both from outside, to begin it, and from inside, to repeat it",
            do="let the node that begins it take what starts it or what repeats it in one input, annotated A | B",
        )
    forward = [edge for edge in edges if edge.back is None and edge.source in body and edge.target in body]
    for node in entries:
        if not on_cycles([edge for edge in forward if edge.target != node], body):
            break
    else:
        cycle = ", ".join(sorted(on_cycles([edge for edge in forward if edge.target != entries[0]], body)))
        return Problem(
            code="loop-second-cycle",
            where=f"loop {loop.name}",
            what=f"it begins at {entries[0]}, and {cycle} repeat without passing it",
            do="declare these as a loop of their own, inside this one",
        )
    for inner in loops:
        if set(inner.nodes) < body and node in inner.nodes and not _begins_at(node, inner, edges):
            return Problem(
                code="loops-overlap",
                where=f"loop {loop.name}, loop {inner.name}",
                what=f"the outer one begins at {node}, in the middle of the inner one",
                do="let the outer loop begin outside of the inner one, or at its beginning",
            )
    return node


def _begins_at(node: str, inner: DeclaredLoop, edges: Sequence[Edge]) -> bool:
    """Whether `inner` begins at `node`. Its back edges are marked already, as inner loops are closed first."""
    return any(edge.target == node and edge.back is not None and edge.back.name == inner.name for edge in edges)


def _close(loop: Loop, edges: Sequence[Edge], of: Declaration) -> tuple[list[Edge], list[Problem]]:
    closed: list[Edge] = []
    exits: list[Edge] = []
    problems: list[Problem] = []
    for edge in edges:
        if edge.target != loop.header or edge.source not in loop.nodes or edge.back is not None:
            closed.append(edge)
            continue
        outlet = _exit(loop, edge, of)
        if isinstance(outlet, Problem):
            problems.append(outlet)
        else:
            closed.append(replace(edge, back=loop, exit=outlet.id))
            exits.append(outlet)
    return closed + exits, problems


def _never_begun(edges: Sequence[Edge]) -> Iterator[Problem]:
    for edge in edges:
        feeds = [other for other in edges if (other.target, other.input) == (edge.target, edge.input)]
        if edge.back is not None and all(other.source in edge.back.nodes for other in feeds):
            yield Problem(
                code="loop-never-begins",
                where=f"loop {edge.back.name}, {edge}",
                what=f"the input {edge.input!r} of {edge.target}, where it begins, is fed from inside only",
                do="feed it from outside too, or let another input take either message",
            )


def _exit(loop: Loop, back: Edge, of: Declaration) -> Edge | Problem:
    inputs = inputs_of(loop.then, of)
    if back.gather:
        fitting = [
            entry
            for entry in inputs
            if entry.gathers is not None and all(issubclass(kind, entry.gathers) for kind in back.carries)
        ]
    else:
        fitting = [entry for entry in inputs if all(entry.accepts(kind) for kind in back.crossing_types)]
    if len(fitting) != 1:
        return Problem(
            code="loop-then-type",
            where=f"loop {loop.name}, {back}",
            what=f"when the budget is used up, {names(back.crossing_types)} goes to {loop.then}, "
            + (f"where it could go into {listed(fitting)}" if fitting else f"which accepts {listed(inputs)}"),
            do=f"let exactly one input of {loop.then} take it, or let then= name another node",
        )
    return Edge(
        id=f"{back.id}~{loop.then}.{fitting[0].name}",
        source=back.source,
        port=back.port,
        target=loop.then,
        input=fitting[0].name,
        carries=back.carries,
        purpose=f"budget of {loop.at_most} used up",
        each=back.each,
        item=back.item,
        gather=back.gather,
        implicit=True,
    )


def _unbounded(edges: Sequence[Edge], of: Declaration) -> Iterator[Problem]:
    forward = [edge for edge in edges if edge.back is None]
    left = set(on_cycles(forward, [*of.nodes, END_NAME]))
    closure = reachable(forward, ["START", *of.nodes, END_NAME])
    for first in of.nodes:
        if first in left:
            cycle = [node for node in of.nodes if node in left and node in closure[first] and first in closure[node]]
            left -= set(cycle)
            yield Problem(
                code="cycle-unbounded",
                where=" → ".join(cycle),
                what="these nodes lead back to themselves without a budget",
                do=f"declare system.loop({', '.join(cycle)}, at_most=…, then=…)",
            )
