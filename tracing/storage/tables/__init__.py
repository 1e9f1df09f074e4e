"""The tables: one schema for SQLite and PostgreSQL.

1. `records` is the truth. It is only ever appended to; `seq` is given once, by the sequencer, in commit order.
2. Every other table is an index of records, written in the same transaction, or work in progress that can be lost
   (checkpoints of LangGraph, the outbox's spans, which are projected again).
3. What every step writes lies in the order of its primary key (run, id), without a second index: a third of a step's
   cost.
4. Times are microseconds since the epoch, ids are text, JSON is text, payloads and bodies are bytes.
"""

from answerable.tracing.storage.tables import approvals, export, inbox, ledger, people, rules, runs, stops, store

__all__ = ["approvals", "export", "inbox", "ledger", "people", "rules", "runs", "stops", "store"]  # so none is missed
