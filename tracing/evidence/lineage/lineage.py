"""Lineage: what led to a fact of a run, and what followed from it.

`back` follows causes to their ends, `forward` what was caused. The reverse of the one is the other. A cause that is
named and not recorded is `missing`: then the answer is a part of the truth, and says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from answerable.tracing.evidence.lineage.facts import Fact, facts_of
from answerable.tracing.ledger.placed import Placed
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.runs import RunEnded, RunRested
from answerable.tracing.ledger.records.steps import Crossed, StepFinished

START: Final = "START"
END: Final = "END"


class Lineage:
    """The facts of one run, by id, in the order of their first records."""

    def __init__(self, run: str, placed: Iterable[Placed]) -> None:
        self.run = run
        self.facts: Mapping[str, Fact] = facts_of(run, placed)
        caused: dict[str, list[str]] = defaultdict(list)
        for fact in self.facts.values():
            for cause in fact.causes:
                caused[cause].append(fact.id)
        self.caused: Mapping[str, Sequence[str]] = caused

    def back(self, *ids: str) -> list[Fact]:
        """These facts and everything that led to them, in the order of their records."""
        return self._walk(ids, lambda id: self.facts[id].causes)

    def forward(self, *ids: str) -> list[Fact]:
        """These facts and everything that followed from them, in the order of their records."""
        return self._walk(ids, lambda id: self.caused.get(id, ()))

    def missing(self, path: Iterable[Fact]) -> list[str]:
        """What facts of a path came from, and no record tells of: an id, or the end of a step that something left."""
        found = {cause for fact in path for cause in fact.causes if cause not in self.facts}
        for fact in path:
            if fact.kind == "step" and fact.id in self.caused and fact.last(StepFinished) is None:
                found.add(f"the end of {fact.id}")
        return sorted(found)

    def ends(self) -> list[str]:
        """What a run's end, or where it stands now, comes from: its result, its failures, what it waits for."""
        run = self.facts.get(self.run)
        stands = run and next((one.record for one in reversed(run.placed) if isinstance(one.record, _STANDS)), None)
        found = [id for id in self._ends(stands) if id in self.facts] if isinstance(stands, _STANDS) else []
        return found or [id for id in self.facts if id not in self.caused] or [*self.facts]

    def _ends(self, stands: RunEnded | RunRested) -> Iterable[str]:
        if isinstance(stands, RunRested):
            return (*stands.requests, *stands.in_doubt)
        if stands.result is not None:
            to_end = [sent for fact in self.facts.values() for sent in fact.all(Crossed) if sent.target == END]
            return [sent.crossing for sent in to_end if sent.message.id == stands.result.id][:1]
        if stands.status == "failed":
            done = [one for fact in self.facts.values() if fact.kind == "step" for one in fact.all(StepFinished)]
            return [one.step for one in done if one.outcome == "failed"]
        if stands.status == "denied":
            made = [one for fact in self.facts.values() for one in fact.all(Decided)]
            return [one.decision for one in made if one.outcome in ("rejected", "expired")]
        return ()

    def _walk(self, start: Iterable[str], following: Callable[[str], Iterable[str]]) -> list[Fact]:
        seen: set[str] = set()
        waiting = [id for id in start if id in self.facts]
        while waiting:
            id = waiting.pop()
            if id not in seen:
                seen.add(id)
                waiting += [one for one in following(id) if one in self.facts]
        return sorted((self.facts[id] for id in seen), key=lambda fact: (fact.seq, fact.id))


_STANDS = (RunEnded, RunRested)
