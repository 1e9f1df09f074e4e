"""One answer to many requests that ask the same: each decided for itself, and told for itself.

1. Only what asks the same is answered together (`approvals/grouping.py`); else it is refused, and nothing is decided.
2. In the order of tiers and deadlines, each in a transaction of its own, with its own digest and eligibility. One that
   is refused stops no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from answerable.approvals.deciding.answering import Once
from answerable.approvals.deciding.answers import Answer, Given
from answerable.approvals.grouping import in_order
from answerable.approvals.who.identity import By
from answerable.errors import AnswerableError, InvalidInput, NotAuthenticated
from answerable.orchestrator.office import Office


@dataclass(frozen=True, kw_only=True)
class Told:
    """What became of one request: its decision, or a vote that waits for others, or why there is neither."""

    request: str
    given: Given | None = None
    refused: AnswerableError | None = None


async def answer_together(
    office: Office, digests: Mapping[str, str], answer: Answer, *, by: By, once: Once | None = None
) -> list[Told]:
    """Give one answer to requests that ask the same; `digests` has what was shown of each, by its id.

    Raises: InvalidInput if they do not ask the same, or for an answer that is not the same for all of them; UnknownId,
    StoreCorrupt, NotAuthenticated.
    """
    if answer.outcome not in ("approved", "rejected"):
        raise InvalidInput("only a yes or a no can be given to many", hint="edit and respond to each by itself")
    told = []
    for id in await office.store.read(lambda tx: in_order(tx, list(digests))):
        own = once and replace(once, key=f"{once.key}:{id}")
        try:
            made = await office.decide(id, answer, by=by, seen=digests[id], once=own)
        except NotAuthenticated:
            raise
        except AnswerableError as error:
            told.append(Told(request=id, refused=error))
        else:
            told.append(Told(request=id, given=made))
    return told
