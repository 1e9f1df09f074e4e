"""The account of a play, from the bytes of its records alone: who answered, and where each call came from.

1. Every record of a system names whoever was its Responsible Individual then, and its chain leads to them.
2. Every call that was sent leads, by ids, to a decision that was made before it: by registered persons; by a rule that
   others than its author approved, and nobody revoked since; by an exemption that the Responsible Individual accepted.
   Broken glass leads to the one who broke it, and to a review. All of them stand in the chain of the call.
3. Every such call leads, from step to step, whichever agent made the next one act, to the input that a person gave.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.authority.model import DAY

YES = ("approved", "exempted", "ruled")


class Account:
    """What the records tell so far; `seen` counts by what calls were sent."""

    def __init__(self) -> None:
        self.responsible = ""
        self.people: set[str] = set()
        self.exempt: set[tuple[str, str]] = set()  # approval, NAME@VERSION
        self.known: dict[str, dict[str, Any]] = {}  # records by the id of what they tell of
        self.revoked: set[str] = set()  # rules and decisions
        self.sent: set[str] = set()
        self.seen: Counter[str] = Counter()

    def read(self, bodies: Iterable[bytes]) -> None:
        """Every record, in the order in which they were written."""
        for body in bodies:
            self._read(json.loads(body))

    def _read(self, record: dict[str, Any]) -> None:
        match record["kind"]:
            case "person.added":
                self.people.add(record["person"])
            case "system.registered" | "handover.accepted":
                self.responsible = record["responsible"]
            case "exemption.accepted":
                assert record["by"] == self.responsible
                self.exempt.add((record["approval"], f"{record['exemption']}@{record['version']}"))
            case "rule.proposed" | "rule.approved" | "rule.revoked":
                self._rule(record)
            case "run.started" | "step.finished" | "crossed" | "request.made":
                self.known[record[_ID[record["kind"]]]] = record
            case "decided":
                self._decided(record)
            case "decision.revoked":
                self.revoked.add(record["decision"])
            case "reviewed":
                decided = self.known[record["decision"]]
                assert record["by"] in self.people - {decided["by"], *decided["voters"]}
            case "effect.sent":
                self._sent(record)
        if record["system"]:
            assert record["responsible"] == self.responsible, record
            assert self.responsible in self.people and self.responsible in record["chain"], record

    def _rule(self, record: dict[str, Any]) -> None:
        id = record["rule"]
        if record["kind"] == "rule.revoked":
            self.revoked.add(id)
        elif record["kind"] == "rule.approved":
            approvers = set(record["approvers"])
            assert record["author"] == self.known[id]["by"], "another author than the one who proposed it"
            assert approvers and approvers <= self.people - {record["author"]}
            assert id not in self.revoked
        assert record["by"] in self.people
        self.known[id] = record

    def _decided(self, record: dict[str, Any]) -> None:
        outcome, by = record["outcome"], record["by"]
        self.known[record["decision"]] = record
        assert bool(record["grants"]) is (outcome in YES)
        if outcome == "ruled":
            rule = self.known[record["rule"]]
            assert rule["kind"] == "rule.approved" and record["rule"] not in self.revoked
            assert by == f"{rule['name']}@{rule['version']}" and rule["approval"] == record["approval"]
            assert set(record["voters"]) == {rule["author"], *rule["approvers"]}
        elif outcome == "exempted":
            assert (record["approval"], by) in self.exempt
        else:
            assert by in self.people or (outcome, by) == ("expired", "")
        if record["broke_glass"]:
            alone = (outcome, record["for_person"], record["voters"], record["votes"])
            assert alone == ("approved", "", [], []) and record["review"] == "break-glass"
            assert record["review_due"] == record["at"] + DAY
        assert self._behind(record) <= set(record["chain"])

    def _behind(self, decided: dict[str, Any]) -> set[str]:
        return {decided["by"], decided["for_person"], *decided["voters"]} - {""}

    def _sent(self, record: dict[str, Any]) -> None:
        decided = self.known[record["decision"]]
        request = self.known[decided["request"]]
        assert decided["outcome"] in YES and record["grant"] in decided["grants"]
        assert record["effect"] in request["calls"][decided["option"]]
        assert record["attempt"] > 1 or record["decision"] not in self.revoked
        assert decided["rule"] not in self.revoked
        assert {record["grant"], record["decision"], *self._behind(decided)} <= set(record["chain"])
        agents = self._way_back(record["run"], request["step"])
        self.seen["sent by broken glass" if decided["broke_glass"] else f"sent: {decided['outcome']}"] += 1
        self.seen["an agent made another one act"] += len(agents) > 1
        self.sent.add(record["effect"])

    def _way_back(self, run: str, step: str) -> set[str]:
        """The agents on the way to the run's input, which has to be reached from everything that was taken."""
        agents, todo = set[str](), [step]
        while todo:
            ended = self.known[todo.pop()]
            assert ended["consumed"], "it came from nowhere"
            if ended["role"] == "agent":
                agents.add(ended["node"])
            for taken in ended["consumed"].values():
                crossed = self.known[taken]
                if crossed["step"]:
                    todo.append(crossed["step"])
                else:
                    began = self.known[run]
                    assert crossed["message"]["id"] == began["message"]["id"] and began["started_by"] in self.people
        return agents


_ID = {"run.started": "run", "step.finished": "step", "crossed": "crossing", "request.made": "request"}
