"""Options side by side: what each means for the tiers, how many calls it releases, and where their messages differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from answerable.inbox.leaves import leaves, named
from answerable.inbox.showing import RequestShown

MOST_DIFFERENCES: Final = 100


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one tier gets under one option."""

    demand: int
    served: int

    @property
    def state(self) -> str:
        """all, some or none."""
        return "all" if self.served >= self.demand else "none" if self.served == 0 else "some"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One place at which the messages differ, and what each says there; None where it says nothing."""

    where: str
    values: tuple[str | None, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The columns of a comparison.

    `differences` are those of the messages' own fields; `deeper` those within lists and mappings, as far as they are
    listed, and `hidden` is how many more there are.
    """

    names: tuple[str, ...]
    tiers: Mapping[str, tuple[Share | None, ...]]
    inversions: tuple[int | None, ...]
    calls: tuple[int | None, ...]
    differences: tuple[Difference, ...]
    deeper: tuple[Difference, ...]
    hidden: int


def compare(shown: RequestShown, before: RequestShown | None) -> Comparison:
    """The options of a request; for an edit, with what was proposed `before` it as the first column."""
    columns = [*((before.options[0],) if before else ()), *shown.options]
    names = [*(("before the edit",) if before else ()), *(option.name for option in shown.options)]
    flat = [dict(leaves(option.message)) for option in columns]
    places = list(dict.fromkeys(place for one in flat for place in one))
    different = [place for place in places if len({one.get(place) for one in flat}) > 1]
    own = [place for place in different if "." not in place]
    deeper = [place for place in different if "." in place]
    return Comparison(
        names=tuple(names),
        tiers={
            tier: tuple(_share(option.tiers.get(tier)) for option in columns)
            for tier in shown.tiers
            if any(tier in option.tiers for option in columns)
        },
        inversions=tuple(option.inversions for option in columns),
        calls=tuple(len(option.calls) for option in columns),
        differences=_at(own, flat),
        deeper=_at(deeper[:MOST_DIFFERENCES], flat),
        hidden=max(0, len(deeper) - MOST_DIFFERENCES),
    )


def _at(places: Sequence[str], flat: Sequence[Mapping[str, str]]) -> tuple[Difference, ...]:
    return tuple(Difference(where=named(place), values=tuple(one.get(place) for one in flat)) for place in places)


def _share(pair: tuple[int, int] | None) -> Share | None:
    return None if pair is None else Share(demand=pair[0], served=pair[1])
