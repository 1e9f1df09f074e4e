"""Transactional effects: a function that writes into this very database, in the transaction that grants and records it.

1. Gate, function, result and record are one transaction: all of it happened, or nothing.
2. The function gets SQL and nothing else. It cannot end the transaction, and what it raises undoes everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text

from answerable.agents.messages import Message
from answerable.agents.nodes import Effect
from answerable.errors import InvalidInput
from answerable.orchestrator.running.stepping import check_known, describe
from answerable.orchestrator.running.verdicts import check_result
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx

_CONTROL = frozenset(
    {"begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release", "prepare", "pragma"}
)


class Undone(Exception):
    """The transaction is to be rolled back; the text says why."""


class OpenTransaction:
    """What a transactional effect's function is given; see `answerable.agents.calls.Transaction`."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    def execute(self, sql: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement; parameters are written `:name` on every database.

        Raises: InvalidInput for COMMIT and its kin.
        """
        words = sql.split(maxsplit=1)
        if not words or words[0].rstrip(";").lower() in _CONTROL:
            raise InvalidInput(f"{sql.strip()[:60]!r} is not for an effect to say: its transaction is the runtime's")
        return self._tx.rows(Statement(text(sql)), **(params or {}))


def in_transaction(
    effect: Effect[Any, Any], tx: Tx, message: Message, *, known: Mapping[str, type[Message]]
) -> Message:
    """Call the effect's function; its result.

    Raises: Undone for whatever it raises, and for a result of another type, or of one that is not `known`.
    """
    try:
        result = check_result(effect, effect.fn(OpenTransaction(tx), message))
        check_known(known, result)
        return result
    except Exception as error:
        raise Undone(describe(error, None)) from error
