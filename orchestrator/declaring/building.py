"""From a declaration to a checked graph, or to the list of everything that is wrong with it.

1. Later checks are made only where the earlier ones left something to judge, so that one mistake is told once.
"""

from __future__ import annotations

import warnings

from answerable.errors import GraphError, Problem
from answerable.orchestrator.declaring.checks import (
    GraphWarning,
    approvals_fit,
    demands_fit,
    duplicates,
    multiplied,
    type_names,
    unfed,
)
from answerable.orchestrator.declaring.coverage import uncovered_effects
from answerable.orchestrator.declaring.declared import Declaration
from answerable.orchestrator.declaring.loops import close_loops
from answerable.orchestrator.declaring.nesting import Nesting
from answerable.orchestrator.declaring.resolve import resolve_edge, with_gates
from answerable.orchestrator.graph import END_NAME, Edge, Graph, Loop


def build_graph(declaration: Declaration) -> Graph:
    """The graph of `declaration`.

    Raises: GraphError with every mistake. Warns: GraphWarning (dataflow rule 5).
    """
    edges: list[Edge] = []
    problems: list[Problem] = []
    for declared in with_gates(declaration.edges, declaration.gates):
        found = resolve_edge(declared, declaration)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            edges.append(found)
    typed = not problems
    problems.extend(duplicates(edges))
    problems.extend(approvals_fit(declaration))
    problems.extend(demands_fit(declaration))
    loops: list[Loop] = []
    wrong: list[Problem] = []
    if typed:
        edges, loops, wrong = close_loops(edges, declaration)
    problems.extend(wrong)
    problems.extend(uncovered_effects(edges, declaration.nodes))
    if typed and not wrong:
        problems.extend(unfed(edges, declaration))
    if problems:
        raise GraphError(declaration.system, problems)
    nesting = Nesting(edges, loops, declaration)
    if nesting.problems:
        raise GraphError(declaration.system, nesting.problems)
    graph = Graph(
        system=declaration.system,
        responsible=declaration.responsible,
        tiers=declaration.tiers,
        segment_after=declaration.segment_after,
        demands=declaration.demands,
        nodes=declaration.nodes,
        edges=nesting.edges,
        loops=tuple(loops),
        input_type=declaration.input_type,
        output_type=declaration.output_type,
        order=tuple(node for node in nesting.order if node != END_NAME),
        shapes=nesting.shapes,
    )
    if clashes := list(type_names(graph.message_types())):
        raise GraphError(declaration.system, clashes)
    for text in multiplied(graph.edges, declaration):
        warnings.warn(text, GraphWarning, stacklevel=3)
    return graph
