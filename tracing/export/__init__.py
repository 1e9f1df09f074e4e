"""How spans leave: the outbox, its delivery to a collector, and what follows the ledger to fill it."""
