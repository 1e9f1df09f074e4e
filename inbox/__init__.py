"""Where people decide: the HTTP API and its pages, over a store."""
