"""Upstream: the causal path, from what a step took back to the run's input.

It says who is too close to decide a request, and is drawn on the request's page. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from answerable.orchestrator.running.crossing import Crossing
from answerable.orchestrator.running.journal import GatherRow, StepRow


def upstream(
    node: str,
    taken: Iterable[str],
    *,
    step: Callable[[str], StepRow | None],
    crossing: Callable[[str], Crossing | None],
    gathers: Mapping[str, GatherRow],
) -> Iterator[tuple[str, Crossing]]:
    """Each crossing on the path, with the node that took it, the nearest first; what a step took is there once.

    `taken` are the crossings and gathers that the path ends with, at `node`. Where `step` or `crossing` knows nothing
    of an id, the path goes on without it.
    """
    seen: set[str] = set()
    waiting = [(node, id) for id in _apart(taken, gathers)]
    for taker, id in waiting:  # which grows
        found = crossing(id)
        if found is None:
            continue
        yield taker, found
        if found.step and found.step not in seen:
            seen.add(found.step)
            sender = step(found.step)
            if sender is not None:
                waiting += [(sender.node, one) for one in _apart(sender.consumed.values(), gathers)]


def _apart(taken: Iterable[str], gathers: Mapping[str, GatherRow]) -> list[str]:
    """Crossings, with gathers taken apart."""
    found: list[str] = []
    for id in taken:
        gather = gathers.get(id)
        found += [id] if gather is None else [item for _, item, _ in gather.items if item]
    return found
