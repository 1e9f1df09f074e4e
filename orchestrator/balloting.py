"""The votes on a request as plain JSON values: who has voted, which votes count, and who else has to answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from answerable.approvals.asking.requests import RequestRow
from answerable.approvals.deciding.ballots import ballot_of
from answerable.approvals.sealing.keys import Key
from answerable.orchestrator.documents import vote_document
from answerable.tracing.storage.store import Tx


def ballot_document(tx: Tx, key: Key, row: RequestRow, names: Mapping[str, str], *, at: int) -> dict[str, Any]:
    """The votes on a request, and, while it is open, who else has to answer for each option ("" for nobody)."""
    ballot = ballot_of(tx, key, row, at=at)
    counting = {one.cast.vote for one in ballot.counting}
    is_open = row.state == "open"
    return {
        "votes": [vote_document(vote, names) | {"counts": vote.id in counting} for vote in ballot.votes],
        "missing": {option: ballot.missing(option) for option in row.options} if is_open else {},
        "missing_to_deny": ballot.missing("") if is_open else "",
    }
