"""What led to what in a run, worked out by brute force from the tables: a second opinion on the product's lineage.

It reads no record and shares no code with the product but the derivation of ids: where a message came from is found by
deriving the ids that each step could have given to its messages. What follows from what is then the transitive closure,
by joining pairs until there are no more.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator

from answerable.tracing import ids
from tests.properties.evidence import Evidence
from tests.properties.playing import RUN

MOST_ITEMS = 8

Pair = tuple[str, str]  # a cause, and what it caused


def causes_in(evidence: Evidence) -> set[Pair]:
    """Every pair of a cause and what it caused directly."""
    return {pair for pair in _pairs(evidence) if pair[0] and pair[1] and pair[0] != pair[1]}


def everything_before(pairs: set[Pair]) -> dict[str, set[str]]:
    """For each thing, all that led to it."""
    before: dict[str, set[str]] = defaultdict(set)
    for cause, caused in pairs:
        before[caused].add(cause)
    changed = True
    while changed:
        changed = False
        for found in before.values():
            more = {further for cause in found for further in before.get(cause, ())} - found
            if more:
                found |= more
                changed = True
    return before


def _pairs(evidence: Evidence) -> Iterator[Pair]:
    rows = evidence.rows
    answer: dict[str, str] = {one["request"]: id for id, one in evidence.decisions.items()}
    final = {
        rows.requests[one["request"]]["step"]: id
        for id, one in evidence.decisions.items()
        if one["outcome"] != "edited"
    }
    yield from _messages(evidence, answer)
    for id, row in rows.crossings.items():
        yield str(row["message"]), id
        yield str(row["step"]) or RUN, id
        yield final.get(row["step"], ""), id
    for id, row in rows.steps.items():
        for taken in json.loads(row["consumed"]).values():
            yield taken, id
            effect = ids.derive(ids.EFFECT, RUN, row["node"], taken)
            if effect in evidence.effects:
                yield effect, id
    for id, row in rows.gathers.items():
        yield row["scatter_step"] or RUN, id
        for _, crossing, outcome in json.loads(row["items"]):
            yield crossing or outcome["of"], id
    for id, row in rows.requests.items():
        yield answer.get(row["edited_from"], str(row["step"])), id
    for id, row in evidence.decisions.items():
        yield row["request"], id
    for row in evidence.grants.values():
        yield row["decision"], row["effect"]
    for id in evidence.effects:
        for request in _offering(evidence, id):
            yield request, id
            yield answer.get(request, ""), id
        for crossing, row in rows.crossings.items():
            target = rows.graph.edge(row["edge"]).target
            if ids.derive(ids.EFFECT, RUN, target, crossing) == id:
                yield crossing, id


def _offering(evidence: Evidence, effect: str) -> list[str]:
    return [
        id
        for id, row in evidence.rows.requests.items()
        for option in json.loads(bytes(row["body"]))["options"]
        if effect in {call["effect"] for call in option["calls"]}
    ]


def _messages(evidence: Evidence, answer: dict[str, str]) -> Iterator[Pair]:
    """Where each message came from, by the ids that messages can have."""
    there = set(evidence.rows.messages)
    fields = {edge.each for edge in evidence.rows.graph.edges if edge.each is not None}

    def items(step: str, slot: str, whole: str) -> Iterator[Pair]:
        for field in fields:
            for place in range(MOST_ITEMS):
                item = ids.derive(ids.MESSAGE, step, f"{slot}.{field}", str(place))
                if item in there:
                    yield whole, item

    run_input = ids.derive(ids.MESSAGE, RUN, "input")
    yield RUN, run_input
    yield from items("", f"{RUN}.input", run_input)
    for step in evidence.rows.steps:
        made = ids.derive(ids.MESSAGE, step, "out")
        if made in there:
            yield step, made
            yield from items(step, "out", made)
    for id, row in evidence.rows.requests.items():
        before, step = row["edited_from"], row["step"]
        edit = f"edit:{before}:" if before else ""
        if before:
            yield answer[before], row["message"]
        for option in json.loads(bytes(row["body"]))["options"]:
            whole, slot = option["message"]["id"], f"{edit}option:{option['name']}"
            if whole == ids.derive(ids.MESSAGE, step, slot):
                yield (id if before else step), whole
            decision = evidence.decisions.get(answer.get(id, ""))
            if decision is not None and decision["option"] == option["name"]:
                yield from items(step, slot, whole)
        for port in ("denied", "response"):
            said = ids.derive(ids.MESSAGE, step, f"{edit}{port}")
            if said in there:
                yield answer[id], said
    for effect, row in evidence.effects.items():
        if row["message"] not in there:
            for request in _offering(evidence, effect):
                yield request, row["message"]
