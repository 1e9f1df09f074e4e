"""What the ledger says of an id: facts, what lies beside them, and what led to what."""
