"""The checks of a whole system that need its edges, one by one: what is fed, what is used, and what fits.

Each mistake is a `Problem` with a stable code. The checks that need more of the graph have modules of their own:
`resolve` (types), `loops`, `nesting` (scopes), `coverage` (effects).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from answerable.agents.hints import is_message
from answerable.agents.messages import Message
from answerable.agents.nodes import Agent
from answerable.agents.prioritization import Prioritization
from answerable.approvals.node import Approval
from answerable.errors import Problem
from answerable.orchestrator.declaring.declared import Declaration
from answerable.orchestrator.declaring.functions import option_type, parameter_hints, takes
from answerable.orchestrator.graph import END_NAME, START_NAME, Edge, reachable


class GraphWarning(UserWarning):
    """Something in a graph is allowed, and often not what was meant."""


def duplicates(edges: Sequence[Edge]) -> Iterator[Problem]:
    """Two edges that bring the same messages from one output to one input."""
    for place, edge in enumerate(edges):
        for other in edges[:place]:
            same = (edge.source, edge.port, edge.target, edge.input, edge.each) == (
                other.source,
                other.port,
                other.target,
                other.input,
                other.each,
            )
            if same and (shared := set(edge.carries) & set(other.carries)):
                yield Problem(
                    code="duplicate-edge",
                    where=f"{other}, {edge}",
                    what=f"both bring {' | '.join(sorted(kind.__name__ for kind in shared))} to the same input",
                    do="leave one out; if each has a condition, make one condition of both",
                )


def unfed(edges: Sequence[Edge], of: Declaration) -> Iterator[Problem]:
    """Nodes that nothing reaches, inputs that nothing feeds, END among them, and outputs of agents that go nowhere."""
    reached = reachable(edges, [START_NAME, *of.nodes, END_NAME])[START_NAME]
    fed = {(edge.target, edge.input) for edge in edges}
    used = {(edge.source, kind) for edge in edges for kind in edge.carries}
    for name, node in of.nodes.items():
        if name not in reached:
            yield Problem(
                code="node-unreached",
                where=name,
                what="nothing that starts at START leads to it",
                do="add the edge that is missing, or remove the node",
            )
            continue
        for entry in node.inputs:
            if (name, entry.name) not in fed:
                yield Problem(
                    code="input-unfed",
                    where=name,
                    what=f"no edge brings it {entry}, so it can never run",
                    do=f"add an edge to {name} that carries it",
                )
        for kind in node.outputs:
            if isinstance(node, Agent) and (name, kind) not in used:
                yield Problem(
                    code="output-unused",
                    where=name,
                    what=f"it returns {kind.__name__}, and no edge takes it from there",
                    do=f"add an edge that carries {kind.__name__}, or let it return None where nothing follows",
                )
    if END_NAME not in reached:
        yield Problem(
            code="end-unfed",
            where=END_NAME,
            what=f"nothing that starts at START leads to it, so a run has no {of.output_type.__name__}",
            do=f"add an edge to END from a node that returns {of.output_type.__name__}",
        )


def approvals_fit(of: Declaration) -> Iterator[Problem]:
    """Exemptions and options that do not fit their approval, and prioritizations that nobody can weigh."""
    for name, node in of.nodes.items():
        if not isinstance(node, Approval):
            continue
        where = f"approval {name}"
        if node.exempt is not None:
            what = f"the exemption {node.exempt.name!r}"
            yield from _judges(node, node.exempt.fn, of, where=where, what=what, code="exemption-signature")
        if node.options is not None:
            what = f"the function {getattr(node.options, '__name__', repr(node.options))!r} for options"
            yield from _judges(node, node.options, of, where=where, what=what, code="options-signature")
            returned = option_type(node.options, what=where)
            if not is_message(returned) or not (issubclass(returned, node.of) or issubclass(node.of, returned)):
                yield Problem(
                    code="options-signature",
                    where=where,
                    what=f"{what} does not return dict[str, {node.of.__name__}]",
                    do=f"let each option be a {node.of.__name__}, by name",
                )
        if node.context is not None:
            what = f"the function {getattr(node.context, '__name__', repr(node.context))!r} for rules' context"
            yield from _judges(node, node.context, of, where=where, what=what, code="context-signature")
        if issubclass(node.of, Prioritization) and of.demands is None:
            yield Problem(
                code="no-tiers",
                where=where,
                what=f"{node.of.__name__} is a prioritization, and the system does not know what it ranks",
                do=f"declare System(…, tiers=[…]) and @system.tiers({of.input_type.__name__})",
            )


def demands_fit(of: Declaration) -> Iterator[Problem]:
    """A function for tiers that does not take the run's input."""
    if of.demands is None or of.demands_of is None:
        return
    hints = parameter_hints(of.demands, what="tiers")
    if not issubclass(of.input_type, of.demands_of) or len(hints) != 1 or not takes(hints[0], of.input_type):
        yield Problem(
            code="tiers-signature",
            where=f"tiers of {of.system}",
            what=f"{of.demands.__name__!r} does not take the run's input, {of.input_type.__name__}",
            do=f"declare it with @system.tiers({of.input_type.__name__}) and give it that one parameter",
        )


def type_names(kinds: Sequence[type[Message]]) -> Iterator[Problem]:
    """Message types that share a name, which is how a stored message names its type."""
    known: dict[str, type[Message]] = {}
    for kind in kinds:
        other = known.setdefault(kind.__name__, kind)
        if other is not kind:
            yield Problem(
                code="type-name",
                where=kind.__name__,
                what=f"{other.__module__}.{other.__qualname__} and {kind.__module__}.{kind.__qualname__} share a name",
                do="rename one: a stored message names its type",
            )


def multiplied(edges: Sequence[Edge], of: Declaration) -> Iterator[str]:
    """Warnings: inputs of a join that several nodes feed, so that a step runs for each of their messages."""
    for name, node in of.nodes.items():
        for entry in node.inputs:
            sources = {
                edge.source for edge in edges if (edge.target, edge.input, edge.back) == (name, entry.name, None)
            }
            if len(node.inputs) > 1 and len(sources) > 1:
                yield (
                    f"{name}.{entry.name} is fed by {', '.join(sorted(sources))}: where more than one of them sends a "
                    f"message, {name} runs once for each, beside every message on its other inputs"
                )


def _judges(
    approval: Approval[Any], fn: Callable[..., Any], of: Declaration, *, where: str, what: str, code: str
) -> Iterator[Problem]:
    """`fn` must take the approval's message and the run's input."""
    hints = parameter_hints(fn, what=where)
    if len(hints) != 2 or not takes(hints[0], approval.of) or not takes(hints[1], of.input_type):
        yield Problem(
            code=code,
            where=where,
            what=f"{what} does not take ({approval.of.__name__}, {of.input_type.__name__})",
            do="give it two parameters: the message to approve, and the run's input",
        )
