"""How effects stand, by their records.

An effect's state follows from its last record, with two exceptions that only the end of its step tells: an answer that
is no yes ends it, or comes before another attempt; a refusal withdraws it, or leaves it as it was.
"""

from __future__ import annotations

from typing import Final

from answerable.tracing import ids
from answerable.tracing.ledger.indexes.indexes import Columns, Indexes, Plain, Take

REFUSED: Final = "refused: "  # how the error of an effect's step begins that was withdrawn by the gate


def _prepared(told: Indexes, record: Plain) -> None:
    effect = record["effect"]
    if not told.is_new("effects", effect):
        return
    told.digests[effect] = record["call_digest"]
    same = ("run", "system", "name", "receiver", "guarantee", "step", "message", "origin", "method")
    told.rows["effects"][effect] = {
        **{column: record[column] for column in same},
        "call_digest": record["call_digest"],
        "idempotency_key": record["idempotency_key"],
        "path_digest": record["path_digest"],
        "state": "prepared",
        "attempt": 0,
        "sent_at": None,
        "detail": "",
    }


def _sent(told: Indexes, record: Plain) -> None:
    row = _known(told, record)
    if row is not None:
        row["attempt"] = record["attempt"]
        row["sent_at"] = record["at"] if row["sent_at"] is None else row["sent_at"]
    told.rows["consumed"][record["grant"]] = {}


def _stands(told: Indexes, record: Plain) -> None:
    _known(told, record)


def _turned_away(told: Indexes, record: Plain) -> None:
    if record["effect"]:
        told.refused[record["effect"]] = record["reason"]


def _known(told: Indexes, record: Plain) -> Columns | None:
    told.last[record["effect"]] = record
    return told.rows["effects"].get(record["effect"])


def _step_ended(told: Indexes, record: Plain) -> None:
    if record["role"] == "effect":
        for crossing in record["consumed"].values():
            told.ended[ids.derive(ids.EFFECT, record["run"], record["node"], crossing)] = record["error"]


def settle(told: Indexes, effect: str, row: Columns) -> None:
    """Say in its row how an effect stands, now that all records were given."""
    last, ended = told.last.get(effect), told.ended.get(effect)
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


TAKEN: Final[dict[str, Take]] = {
    "effect.prepared": _prepared,
    "effect.sent": _sent,
    "effect.answered": _stands,
    "effect.in-doubt": _stands,
    "effect.settled": _stands,
    "effect.withdrawn": _stands,
    "effect.refused": _turned_away,
    "step.finished": _step_ended,
}
