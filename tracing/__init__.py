"""What happened: the store, records, the ledger, spans and their delivery."""
