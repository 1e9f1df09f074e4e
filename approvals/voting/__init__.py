"""Who may decide, for whom, and whether enough people have."""
