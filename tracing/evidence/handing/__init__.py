"""What is handed out: bundles with their verifier, tables of decisions; and who read what."""
