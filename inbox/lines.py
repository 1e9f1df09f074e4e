"""Requests in a list: what each asks in few words, and by what it differs from the others.

1. What a line says comes from what is bound: the calls, the tiers, what it is worth, the message. The first three are
   counted by this program; words of the message are those of agents, or of whoever edited it, and marked as such.
2. Of an edit it says what was changed, old → new; of one that is asked anew, which facts have moved. Of any other,
   where its message is another than those of the same approval in the same list, or else how it begins.
3. A long text is shown around the place where it differs, and says where it was cut. Who started the run and when it
   was asked stand on each line.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal, TypeAlias

from answerable.approvals.asking.listing import ChangedRequest, short_tier
from answerable.approvals.asking.requests import RequestRow, get_request
from answerable.approvals.asking.resting import facts_shown
from answerable.approvals.grouping import count_alike
from answerable.errors import StoreCorrupt, UnknownId
from answerable.inbox.leaves import leaves, named
from answerable.tracing.freezes import frozen_for_show
from answerable.tracing.storage.store import Tx

MOST_PLACES: Final = 3  # that a line tells
MOST_LEAVES: Final = 500  # of one message that are looked through for them
MOST_CHARACTERS: Final = 60  # of one value
_BEFORE: Final = 20  # of them before the place where it differs

Kind: TypeAlias = Literal["edit", "facts", "message"]
Leaves: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Told:
    """One place of a message, or a fact: what it says, shortened; what it said before, None where that is not told."""

    where: str
    now: str
    was: str | None = None


@dataclass(frozen=True, kw_only=True)
class Line:
    """A request in a list. `kind` says what is `told`: what was changed in an edit, which facts moved, or its message.

    `alike` is how many open ones ask the same, `tiers` what each gets as proposed (served, demand), `calls` how many
    calls of each name would leave, `more` how many places are not told, `by` the handle of who edited or started it.
    """

    row: RequestRow | ChangedRequest
    sound: bool = False
    short: str = ""
    alike: int = 1
    frozen: bool = False
    tiers: Mapping[str, tuple[int, int]]
    calls: Mapping[str, int]
    worth: int | None = None
    kind: Kind = "message"
    told: tuple[Told, ...] = ()
    more: int = 0
    by: str = ""


def lines(
    tx: Tx, rows: Sequence[RequestRow | ChangedRequest], names: Mapping[str, str], *, grouped: bool
) -> list[Line]:
    """The lines of a list, in its order; `names` are the handles of persons."""
    frozen = {system: frozen_for_show(tx, system) for system in {row.system for row in rows}}
    sound = [row for row in rows if isinstance(row, RequestRow)]
    told = dict(_told(tx, sound))
    return [
        _line(tx, row, frozen[row.system], names, *told[row.id], grouped=grouped)
        if isinstance(row, RequestRow)
        else Line(row=row, tiers={}, calls={})
        for row in rows
    ]


def _line(
    tx: Tx,
    row: RequestRow,
    frozen: frozenset[str],
    names: Mapping[str, str],
    kind: Kind,
    told: tuple[Told, ...],
    *,
    grouped: bool,
) -> Line:
    proposed = row.view["options"][0]
    by = row.edited_by if kind == "edit" else row.asked.started_by
    return Line(
        row=row,
        sound=True,
        short=short_tier(row.view),
        alike=count_alike(tx, row.alike) if grouped else 1,
        frozen=row.is_held(frozen),
        tiers={tier: tuple(proposed["tiers"][tier]) for tier in row.view["tiers"] if tier in (proposed["tiers"] or {})},
        calls=Counter(call["name"] for call in row.body["options"][0]["calls"]),
        worth=row.body["options"][0].get("value"),
        kind=kind,
        told=told[:MOST_PLACES],
        more=len(told) - MOST_PLACES if kind != "message" else 0,
        by=names.get(by, by),
    )


def _told(tx: Tx, rows: Sequence[RequestRow]) -> Iterator[tuple[str, tuple[Kind, tuple[Told, ...]]]]:
    """What each request's line tells, by its id."""
    beside: dict[tuple[str, str], list[RequestRow]] = {}
    for row in rows:
        was = _leaves_before(tx, row)
        moved = [one for one in facts_shown(row.view) if one.moved]
        if was is not None:
            now = _leaves(row)
            places = [place for place in {**was, **now} if was.get(place) != now.get(place)]
            yield row.id, ("edit", tuple(_change(place, was.get(place), now.get(place)) for place in places))
        elif moved:
            yield row.id, ("facts", tuple(_change(one.name, one.was, one.now) for one in moved))
        else:
            beside.setdefault((row.system, row.approval), []).append(row)
    for group in beside.values():
        yield from zip([row.id for row in group], apart([_leaves(row) for row in group]), strict=True)


def apart(found: Sequence[Leaves]) -> list[tuple[Kind, tuple[Told, ...]]]:
    """For each of these messages, what it says where they differ; of one alone, how it begins."""
    places = list(dict.fromkeys(place for one in found for place in one))
    different = [place for place in places if len({one.get(place) for one in found}) > 1]
    own, deeper = [[place for place in different or places if ("." in place) is deep] for deep in (False, True)]
    chosen = _telling([*own, *deeper], found) if different else [*own, *deeper][:MOST_PLACES]
    starts = {place: sorted({one[place] for one in found if place in one}) for place in chosen}
    return [
        ("message", tuple(_beside(place, one[place], starts[place]) for place in chosen if place in one))
        for one in found
    ]


def _telling(places: Sequence[str], found: Sequence[Leaves]) -> list[str]:
    """At most so many of the places that as many as can be are told apart by them; of equal ones, the first."""
    chosen: list[str] = []
    apart: list[tuple[str | None, ...]] = [()] * len(found)
    for _ in range(min(MOST_PLACES, len(places))):
        left = [place for place in places if place not in chosen]
        best = max(left, key=lambda place: _kinds(apart, found, place))
        chosen.append(best)
        apart = [(*so_far, one.get(best)) for so_far, one in zip(apart, found, strict=True)]
    return [place for place in places if place in chosen]


def _kinds(apart: Sequence[tuple[str | None, ...]], found: Sequence[Leaves], place: str) -> int:
    return len({(so_far, one.get(place)) for so_far, one in zip(apart, found, strict=True)})


def _beside(place: str, said: str, others: list[str]) -> Told:
    """What a message says at a place, cut around where it differs from the value that is most like it."""
    at = bisect_left(others, said)
    neighbours = others[max(0, at - 1) : at] + others[at + 1 : at + 2]  # of sorted texts, the most alike
    return Told(where=_cut(named(place), 0), now=_cut(said, max((_same(said, one) for one in neighbours), default=0)))


def _change(place: str, was: str | None, now: str | None) -> Told:
    same = _same(was or "", now or "")
    before, after = ("nothing" if one is None else _cut(one, same) for one in (was, now))
    return Told(where=_cut(named(place), 0), was=before, now=after)


def _same(one: str, other: str) -> int:
    """How many characters both begin with."""
    return bisect_left(range(min(len(one), len(other))), True, key=lambda at: one[: at + 1] != other[: at + 1])


def _cut(text: str, differs: int) -> str:
    """A text on one line, with what is at the place where it `differs`; what is left out is marked."""
    if len(text) > MOST_CHARACTERS:
        start = max(0, min(differs - _BEFORE, len(text) - MOST_CHARACTERS))
        end = start + MOST_CHARACTERS
        text = f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"
    return text.replace("\n", " ↵ ")


def _leaves(row: RequestRow) -> Leaves:
    message = row.view["options"][0]["message"]
    return dict(islice(leaves(message), MOST_LEAVES)) if message else {}  # of an erased one nothing is left


def _leaves_before(tx: Tx, row: RequestRow) -> Leaves | None:
    """Those of what was proposed before an edit; None where it is none, or that cannot be read."""
    if not row.edited_from:
        return None
    try:
        return _leaves(get_request(tx, row.edited_from))
    except (StoreCorrupt, UnknownId):
        return None
