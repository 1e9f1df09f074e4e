"""Where it is kept: one schema on SQLite and PostgreSQL, reached through short transactions."""
