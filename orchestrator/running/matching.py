"""Matching: which messages a node runs with.

1. A node runs once for every combination of one arrival per input whose scopes agree (one is a prefix of the other).
2. Nothing is used up: each new arrival makes combinations with all that came before it. So the set of combinations does
   not depend on the order of arrival.
3. All arrivals on one input have scopes of one length (`build()` proved it), which makes each look-up one of a dict.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from answerable.orchestrator.scopes import Scope


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came in on one input: a crossing, or a closed gather. `sent` orders arrivals (microseconds)."""

    id: str
    scope: Scope
    sent: int


Combination = Mapping[str, Arrival]


class Matcher:
    """The arrivals of one node so far. `depths` gives, per input in their order, the length of its scopes."""

    def __init__(self, depths: Mapping[str, int]) -> None:
        self._depths = depths
        self._lengths = {
            name: sorted({min(depth, other) for other in depths.values()}) for name, depth in depths.items()
        }
        self._arrived: dict[str, dict[Scope, list[Arrival]]] = {name: defaultdict(list) for name in depths}
        self._inputs_by_depth = sorted(depths, key=lambda name: -depths[name])

    def add(self, input: str, arrival: Arrival) -> list[Combination]:
        """Take one arrival; the new combinations that contain it."""
        for length in self._lengths[input]:
            self._arrived[input][arrival.scope[:length]].append(arrival)
        if len(self._depths) == 1:
            return [{input: arrival}]
        found: list[tuple[dict[str, Arrival], Scope]] = [({input: arrival}, arrival.scope)]
        for other in self._inputs_by_depth:
            if other != input:
                found = [
                    ({**chosen, other: match}, match.scope if len(match.scope) > len(scope) else scope)
                    for chosen, scope in found
                    for match in self._arrived[other].get(scope[: self._depths[other]], ())
                ]
        return [{name: chosen[name] for name in self._depths} for chosen, _ in found]
