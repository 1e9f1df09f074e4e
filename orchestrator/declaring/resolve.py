"""From declared edges to typed ones: which types an edge carries, and into which input.

1. An edge goes into exactly one input of its target; `to=` or `carries=` must say which where several would do.
2. It carries those types of its source (of `carries=`, if given) that this input accepts.
3. With `each`, the items of the list attribute are what the input must accept; with `gather`, it must be a
   `list[Ended[T]]` of what crosses.
4. An effect's `gate=` is put in between: source → gate → effect. The approval is of the message that the source gives;
   taking it apart, and a condition on the parts, come after. A condition on the whole message comes before the gate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args, get_origin, get_type_hints

from answerable.agents.hints import Input, is_message
from answerable.agents.messages import Message
from answerable.agents.nodes import END, START
from answerable.approvals.node import Approval
from answerable.errors import Problem
from answerable.orchestrator.declaring.declared import Declaration, DeclaredEdge
from answerable.orchestrator.declaring.functions import parameter_hints, takes
from answerable.orchestrator.graph import END_NAME, RESULT, Edge


@dataclass(frozen=True, kw_only=True)
class Mistake(Exception):
    """One declared edge cannot be resolved; only `resolve_edge` catches it."""

    problem: Problem


def with_gates(edges: Iterable[DeclaredEdge], gates: Mapping[str, Approval[Any]]) -> tuple[DeclaredEdge, ...]:
    """`edges`, with the gate of each effect that names one put in between (rule 4)."""
    first_halves: dict[tuple[object, ...], DeclaredEdge] = {}
    second_halves: dict[tuple[object, ...], DeclaredEdge] = {}
    seen: set[tuple[object, object]] = set()
    for number, edge in enumerate(edges):
        gate = gates.get(edge.target.node)
        if gate is None or edge.source is gate:
            first_halves[number,] = edge
            continue
        whole, parts = (edge.when, None) if edge.each is None else (None, edge.when)
        into = replace(edge, target=gate, to=None, when=whole, each=None)
        out = replace(edge, source=gate, carries=None, when=parts, gather=False)
        before: tuple[object, ...] = (into.source, gate.name, into.carries, into.when, into.gather)
        after: tuple[object, ...] = (out.target.node, out.to, out.each, out.when)
        if (before, after) in seen:  # the same edge twice: left for the checks to find
            before = (number,)
        seen.add((before, after))
        _add(first_halves, before, into)
        _add(second_halves, after, out)
    return (*first_halves.values(), *second_halves.values())


def _add(halves: dict[tuple[object, ...], DeclaredEdge], key: tuple[object, ...], half: DeclaredEdge) -> None:
    """Add a half, or the purpose of it to one that is there already: two effects may share a gate, or its source."""
    known = halves.get(key)
    if known is not None:
        half = replace(half, purpose="; ".join(sorted({*known.purpose.split("; "), half.purpose})))
    halves[key] = half


def resolve_edge(declared: DeclaredEdge, of: Declaration) -> Edge | Problem:
    """The typed edge that `declared` means, or what is wrong with it."""
    try:
        return _resolve(declared, of)
    except Mistake as mistake:
        return mistake.problem


def inputs_of(node: str, of: Declaration) -> tuple[Input, ...]:
    """The inputs of a node of `of`; those of END are its output type."""
    return (Input(name=RESULT, types=(of.output_type,)),) if node == END_NAME else of.nodes[node].inputs


def list_item(kind: type[Message], attribute: str) -> type[Message] | None:
    """T, where `attribute` of the message type `kind` is a list or tuple of the message type T."""
    hint = get_type_hints(kind).get(attribute) if attribute in kind.model_fields else None
    arguments = get_args(hint)
    is_tuple = get_origin(hint) is tuple and len(arguments) == 2 and arguments[1] is Ellipsis
    if (get_origin(hint) is list or is_tuple) and is_message(arguments[0]):
        return arguments[0]
    return None


def _resolve(declared: DeclaredEdge, of: Declaration) -> Edge:
    outputs = (of.input_type,) if declared.source is START else declared.source.outputs
    carried = outputs if declared.carries is None else declared.carries
    if unknown := [kind for kind in carried if kind not in outputs]:
        raise _mistake(
            "carries-unknown",
            declared,
            f"{declared.source!r} does not give {names(unknown)}, but {names(outputs)}",
            "let carries= name what the source gives",
        )
    item: type[Message] | None = None
    if declared.each is not None:
        carried, item = _items(declared, carried)
    crossing = carried if item is None else (item,)
    target = inputs_of(declared.target.node, of)
    chosen = _input(declared, crossing, target)
    accepted = tuple(kind for kind in crossing if _accepts(chosen, kind, gather=declared.gather))
    if declared.carries is not None and accepted != crossing:
        rest = names(kind for kind in crossing if kind not in accepted)
        raise _mistake("no-match", declared, f"the input {chosen} does not accept {rest}", "leave it out of carries=")
    if item is None:
        carried = accepted
    _check_condition(declared, accepted)
    return Edge(
        id=_id(declared, chosen.name),
        source=declared.source.node,
        port=declared.source.port,
        target=declared.target.node,
        input=chosen.name,
        carries=carried,
        purpose=declared.purpose,
        when=declared.when,
        each=declared.each,
        item=item,
        gather=declared.gather,
    )


def _items(
    declared: DeclaredEdge, carried: tuple[type[Message], ...]
) -> tuple[tuple[type[Message], ...], type[Message]]:
    """The types that have the list `each`, and the type of its items."""
    assert declared.each is not None
    found = {kind: item for kind in carried if (item := list_item(kind, declared.each)) is not None}
    if not found:
        raise _mistake(
            "each-no-list",
            declared,
            f"{names(carried)} has no attribute {declared.each!r} that is a list of messages",
            "let each= name an attribute that is annotated with list[T], T being a message type",
        )
    items = set(found.values())
    if len(items) > 1:
        raise _mistake(
            "ambiguous-each",
            declared,
            f"{declared.each!r} is a list of {names(items)}, depending on the message",
            "let carries= say which message is meant",
        )
    return tuple(found), items.pop()


def _input(declared: DeclaredEdge, crossing: tuple[type[Message], ...], inputs: tuple[Input, ...]) -> Input:
    """The one input of the target that is meant."""
    if declared.to is not None and declared.to not in [entry.name for entry in inputs]:
        raise _mistake(
            "unknown-input",
            declared,
            f"{declared.target!r} has no input {declared.to!r}, but {listed(inputs)}",
            "let to= name a parameter of the target",
        )
    asked = [entry for entry in inputs if declared.to in (None, entry.name)]
    fitting = [entry for entry in asked if any(_accepts(entry, kind, gather=declared.gather) for kind in crossing)]
    if len(fitting) == 1:
        return fitting[0]
    if len(fitting) > 1:
        shared = any(all(_accepts(entry, kind, gather=declared.gather) for entry in fitting) for kind in crossing)
        raise _mistake(
            "ambiguous-input" if shared else "ambiguous-type",
            declared,
            f"{names(crossing)} could go into {listed(fitting)}",
            "say which with to=" if shared else "declare an edge for each, with carries= or to=",
        )
    if any(_accepts(entry, kind, gather=not declared.gather) for entry in asked for kind in crossing):
        if declared.gather:
            raise _mistake(
                "gather-no-list",
                declared,
                f"{names(crossing)} is gathered, but {listed(asked)} takes one message at a time",
                f"annotate the input with list[Ended[{names(crossing)}]], or leave out gather=True",
            )
        raise _mistake(
            "gather-missing",
            declared,
            f"{listed(asked)} takes a gathered list, but the edge brings one {names(crossing)} at a time",
            "declare the edge with gather=True",
        )
    raise _mistake(
        "no-match",
        declared,
        f"{declared.source!r} gives {names(crossing)}, and {declared.target!r} accepts {listed(asked)}",
        "let the one return what the other takes, or put an agent in between",
    )


def _accepts(input: Input, kind: type[Message], *, gather: bool) -> bool:
    if gather:
        return input.gathers is not None and issubclass(kind, input.gathers)
    return input.accepts(kind)


def _check_condition(declared: DeclaredEdge, crossing: tuple[type[Message], ...]) -> None:
    if declared.when is None:
        return
    (hint,) = parameter_hints(declared.when, what=str(declared))
    if refused := [kind for kind in crossing if not takes(hint, kind)]:
        raise _mistake(
            "condition-type",
            declared,
            f"the condition {declared.when.__name__!r} does not take {names(refused)}, which crosses this edge",
            "let it take what the edge carries (with each=, the items), or say carries=",
        )


def _id(declared: DeclaredEdge, input: str) -> str:
    each = "" if declared.each is None else f"[{declared.each}]"
    carries = "" if declared.carries is None else ":" + "+".join(sorted(kind.__name__ for kind in declared.carries))
    target = END_NAME if declared.target is END else declared.target.node
    return f"{declared.source!r}→{target}.{input}{each}{carries}"


def _mistake(code: str, declared: DeclaredEdge, what: str, do: str) -> Mistake:
    return Mistake(problem=Problem(code=code, where=str(declared), what=what, do=do))


def names(kinds: Iterable[type[Message]]) -> str:
    """The types by name: `A | B`."""
    return " | ".join(kind.__name__ for kind in kinds)


def listed(inputs: Iterable[Input]) -> str:
    """The inputs with their types, for a sentence."""
    return ", ".join(f"{entry!s}" for entry in inputs) or "nothing"
