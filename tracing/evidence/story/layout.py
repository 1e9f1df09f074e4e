"""Where the nodes of a coordination graph are drawn: layer below layer, few crossings, edges that go down.

1. Edges that close a loop go up; they are found from the start, in the order of the nodes. All others go down.
2. A node lies one layer below the lowest that leads to it. An edge that passes layers has a waypoint in each.
3. In a layer, what belongs together stands together: by the mean place of its neighbours, in a few sweeps.
4. Across, everything comes as near to its neighbours as the room between two things allows.

Source: K. Sugiyama, S. Tagawa, M. Toda, "Methods for Visual Understanding of Hierarchical System Structures", 1981.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

WIDTH: Final = 150.0  # of a node
HEIGHT: Final = 46.0
ROW: Final = 84.0  # from one layer to the next
EDGE: Final = 14.0  # around the drawing
LOOP: Final = 46.0  # how far an edge that goes up reaches out
GAP: Final = 18.0  # between two things in a layer
LANE: Final = 4.0  # width of a waypoint
SWEEPS: Final = 8


class Point(NamedTuple):
    """A place in the drawing."""

    x: float
    y: float


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where things are: the middle of each node, the waypoints of each edge (without its ends), and the size."""

    nodes: Mapping[str, Point]
    ways: Mapping[tuple[str, str], tuple[Point, ...]]
    upward: frozenset[tuple[str, str]]
    width: float
    height: float

    def corner(self, node: str) -> Point:
        """The upper left corner of a node's box."""
        return Point(self.nodes[node].x - WIDTH / 2 + EDGE, self.nodes[node].y + EDGE)

    def size(self, edges: Iterable[tuple[str, str]]) -> Point:
        """How wide and how high the drawing is, with these edges in it."""
        reach = LOOP if self.upward or any(source == target for source, target in edges) else 0.0
        return Point(self.width + 2 * EDGE + reach, self.height + HEIGHT + 2 * EDGE)

    def line(self, source: str, target: str) -> tuple[str, Point]:
        """An edge's line as an SVG path, and where its mark stands."""
        begin, end = self.nodes[source], self.nodes[target]
        if (source, target) in self.upward or source == target:
            right = max(begin.x, end.x) + WIDTH / 2 + EDGE
            low, high = begin.y + EDGE + HEIGHT * 0.7, end.y + EDGE + HEIGHT * 0.3
            x1, x2 = number(begin.x + WIDTH / 2 + EDGE), number(end.x + WIDTH / 2 + EDGE)
            out = number(right + LOOP)
            curve = f"M{x1} {number(low)} C{out} {number(low)} {out} {number(high)} {x2} {number(high)}"
            return curve, Point(right + LOOP * 0.7, (low + high) / 2)
        between = [Point(point.x + EDGE, point.y + EDGE + HEIGHT / 2) for point in self.ways[source, target]]
        first, last = Point(begin.x + EDGE, begin.y + EDGE + HEIGHT), Point(end.x + EDGE, end.y + EDGE - 7)
        points = [first, *between, last]
        return smooth(points), Point((first.x + points[1].x) / 2, (first.y + points[1].y) / 2)


_Thing = str | tuple[str, str, int]  # a node, or an edge's waypoint in a layer


def lay_out(nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> Layout:
    """Place `nodes` (the first ones first) that these edges tie."""
    pairs = [pair for pair in dict.fromkeys(edges) if pair[0] != pair[1]]
    upward = _upward(nodes, pairs)
    down = [pair for pair in pairs if pair not in upward]
    layer = _layers(nodes, down)
    rows: list[list[_Thing]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for node in nodes:
        rows[layer[node]].append(node)
    ties: list[tuple[_Thing, _Thing]] = []
    chains: dict[tuple[str, str], list[_Thing]] = {}
    for source, target in down:
        between: list[_Thing] = [(source, target, at) for at in range(layer[source] + 1, layer[target])]
        for at, thing in enumerate(between, layer[source] + 1):
            rows[at].append(thing)
        chains[source, target] = between
        whole: list[_Thing] = [source, *between, target]
        ties += pairwise(whole)
    above, below = _neighbours(ties)
    for sweep in range(SWEEPS):
        _sort_by_neighbours(rows if sweep % 2 == 0 else rows[::-1], above if sweep % 2 == 0 else below)
    across = _across(rows, above, below)
    left = min((across[thing] - _room(thing) / 2 for row_ in rows for thing in row_), default=0.0)
    right = max((across[thing] + _room(thing) / 2 for row_ in rows for thing in row_), default=0.0)
    points = {thing: Point(across[thing] - left, at * ROW) for at, row_ in enumerate(rows) for thing in row_}
    return Layout(
        nodes={node: points[node] for node in nodes},
        ways={pair: tuple(points[thing] for thing in between) for pair, between in chains.items()},
        upward=frozenset(upward),
        width=right - left,
        height=(len(rows) - 1) * ROW,
    )


def _upward(nodes: Sequence[str], pairs: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """The edges that lead back to a node that is still being followed."""
    following: dict[str, list[str]] = defaultdict(list)
    for source, target in pairs:
        following[source].append(target)
    found: set[tuple[str, str]] = set()
    done: set[str] = set()
    for start in nodes:
        open_nodes: dict[str, None] = {}
        stack: list[tuple[str, int]] = [(start, 0)]
        while stack:
            node, place = stack.pop()
            if place == 0:
                if node in done or node in open_nodes:
                    continue
                open_nodes[node] = None
            targets = following[node]
            while place < len(targets) and (targets[place] in done or targets[place] in open_nodes):
                if targets[place] in open_nodes:
                    found.add((node, targets[place]))
                place += 1
            if place < len(targets):
                stack += [(node, place + 1), (targets[place], 0)]
            else:
                open_nodes.pop(node, None)
                done.add(node)
    return found


def _layers(nodes: Sequence[str], down: Sequence[tuple[str, str]]) -> dict[str, int]:
    layer = dict.fromkeys(nodes, 0)
    for _ in nodes:
        changed = False
        for source, target in down:
            if layer[target] <= layer[source]:
                layer[target] = layer[source] + 1
                changed = True
        if not changed:
            break
    return layer


def _neighbours(
    ties: Iterable[tuple[_Thing, _Thing]],
) -> tuple[dict[_Thing, list[_Thing]], dict[_Thing, list[_Thing]]]:
    above: dict[_Thing, list[_Thing]] = defaultdict(list)
    below: dict[_Thing, list[_Thing]] = defaultdict(list)
    for upper, lower in ties:
        above[lower].append(upper)
        below[upper].append(lower)
    return above, below


def _sort_by_neighbours(rows: Sequence[list[_Thing]], towards: Mapping[_Thing, Sequence[_Thing]]) -> None:
    places: dict[_Thing, float] = {}
    for row in rows:
        wanted = {}
        for place, thing in enumerate(row):
            known = [places[other] for other in towards.get(thing, ()) if other in places]
            wanted[thing] = sum(known) / len(known) if known else place / max(1, len(row) - 1)
        row.sort(key=wanted.__getitem__)
        for place, thing in enumerate(row):
            places[thing] = (place + 1) / (len(row) + 1)


def _across(
    rows: Sequence[Sequence[_Thing]],
    above: Mapping[_Thing, Sequence[_Thing]],
    below: Mapping[_Thing, Sequence[_Thing]],
) -> dict[_Thing, float]:
    across: dict[_Thing, float] = {}
    for row in rows:
        across |= dict(zip(row, _apart(row, [0.0] * len(row)), strict=True))
    for sweep in range(4 * SWEEPS):
        ordered = rows if sweep % 2 == 0 else rows[::-1]
        for row in ordered:
            wanted = []
            for thing in row:
                near = [*above.get(thing, ()), *below.get(thing, ())]
                wanted.append(sum(across[one] for one in near) / len(near) if near else across[thing])
            across |= dict(zip(row, _apart(row, wanted), strict=True))
    return across


def _apart(row: Sequence[_Thing], wanted: Sequence[float]) -> list[float]:
    """The places nearest to the `wanted` ones at which the things of a row do not touch, in their order."""
    offsets, at = [], 0.0
    for place, thing in enumerate(row):
        if place:
            at += (_room(row[place - 1]) + _room(thing)) / 2 + GAP
        offsets.append(at)
    blocks: list[tuple[float, int]] = []  # sum of what is wanted, how many; neighbours that meet move as one
    for want, offset in zip(wanted, offsets, strict=True):
        total, count = want - offset, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / count:
            before, many = blocks.pop()
            total, count = total + before, count + many
        blocks.append((total, count))
    moved = [total / count for total, count in blocks for _ in range(count)]
    return [move + offset for move, offset in zip(moved, offsets, strict=True)]


def _room(thing: _Thing) -> float:
    return WIDTH if isinstance(thing, str) else LANE


def smooth(points: Sequence[Point]) -> str:
    """A path through these points that leaves and arrives straight down (or up), as SVG says it."""
    path = [f"M{number(points[0].x)} {number(points[0].y)}"]
    for start, end in pairwise(points):
        middle = number((start.y + end.y) / 2)
        path.append(f"C{number(start.x)} {middle} {number(end.x)} {middle} {number(end.x)} {number(end.y)}")
    return " ".join(path)


def number(value: float) -> str:
    """A length in the drawing: no more digits than one sees."""
    return f"{value:.1f}".rstrip("0").rstrip(".")
