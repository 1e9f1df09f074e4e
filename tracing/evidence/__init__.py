"""Evidence: what is answered and handed out from the ledger, for how long it is kept, and how it is erased."""
