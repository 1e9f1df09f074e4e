"""How long what lies beside the ledger is kept: legal holds, erasing, pruning."""
