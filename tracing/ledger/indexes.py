"""Indexes: what the rows of the tables must say, by the records. Pure.

1. `Indexes` takes records in the order in which they were written, as plain JSON objects, and knows for each row of the
   tables below the columns that records tell. What records do not tell (payloads, MACs, leases) is not in it.
2. An effect's state follows from its last record, with two exceptions that only the end of its step tells: an answer
   that is no yes ends it, or comes before another attempt; a refusal withdraws it, or leaves it as it was.
3. Freezes and handovers are records of no run and reach into runs: a grant is suspended by an offer until it is
   accepted. So the records of no run are taken first.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from answerable.tracing import ids
from answerable.tracing.clock import window_of

Columns = dict[str, Any]
Plain = dict[str, Any]
Use = tuple[str, str, str, int]
"""What a rule used: its system and name, its cap, and when the hour or day began."""

REFUSED: Final = "refused: "  # how the error of an effect's step begins that was withdrawn by the gate
_YES: Final = ("approved", "exempted", "ruled")


class Indexes:
    """The rows that records tell of, by table and id; columns by name.

    `suspended` are grants that an offer holds, `spent` is what rules used of their caps, `erased` the decisions and
    messages that lost their words with a person.
    """

    def __init__(self, suspended: Iterable[str] = (), erased: Iterable[str] = ()) -> None:
        self.rows: dict[str, dict[str, Columns]] = defaultdict(dict)
        self.suspended = set(suspended)
        self.revoked: set[str] = set()  # grants
        self.erased = set(erased)  # ids, and runs of which everything was
        self.frozen: dict[str, set[str]] = defaultdict(set)  # system → targets that stand
        self.refused: dict[str, str] = {}  # effect → why it was last turned away
        self.twice: list[tuple[str, str]] = []  # table and id of what was recorded again, as something else perhaps
        self.cited: set[str] = set()  # decisions that a crossing came from
        self.spent: Counter[Use] = Counter()
        self._calls: dict[str, dict[str, list[str]]] = {}  # request → option → effects
        self._escalates: dict[str, list[int]] = {}  # request → when
        self._digests: dict[str, str] = {}  # effect → digest of its call
        self._last: dict[str, Plain] = {}  # effect → its last record that says how it stands
        self._ended: dict[str, str] = {}  # effect → the error that its step ended with, "" for none

    def add(self, kind: str, record: Plain) -> None:
        """The next record. Raises: KeyError, TypeError or AttributeError if it is none of its kind."""
        taking = _KINDS.get(kind)
        if taking is not None:
            taking(self, record)

    def finish(self) -> None:
        """All records were given: say how effects, grants and systems stand."""
        for effect, row in self.rows["effects"].items():
            self._settle(effect, row)
        consumed = self.rows["consumed"].keys()
        for grant, row in self.rows["grants"].items():
            held = "revoked" if grant in self.revoked else "suspended" if grant in self.suspended else "granted"
            row["state"] = "consumed" if grant in consumed else held
        for table in ("requests", "effects", "decisions", "votes"):
            of_run = table in ("requests", "effects")
            for id, row in self.rows[table].items():
                row["erased"] = id in self.erased or (of_run and row["run"] in self.erased)
                if row["erased"] and table == "effects":
                    row["detail"] = None
        for name, row in self.rows["systems"].items():
            row["frozen"] = sorted(self.frozen[name])

    # -- who answers --------------------------------------------------------------------------------------------------

    def _person(self, record: Plain) -> None:
        self.rows["people"][record["person"]] = {"roles": list(record["roles"]), "teams": list(record["teams"])}

    def _system(self, record: Plain) -> None:
        self.rows["systems"][record["system"]] = {"responsible": record["responsible"], "successor": ""}

    def _offered(self, record: Plain) -> None:
        self.rows["systems"][record["system"]]["successor"] = record["successor"]
        self.suspended.update(record["suspended"])

    def _accepted(self, record: Plain) -> None:
        self.rows["systems"][record["system"]] = {"responsible": record["successor"], "successor": ""}
        self.suspended.difference_update(record["resumed"])

    def _exemption(self, record: Plain) -> None:
        key = exemption_key(record["system"], record["approval"], record["exemption"], record["version"])
        self.rows["exemptions"][key] = {"accepted_by": record["by"]}

    def _proposed(self, record: Plain) -> None:
        if not self._is_new("rules", record["rule"]):
            return
        self.rows["rules"][record["rule"]] = {
            **{name: record[name] for name in ("system", "approval", "name", "version", "digest")},
            "state": "proposed",
            "author": record["by"],
            "approvers": [],
            "not_before": record["not_before"],
            "expires_at": record["expires_at"],
            "proposed_at": record["at"],
        }

    def _rule_approved(self, record: Plain) -> None:
        self.rows["rules"][record["rule"]] |= {"state": "approved", "approvers": list(record["approvers"])}

    def _rule_revoked(self, record: Plain) -> None:
        self.rows["rules"][record["rule"]]["state"] = "revoked"

    # -- runs ---------------------------------------------------------------------------------------------------------

    def _started(self, record: Plain) -> None:
        if not self._is_new("runs", record["run"]):
            return
        self.rows["runs"][record["run"]] = {
            "system": record["system"],
            "version": record["version"],
            "status": "running",
            "started_by": record["started_by"],
            "input": record["message"]["id"],
            "result": "",
            "detail": "",
            "started_at": record["at"],
            "ended_at": None,
            "rested": 0,
            "segment": 0,
            "segment_after": record.get("segment_after", 0),  # records of schema 1 do not have it
        }

    def _continued(self, record: Plain) -> None:
        self.rows["runs"][record["run"]]["segment"] = record["segment"]

    def _rested(self, record: Plain) -> None:
        row = self.rows["runs"][record["run"]]
        row["rested"] += 1
        row["status"] = "waiting" if record["requests"] or record["in_doubt"] else "frozen"

    def _run_ended(self, record: Plain) -> None:
        row = self.rows["runs"][record["run"]]
        result = record["result"]
        row |= {
            "status": record["status"],
            # A person's words are not in the record.
            "detail": None if record["status"] in ("denied", "cancelled") else record["detail"],
            "result": result["id"] if result else "",
            "ended_at": record["at"],
        }

    def _reopened(self, record: Plain) -> None:
        row = self.rows["runs"][record["run"]]
        if record["version"]:
            row["version"] = record["version"]
        if record["step"]:
            row |= {"status": "running", "detail": "", "result": "", "ended_at": None}

    # -- requests, decisions, grants ----------------------------------------------------------------------------------

    def _is_new(self, table: str, id: str) -> bool:
        """Whether this is the first record that makes a row: another one after it changes nothing."""
        if id in self.rows[table]:
            self.twice.append((table, id))
            return False
        return True

    def _asked(self, record: Plain) -> None:
        if not self._is_new("requests", record["request"]):
            return
        self._calls[record["request"]] = record["calls"]
        self._escalates[record["request"]] = record.get("escalates_at", [])
        self.rows["requests"][record["request"]] = {
            "run": record["run"],
            "system": record["system"],
            "approval": record["approval"],
            "step": record["step"],
            "message": record["message"]["id"],
            "digest": record["digest"],
            "state": "open",
            "edited_from": record["edited_from"],
            "edited_by": record["edited_by"],
            "capped": record.get("capped", ""),
            "in_place_of": record.get("in_place_of", ""),
            "stage": 0,
            "escalates_at": next(iter(record.get("escalates_at", ())), None),
            "expires_at": record["expires_at"],
        }

    def _decided(self, record: Plain) -> None:
        outcome, decision, message = record["outcome"], record["decision"], record["message"]
        if not self._is_new("decisions", decision):
            return
        self.rows["decisions"][decision] = {
            "run": record["run"],
            "request": record["request"],
            "outcome": outcome,
            "option": record["option"],
            "message": message["id"] if message else "",
            "by": record["by"],
            "assurance": record["assurance"],
            "digest": record["digest"],
            "at": record["at"],
            "for_person": record.get("for_person", ""),  # older records do not have these
            "delegation": record.get("delegation", ""),
            "voters": list(record.get("voters", ())),
            "signature": _signature(record),
            "code": record.get("code", ""),
            "broke_glass": int(record.get("broke_glass", False)),
            "commitment": record["commitment"],
            "revoked": "",
        }
        if record.get("review"):
            self.rows["reviews"][ids.derive(ids.REVIEW, decision)] = {
                **{column: record[column] for column in ("run", "system", "approval", "decision")},
                "of": record["review"],
                "made_at": record["at"],
                "due_at": record["review_due"],
                "verdict": "",
                "by": "",
                "at": None,
            }
        rule = record["by"].rpartition("@")[0]
        for cap, amount in record.get("spent", {}).items():
            window = window_of(cap.rpartition("/")[2], record["at"])
            self.spent[record["system"], rule, cap, window] += amount
        self._state(record["request"], "expired" if outcome == "expired" else "decided")
        released = self._calls.get(record["request"], {}).get(record["option"], []) if outcome in _YES else []
        effects = {ids.derive(ids.GRANT, decision, effect): effect for effect in released}
        for grant in record["grants"]:
            row = self.rows["grants"][grant] = {"run": record["run"], "decision": decision}
            effect = effects.get(grant)
            if effect is not None:
                row |= {"effect": effect, "call_digest": self._digests.get(effect, "")}

    def _voted(self, record: Plain) -> None:
        if not self._is_new("votes", record["vote"]):
            return
        same = ("run", "system", "subject", "number", "answer", "option", "by", "for_person", "delegation")
        rest = ("assurance", "digest", "at", "commitment")
        self.rows["votes"][record["vote"]] = {
            **{column: record[column] for column in (*same, *rest)},
            "signature": _signature(record),
        }

    def _revoked(self, record: Plain) -> None:
        self.revoked.update(record["revoked"])
        self.rows["decisions"][record["decision"]]["revoked"] = record["cause"]

    def _delegated(self, record: Plain) -> None:
        same = ("giver", "taker", "system", "approval", "until", "reason", "at")
        self.rows["delegations"][record["delegation"]] = {
            **{column: record[column] for column in same},
            "ended_at": None,
        }

    def _delegation_revoked(self, record: Plain) -> None:
        self.rows["delegations"][record["delegation"]]["ended_at"] = record["at"]

    def _reviewed(self, record: Plain) -> None:
        done = {"verdict": record["verdict"], "by": record["by"], "at": record["at"]}
        self.rows["reviews"][record["review"]] |= done

    def _escalated(self, record: Plain) -> None:
        following = self._escalates[record["request"]][record["stage"] :]
        self.rows["requests"][record["request"]] |= {
            "stage": record["stage"],
            "escalates_at": next(iter(following), None),
        }

    def _request_withdrawn(self, record: Plain) -> None:
        self._state(record["request"], "withdrawn")

    def _state(self, request: str, state: str) -> None:
        row = self.rows["requests"].get(request)
        if row is not None:
            row["state"] = state

    def _crossed(self, record: Plain) -> None:
        self.cited.update(id for id in record["chain"] if id.startswith(ids.DECISION))

    # -- effects ------------------------------------------------------------------------------------------------------

    def _prepared(self, record: Plain) -> None:
        effect = record["effect"]
        if not self._is_new("effects", effect):
            return
        self._digests[effect] = record["call_digest"]
        same = ("run", "system", "name", "receiver", "guarantee", "step", "message", "origin", "method")
        self.rows["effects"][effect] = {
            **{column: record[column] for column in same},
            "call_digest": record["call_digest"],
            "idempotency_key": record["idempotency_key"],
            "path_digest": record["path_digest"],
            "state": "prepared",
            "attempt": 0,
            "sent_at": None,
            "detail": "",
        }

    def _sent(self, record: Plain) -> None:
        row = self._known(record)
        if row is not None:
            row["attempt"] = record["attempt"]
            row["sent_at"] = record["at"] if row["sent_at"] is None else row["sent_at"]
        self.rows["consumed"][record["grant"]] = {}

    def _stands(self, record: Plain) -> None:
        self._known(record)

    def _turned_away(self, record: Plain) -> None:
        if record["effect"]:
            self.refused[record["effect"]] = record["reason"]

    def _known(self, record: Plain) -> Columns | None:
        self._last[record["effect"]] = record
        return self.rows["effects"].get(record["effect"])

    def _step_ended(self, record: Plain) -> None:
        if record["role"] == "effect":
            for crossing in record["consumed"].values():
                self._ended[ids.derive(ids.EFFECT, record["run"], record["node"], crossing)] = record["error"]

    def _settle(self, effect: str, row: Columns) -> None:
        last, ended = self._last.get(effect), self._ended.get(effect)
        kind = last["kind"] if last is not None else "effect.prepared"
        said = last if last is not None else {}
        if kind == "effect.sent":
            row |= {"state": "sent", "detail": ""}
        elif kind == "effect.answered":
            done = said["outcome"] == "done"
            row |= {"state": "done" if done else "failed" if ended is not None else "prepared", "detail": said["error"]}
        elif kind == "effect.in-doubt":
            row |= {"state": "in-doubt", "detail": said["error"]}
        elif kind == "effect.settled":
            row |= {"state": "sent" if said["outcome"] == "again" else said["outcome"], "detail": None}
        elif kind == "effect.withdrawn":
            row |= {"state": "withdrawn", "detail": said["reason"]}
        if ended is not None and ended.startswith(REFUSED) and ended != said.get("error", ""):
            row |= {"state": "withdrawn", "detail": ended.removeprefix(REFUSED)}

    # -- what was erased ----------------------------------------------------------------------------------------------

    def _payload_erased(self, record: Plain) -> None:
        self.erased.update(record["messages"], record["requests"], record["effects"])
        if record["whole"]:
            self.erased.add(record["run"])

    def _person_erased(self, record: Plain) -> None:
        self.erased.update(record["decisions"], record["messages"], record.get("votes", ()))
        self.rows["people"][record["person"]] = {"roles": [], "teams": []}

    # -- stops --------------------------------------------------------------------------------------------------------

    def _froze(self, record: Plain) -> None:
        self.frozen[record["system"]].add(record["target"])
        self.rows["freezes"][record["freeze"]] = {
            "system": record["system"],
            "target": record["target"],
            "by": record["by"],
            "reason": record["reason"],
            "state": "committed",
            "at": record["at"],
            "in_flight": list(record["in_flight"]),
        }

    def _quiesced(self, record: Plain) -> None:
        self.rows["freezes"][record["freeze"]]["state"] = "quiesced"

    def _thawed(self, record: Plain) -> None:
        lifted = self.rows["freezes"][record["freeze"]]
        lifted["state"] = "lifted"
        standing = (row for row in self.rows["freezes"].values() if row["state"] != "lifted")
        self.frozen[lifted["system"]] = {row["target"] for row in standing if row["system"] == lifted["system"]}


def _signature(record: Plain) -> str:
    """A signature, as rows have it; older records do not have one."""
    signature = record.get("signature")
    return json.dumps(signature, sort_keys=True) if signature else ""


_KINDS: Final[dict[str, Callable[[Indexes, Plain], None]]] = {
    "person.added": Indexes._person,
    "system.registered": Indexes._system,
    "handover.offered": Indexes._offered,
    "handover.accepted": Indexes._accepted,
    "exemption.accepted": Indexes._exemption,
    "rule.proposed": Indexes._proposed,
    "rule.approved": Indexes._rule_approved,
    "rule.revoked": Indexes._rule_revoked,
    "run.started": Indexes._started,
    "run.continued": Indexes._continued,
    "run.rested": Indexes._rested,
    "run.ended": Indexes._run_ended,
    "run.reopened": Indexes._reopened,
    "request.made": Indexes._asked,
    "voted": Indexes._voted,
    "delegated": Indexes._delegated,
    "delegation.revoked": Indexes._delegation_revoked,
    "decided": Indexes._decided,
    "request.withdrawn": Indexes._request_withdrawn,
    "decision.revoked": Indexes._revoked,
    "escalated": Indexes._escalated,
    "reviewed": Indexes._reviewed,
    "crossed": Indexes._crossed,
    "effect.prepared": Indexes._prepared,
    "effect.sent": Indexes._sent,
    "effect.answered": Indexes._stands,
    "effect.in-doubt": Indexes._stands,
    "effect.settled": Indexes._stands,
    "effect.withdrawn": Indexes._stands,
    "effect.refused": Indexes._turned_away,
    "step.finished": Indexes._step_ended,
    "froze": Indexes._froze,
    "freeze.quiesced": Indexes._quiesced,
    "thawed": Indexes._thawed,
    "payload.erased": Indexes._payload_erased,
    "person.erased": Indexes._person_erased,
}

KINDS: Final = tuple(sorted(_KINDS.keys() - {"step.finished", "crossed"}))
"""The kinds of records that rows are made of; the ends of effects' steps are asked for besides."""


def exemption_key(system: str, approval: str, name: str, version: int) -> str:
    """How one accepted exemption is named here."""
    return f"{system}/{approval}/{name}@{version}"


def newest_uses(spent: Mapping[Use, int]) -> dict[str, Columns]:
    """What the rows of caps must say: for each the newest window that was used, and how much."""
    found: dict[str, Columns] = {}
    for (system, name, cap, window), used in sorted(spent.items()):  # of one cap, the newest window comes last
        row = {"system": system, "name": name, "cap": cap, "window": window, "used": used}
        found[f"{name} of {system}: {cap}"] = row
    return found
